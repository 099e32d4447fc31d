"""More seeds extend a stored cell: its winner is trained on the missing ones, and what is stored stays as it is."""

from __future__ import annotations

import dataclasses
import math
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.cells import Cell
from bench.data import DATASETS
from bench.models import MODELS
from bench.running import cell as cell_module, extension, runner
from bench.running.extension import remaining, stored_study
from bench.running.plan import prepare
from bench.running.rows import failed
from bench.running.runner import Event, Finished, Outcome, run
from bench.running.workers import start
from bench.spec import Entry, Training, Tuning
from bench.store.reader import summary
from bench.store.schema import SCHEMAS, Rows, Status, table
from bench.tuning import study

MakeCell = Callable[..., Cell]

TIMES = ("fit_s", "predict_s", "tuning_s", "started_at", "machine_reference_s", "peak_memory_bytes")


def trained_cell(make_cell: MakeCell, model: str = "gru", **changes: Any) -> Cell:
    """A cell of shipped kinds, small enough to be trained here."""
    entries = {
        name: Entry(id=kind, kind=kind, parameters=kinds[kind].parameters().model_dump(mode="json"))
        for name, kind, kinds in (("dataset", "noisy-sine", DATASETS), ("model", model, MODELS))
    }
    return dataclasses.replace(make_cell(), training=Training(epochs=2), **{**entries, **changes})


def carry_out(
    cell: Cell, folder: Path, *, target: str = "", events: list[Event] | None = None, **options: bool
) -> Outcome:
    begin = partial(start, "inline", jobs=1, device="cpu", **({"target": target} if target else {}))
    listen = (lambda _: None) if events is None else events.append
    return run(prepare([cell], folder, **options), begin, jobs=1, device="cpu", listener=listen)


def of_seeds(rows: pa.Table, seeds: range) -> pa.Table:
    return rows.filter(pc.is_in(rows["seed"], value_set=pa.array(seeds, pa.int32())))


def without_times(rows: pa.Table) -> pa.Table:
    return rows.drop([name for name in TIMES if name in rows.column_names])


ADDING = DATASETS["adding"].parameters(count=60, length=10).model_dump(mode="json")

CELLS: dict[str, dict[str, Any]] = {
    "untuned": {},
    "tuned": {"tuning": Tuning(trials=3, batch=3)},
    "data of each replicate": {"fresh_data": True},
    "closed form": {"model": "linear-ar", "tuning": Tuning(trials=2)},
    "sequences": {"dataset": Entry(id="adding", kind="adding", parameters=ADDING), "sequence_length": 10},
}


@pytest.mark.parametrize("name", CELLS)
def test_an_extended_cell_has_the_rows_that_one_run_gives(tmp_path: Path, make_cell: MakeCell, name: str) -> None:
    """To rounding: a bank of three sums in another order than one of five."""
    few = trained_cell(make_cell, seeds=2, **CELLS[name])
    many = dataclasses.replace(few, seeds=5)
    carry_out(few, tmp_path / "extended")
    before = {each: store.read(tmp_path / "extended", each) for each in SCHEMAS}
    events: list[Event] = []
    carry_out(many, tmp_path / "extended", events=events)
    carry_out(many, tmp_path / "whole")
    after, whole = ({each: store.read(tmp_path / part, each) for each in SCHEMAS} for part in ("extended", "whole"))
    assert [event.cell.replicates for event in events if isinstance(event, Finished)] == [[2, 3, 4]]
    for each, rows in before.items():
        assert (of_seeds(after[each], range(2)) if "seed" in rows.column_names else after[each]) == rows
        key = [column for column in ("seed", "epoch", "index", "channel", "step") if column in rows.column_names]
        assert after[each].select(key) == whole[each].select(key)
    for column in ("mse", "validation_mse_scaled"):
        expected = whole["runs"][column].to_pylist()
        assert after["runs"][column].to_pylist() == pytest.approx(expected, rel=1e-5)
    settled = ("hyperparameters", "spec", "shapes", "data_sha256", "data_seed", "deterministic", "trials", "status")
    assert after["runs"].select(settled) == whole["runs"].select(settled)
    assert len(after["runs"]["tuning_s"].unique()) == 1
    assert prepare([many], tmp_path / "extended").nothing_to_do


def test_the_winner_that_is_stored_is_trained_without_a_study(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = trained_cell(make_cell, tuning=Tuning(trials=4, batch=4), seeds=1)
    carry_out(cell, tmp_path)
    monkeypatch.setattr(study, "tune", lambda *_args, **_options: pytest.fail("a study was made"))
    events: list[Event] = []
    carry_out(dataclasses.replace(cell, seeds=2), tmp_path, events=events)
    runs = store.read(tmp_path, "runs")
    assert runs["status"].to_pylist() == ["ok", "ok"]
    assert len(runs["hyperparameters"].unique()) == 1
    assert runs["trials"].to_pylist() == [4, 4]
    (seconds,) = (event.seconds for event in events if isinstance(event, Finished))
    assert seconds == pytest.approx(sum(runs[name][1].as_py() for name in ("fit_s", "predict_s")))


def test_a_study_whose_trials_all_diverged_has_no_winner_to_train(tmp_path: Path, make_cell: MakeCell) -> None:
    cell = trained_cell(make_cell, tuning=Tuning(trials=2, batch=2))
    rows = with_column(failed(cell, Status.DIVERGED, "as then"), "tuning_s", [1.5] * 2)
    failure = {"state": "failed", "parameters": "{}", "epochs": 1, "validation_curve": [math.nan], "duration_s": 0.5}
    trials = [{**cell.columns, "trial": n, **failure} for n in range(2)]
    with store.writing(tmp_path) as writer:
        writer.put({**with_column(rows, "trials", [2] * 2), "trials": table("trials", trials)})
    carry_out(dataclasses.replace(cell, seeds=3), tmp_path)
    runs = store.read(tmp_path, "runs")
    assert runs["status"].to_pylist() == ["diverged"] * 3
    assert runs["reason"][2].as_py().startswith("every trial of the study diverged; ")
    assert runs["tuning_s"].to_pylist() == [1.5] * 3


def test_a_stored_study_that_was_changed_is_made_again(
    tmp_path: Path, make_cell: MakeCell, caplog: pytest.LogCaptureFixture
) -> None:
    cell = trained_cell(make_cell, tuning=Tuning(trials=2, batch=2), seeds=1)
    carry_out(cell, tmp_path)
    before = store.read(tmp_path, "trials")
    part = tmp_path / "trials" / f"{cell.id}.parquet"
    at = before.column_names.index("parameters")
    lost = pa.array([None, None], pa.string())
    pq.write_table(before.set_column(at, before.schema.field(at), lost).cast(SCHEMAS["trials"]), part)
    carry_out(dataclasses.replace(cell, seeds=2), tmp_path)
    runs = store.read(tmp_path, "runs")
    assert runs["status"].to_pylist() == ["ok", "ok"]
    assert store.read(tmp_path, "trials").drop(["duration_s"]) == before.drop(["duration_s"])
    (said,) = caplog.messages
    assert said.endswith(": parameters: expected a value, got None; its study is made again")


def with_column(rows: Rows, name: str, values: list[Any]) -> Rows:
    runs = rows["runs"]
    at = runs.schema.get_field_index(name)
    return {**rows, "runs": runs.set_column(at, runs.schema.field(at), pa.array(values, runs.schema.field(at).type))}


def ended(cell: Cell, *statuses: str) -> Rows:
    """The rows of `cell`, whose replicates ended so."""
    rows = failed(dataclasses.replace(cell, seeds=len(statuses)), Status.DIVERGED, "")
    for name in ("mse", "rmse"):
        rows = with_column(rows, name, [1.0] * len(statuses))
    return with_column(rows, "status", list(statuses))


@pytest.mark.parametrize(
    ("statuses", "limit", "runs", "failed_only"),
    [
        (["ok"] * 2, 5.0, [2, 3], []),
        (["ok"] * 4, 5.0, [], []),
        (["ok"] * 6, 5.0, [], []),
        (["ok", "diverged"], 5.0, [2, 3], [1, 2, 3]),
        (["diverged"] * 2, 5.0, [2, 3], [0, 1, 2, 3]),
        (["ok", "failed"], 5.0, [2, 3], [1, 2, 3]),
        (["failed"] * 2, 5.0, [], [0, 1, 2, 3]),  # nothing could be trained: no further one is tried
        (["out_of_memory"] * 4, 5.0, [], [0, 1, 2, 3]),
        (["ok", "timeout"], 5.0, [2, 3], [1, 2, 3]),
        (["ok", "timeout"], 6.0, [1, 2, 3], [1, 2, 3]),
        (["timeout"] * 2, 5.0, [], [0, 1, 2, 3]),
        (["timeout"] * 2, None, [0, 1, 2, 3], [0, 1, 2, 3]),
        (["ok", "ok", "unavailable", "ok"], 5.0, [2], [2]),
        (["ok"] * 4 + ["failed"], 5.0, [], []),  # what is not requested decides nothing
    ],
)
def test_how_a_replicate_ended_decides_whether_it_runs_again(
    make_cell: MakeCell, statuses: list[str], limit: float | None, runs: list[int], failed_only: list[int]
) -> None:
    cell = make_cell(seeds=4)
    known = summary(ended(dataclasses.replace(cell, time_limit_s=5.0), *statuses)["runs"])
    now = dataclasses.replace(cell, time_limit_s=limit)
    for choice, expected in ((False, runs), (True, failed_only)):
        rest = remaining(now, known, failed_only=choice)
        assert (rest.replicates if rest else []) == expected
    assert remaining(now, None) == now
    assert remaining(now, None, failed_only=True) is None


@pytest.mark.usefixtures("fakes")
def test_what_fails_in_an_extension_is_a_row_next_to_those_that_stay(tmp_path: Path, make_cell: MakeCell) -> None:
    cell = make_cell("fail:out_of_memory", seeds=4)
    with store.writing(tmp_path) as writer:
        writer.put(ended(cell, "ok", "ok"))
    (what,) = carry_out(cell, tmp_path, target="fake_cells:run_cell").values()
    assert (what.status, what.reason) == (Status.OUT_OF_MEMORY, "requested to")
    assert store.read(tmp_path, "runs")["status"].to_pylist() == ["ok", "ok", "out_of_memory", "out_of_memory"]
    assert prepare([cell], tmp_path).nothing_to_do
    (rest,) = prepare([cell], tmp_path, failed_only=True).pending
    assert rest.replicates == [2, 3]
    fewer = prepare([dataclasses.replace(cell, seeds=2)], tmp_path, failed_only=True)
    assert fewer.pending == ()
    assert [what.status for what in fewer.stored.values()] == [Status.OK]


@pytest.mark.usefixtures("fakes")
def test_fewer_seeds_run_nothing_and_fresh_ones_take_the_place_of_all(tmp_path: Path, make_cell: MakeCell) -> None:
    cell = make_cell("a", seeds=4)
    carry_out(cell, tmp_path, target="fake_cells:run_cell")
    fewer = dataclasses.replace(cell, seeds=3)
    assert prepare([fewer], tmp_path).nothing_to_do
    carry_out(fewer, tmp_path, target="fake_cells:run_cell")
    assert store.read(tmp_path, "runs")["seed"].to_pylist() == [0, 1, 2, 3]
    carry_out(fewer, tmp_path, target="fake_cells:run_cell", fresh=True)
    assert store.read(tmp_path, "runs")["seed"].to_pylist() == [0, 1, 2]


@pytest.mark.usefixtures("fakes")
def test_each_row_keeps_the_commit_and_the_environment_that_it_was_made_with(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter(["a" * 40, "b" * 40])
    monkeypatch.setattr(runner, "checkout", lambda: {"git_commit": next(commits), "git_dirty": False})
    cell = make_cell("a", seeds=2)
    carry_out(cell, tmp_path, target="fake_cells:run_cell")
    first = store.read(tmp_path, "runs")
    carry_out(dataclasses.replace(cell, seeds=3, time_limit_s=60.0), tmp_path, target="fake_cells:run_cell")
    runs = store.read(tmp_path, "runs")
    assert runs["git_commit"].to_pylist() == ["a" * 40, "a" * 40, "b" * 40]
    assert runs.slice(0, 2) == first
    assert runs["started_at"][2].as_py() > runs["started_at"][0].as_py()
    (what,) = store.stored(tmp_path).values()
    assert what.started_at == runs["started_at"][0].as_py()


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from conftest import cell_of
from pathlib import Path
from functools import partial
from bench.running.plan import prepare
from bench.running.runner import run
from bench.running.workers import start

if __name__ == "__main__":
    cells = [cell_of("a", length=length, seeds=int(sys.argv[2])) for length in range(1, 7)]
    started = partial(start, "inline", jobs=1, device="cpu", target="fake_cells:run_cell")
    run(prepare(cells, Path(sys.argv[1])), started, jobs=1, device="cpu", listener=lambda event: None)
"""


@pytest.mark.usefixtures("fakes")
def test_extensions_that_are_killed_again_and_again_end_with_every_row_once(
    tmp_path: Path, make_cell: MakeCell
) -> None:
    cells = [make_cell("a", length=length, seeds=2) for length in range(1, 7)]
    folder, script, draw = tmp_path / "r", tmp_path / "script.py", random.Random(0)
    for cell in cells:
        carry_out(cell, folder, target="fake_cells:run_cell")
    first = store.read(folder, "runs")
    script.write_text(SCRIPT.format(path=[str(Path(__file__).parent), *sys.path]))
    killed = 0
    for seeds in (3, 3, 4, 5, 5, 5):
        before = (folder / ".lock").stat().st_mtime_ns
        with subprocess.Popen([sys.executable, str(script), str(folder), str(seeds)]) as process:
            while process.poll() is None and (folder / ".lock").stat().st_mtime_ns == before:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.06))
            process.kill()
        killed += process.returncode == -signal.SIGKILL
        assert of_seeds(store.read(folder, "runs"), range(2)) == first
    assert killed
    for cell in cells:
        carry_out(dataclasses.replace(cell, seeds=5), folder, target="fake_cells:run_cell")
    runs = store.read(folder, "runs")
    assert of_seeds(runs, range(2)) == first
    rows = Counter(zip(runs["cell_id"].to_pylist(), runs["seed"].to_pylist(), strict=True))
    assert rows == Counter((cell.id, seed) for cell in cells for seed in range(5))
    assert set(runs["status"].to_pylist()) == {"ok"}


@pytest.mark.usefixtures("fakes")
def test_a_cell_that_waits_for_its_fresh_run_is_not_extended(tmp_path: Path, make_cell: MakeCell) -> None:
    cell = make_cell("a", seeds=2)
    carry_out(cell, tmp_path, target="fake_cells:run_cell")
    (what,) = store.stored(tmp_path).values()
    with store.writing(tmp_path) as writer:
        renewal = store.Renewal(what.started_at.replace(year=2100), frozenset([cell.id]))
        writer.put_renewal(renewal, renewal.cells)
    more = dataclasses.replace(cell, seeds=3)
    assert prepare([more], tmp_path).pending == (more,)
    carry_out(more, tmp_path, target="fake_cells:run_cell")
    assert store.read(tmp_path, "runs")["seed"].to_pylist() == [0, 1, 2]
    assert len(store.read(tmp_path, "runs")["started_at"].unique()) == 1


@pytest.mark.usefixtures("fakes")
def test_what_failed_runs_again_next_to_rows_that_wait_for_their_fresh_run(tmp_path: Path, make_cell: MakeCell) -> None:
    cell = make_cell("a", seeds=3)
    with store.writing(tmp_path) as writer:
        writer.put(ended(cell, "ok", "failed", "ok"))
        (what,) = store.stored(tmp_path).values()
        assert what.started_at is not None
        renewal = store.Renewal(what.started_at + timedelta(microseconds=1), frozenset([cell.id]))
        writer.put_renewal(renewal, renewal.cells)  # as a run with --fresh does that is interrupted at once
    before = store.read(tmp_path, "runs")
    carry_out(cell, tmp_path, target="fake_cells:run_cell", failed_only=True)
    runs = store.read(tmp_path, "runs")
    assert (runs["seed"].to_pylist(), set(runs["status"].to_pylist())) == ([0, 1, 2], {"ok"})
    assert [runs.slice(seed, 1) == before.slice(seed, 1) for seed in range(3)] == [True, False, True]
    assert prepare([cell], tmp_path).pending == (cell,)  # it still waits
    carry_out(cell, tmp_path, target="fake_cells:run_cell")
    assert not store.read_renewal(tmp_path)
    assert len(store.read(tmp_path, "runs")["started_at"].unique()) == 1


def test_a_study_that_ran_out_of_time_goes_on_where_it_was(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = trained_cell(make_cell, tuning=Tuning(trials=4, batch=2), time_limit_s=600.0)
    carry_out(cell, tmp_path / "whole")
    trials = store.read(tmp_path / "whole", "trials")
    with store.writing(tmp_path / "late") as writer:
        writer.put({**ended(cell, "timeout", "timeout"), "trials": trials.slice(0, 2)})
    begun = stored_study(tmp_path / "late", cell.id)
    assert begun is not None
    assert (begun.trials.num_rows, begun.tuning_s) == (2, None)
    fitted: list[int] = []
    train = study.train
    monkeypatch.setattr(study, "train", lambda *args, **options: (fitted.append(1), train(*args, **options))[1])
    carry_out(dataclasses.replace(cell, time_limit_s=None), tmp_path / "late")
    again = store.read(tmp_path / "late", "trials")
    assert again.slice(0, 2) == trials.slice(0, 2)
    assert again.drop(["duration_s"]) == trials.drop(["duration_s"])
    assert store.read(tmp_path / "late", "runs")["mse"] == store.read(tmp_path / "whole", "runs")["mse"]
    assert len(fitted) <= 2  # of the second batch alone


def test_copies_are_found_among_old_and_new_replicates(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One replicate alone cannot say whether the seeds of a model change anything."""
    kind = dataclasses.replace(MODELS["mean"], stochastic=True, builder="test_extension:Seeded")
    for module in (cell_module, extension):
        monkeypatch.setattr(module, "model_kinds", lambda: {"mean": kind})
    monkeypatch.syspath_prepend(Path(__file__).parent)
    cell = trained_cell(make_cell, "mean", seeds=1)
    carry_out(cell, tmp_path)
    assert store.read(tmp_path, "runs")["deterministic"].to_pylist() == [False]
    carry_out(dataclasses.replace(cell, seeds=2), tmp_path)
    assert store.read(tmp_path, "runs")["deterministic"].to_pylist() == [True] * 2


def Seeded(parameters: Any, shape: Any) -> Any:  # noqa: N802 - stands for a class
    """The mean, which does not use its seed."""
    model = MODELS["mean"].build(parameters, shape)
    model.seed = lambda _seed: None
    return model
