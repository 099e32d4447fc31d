"""Who is requested what, in which order and process; what is stored of it; and what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from bench.cells import Cell
from bench.models.base import Shape
from bench.probe.probe_plan import ProbePlan, Setting, Wanted
from bench.probe.session import run
from bench.probe.workload import Workload
from bench.running.rows import Blocked
from bench.running.runner import Advanced, Event, Finished, Planned, Started
from bench.spec import Entry, Split, Training
from bench.store.reader import read_probes
from bench.store.schema import Status

TARGET = "fake_probe:answer"
SETTING = Setting("cpu", threads=3, repeats=2)


def wanted(kind: str, *, dataset: str = "d", size: int = 4) -> Wanted:
    entry = Entry(id=dataset, kind="random", parameters={})
    model = Entry(id=kind, kind=kind, parameters={})
    cell = Cell("s", entry, model, 5, 1, seeds=2, seed=0, split=Split(), training=Training(), tuning=None)
    parameters = f'{{"hidden_size":{size}}}'
    return Wanted(cell, Workload(kind, parameters, Shape(5, 1, 1), 64, 100, 10, 3, 2), "suite")


def probed(folder: Path, *pending: Wanted) -> list[Event]:
    events: list[Event] = []
    plan = ProbePlan(folder, SETTING, tuple(each.cell for each in pending), pending)
    run(plan, events.append, target=TARGET)
    return events


def test_rounds_go_over_the_models_of_a_case_in_turn_each_in_a_process_of_its_own(tmp_path: Path, log: Path) -> None:
    events = probed(tmp_path, wanted("rnn"), wanted("gru", dataset="e"), wanted("lstm"))
    requested = [line.split() for line in log.read_text().splitlines()]
    assert [(kind, what) for kind, what, *_ in requested] == [
        *(("rnn", "facts"), ("lstm", "facts"), ("rnn", "sample"), ("lstm", "sample"), ("rnn", "sample")),
        *(("lstm", "sample"), ("gru", "facts"), ("gru", "sample"), ("gru", "sample")),
    ]
    assert len({(kind, process) for kind, _, process, _ in requested}) == 3
    assert {threads for *_, threads in requested} == {"3"}
    together = [*[Started] * 2, *[Advanced] * 2, *[Finished] * 2]
    assert [type(event) for event in events] == [Planned, *together, Started, *[Advanced] * 2, Finished]
    assert [(event.done, event.pending) for event in events if isinstance(event, Advanced)] == [(1, 2), (2, 2)] * 2
    assert isinstance(events[-1], Finished)
    assert (events[-1].done, events[-1].pending, events[-1].remaining_s) == (3, 3, 0.0)


def test_every_raw_sample_is_stored_with_what_was_measured_and_where(tmp_path: Path, log: Path) -> None:
    each = wanted("rnn")
    probed(tmp_path, each)
    rows = read_probes(tmp_path)
    assert read_probes(tmp_path, machine=SETTING.machine).num_rows == rows.num_rows
    assert read_probes(tmp_path, machine=replace(SETTING, threads=1).machine).num_rows == 0
    values = [(row["quantity"], row["repeat"], row["value"]) for row in rows.to_pylist()]
    assert sorted(values, key=str) == sorted(
        [
            *(("parameters", None, 7.0), ("peak_memory_bytes", None, 2.0**20)),
            *(("step_s", 0, 0.002), ("step_s", 1, 0.003), ("latency_s", 0, 1e-5), ("latency_s", 1, 1e-5)),
        ],
        key=str,
    )
    (one,) = (
        rows.select(["cell_id", "status", "workload", "parameters_from", "device"])
        .group_by(["cell_id", "status", "workload", "parameters_from", "device"])
        .aggregate([])
        .to_pylist()
    )
    assert each.workload is not None
    assert list(one.values()) == [each.cell.id, "ok", each.workload.to_json(), "suite", "cpu"]
    assert pc.min(rows["machine_reference_s"]).as_py() > 0


def test_models_that_were_measured_in_turn_tell_the_same_start(tmp_path: Path, log: Path) -> None:
    probed(tmp_path, wanted("rnn"), wanted("lstm"), wanted("gru", dataset="e"))
    starts = {row["model"]: row["started_at"] for row in read_probes(tmp_path).to_pylist()}
    assert starts["rnn"] == starts["lstm"] < starts["gru"]


def test_a_model_that_fails_or_dies_becomes_a_row_and_the_others_go_on(tmp_path: Path, log: Path) -> None:
    nowhere = replace(wanted("drift"), workload=None, blocked=Blocked(Status.UNAVAILABLE, "bring it"))
    many = [wanted("rnn", size=99), wanted("gru", size=13), nowhere, wanted("lstm")]
    ended = {event.cell.model.id: event.status for event in probed(tmp_path, *many) if isinstance(event, Finished)}
    found = {row["model"]: row for row in read_probes(tmp_path).to_pylist()}
    assert {name: found[name]["status"] for name in found} == ended
    assert "exit code 13" in found["gru"]["reason"]
    assert ended == {
        "rnn": "out_of_memory",
        "gru": "failed",
        "drift": "unavailable",
        "lstm": "ok",
    }
    assert {(row["host"], row["threads"]) for row in found.values()} >= {(found["lstm"]["host"], 3)}
    assert (found["rnn"]["reason"], found["rnn"]["quantity"], found["rnn"]["value"]) == ("requested to", None, None)


def test_an_interrupt_leaves_no_process_and_keeps_what_is_stored(tmp_path: Path, log: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Started) and event.cell.dataset.id == "e":
            raise KeyboardInterrupt

    first, second = wanted("rnn"), wanted("rnn", dataset="e")
    plan = ProbePlan(tmp_path, SETTING, (first.cell, second.cell), (first, second))
    with pytest.raises(KeyboardInterrupt):
        run(plan, stop, target=TARGET)
    assert set(read_probes(tmp_path)["cell_id"].to_pylist()) == {first.cell.id}
    assert not list((tmp_path / ".pending").iterdir())
    probed(tmp_path, second)
    assert set(read_probes(tmp_path)["cell_id"].to_pylist()) == {first.cell.id, second.cell.id}
