"""A run stores each cell as it finishes, tells so, and leaves the same rows however often it was killed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench import store
from bench.cells import Cell
from bench.data import DATASETS
from bench.errors import DataUnavailable, StoreError
from bench.models import MODELS
from bench.running import plan, runner
from bench.running.plan import prepare
from bench.running.runner import STUDIES, Compiling, Event, Finished, Outcome, Planned, Started, Working, run
from bench.running.unfinished import Unfinished
from bench.running.workers import start
from bench.spec import Entry, Suite, Training, Tuning
from bench.store import writer
from bench.store.schema import SCHEMAS, Rows, Status, table
from bench.store.writer import exclusive

MakeCell = Callable[..., Cell]
IGNORED = {"started_at", "machine_reference_s", "host", "fit_s", "git_dirty"}


def _run(
    cells: list[Cell], folder: Path, *, engine: str = "inline", reported: list[Event] | None = None, **choice: bool
) -> Outcome:
    started = partial(start, engine, jobs=2, device="cpu", target="fake_cells:run_cell")
    heard = [] if reported is None else reported
    return run(prepare(cells, folder, **choice), started, jobs=2, device="cpu", listener=heard.append)


def _rows(folder: Path, table: str) -> list[dict[str, object]]:
    rows = store.read(folder, table).to_pylist()
    return [{name: value for name, value in row.items() if name not in IGNORED} for row in rows]


def _no_engine() -> None:
    pytest.fail("an engine was started with nothing to run")


@pytest.mark.usefixtures("fakes")
def test_every_event_and_every_row(tmp_path: Path, make_cell: MakeCell) -> None:
    cells = [make_cell("a"), make_cell("fail:diverged"), make_cell("b")]
    reported: list[Event] = []
    outcome = _run(cells, tmp_path, reported=reported)
    assert {cell_id: what.status for cell_id, what in outcome.items()} == {
        cells[0].id: Status.OK,
        cells[1].id: Status.DIVERGED,
        cells[2].id: Status.OK,
    }
    assert store.stored(tmp_path) == outcome
    planned, *others = reported
    assert isinstance(planned, Planned)
    assert (planned.total, planned.pending) == (3, 3)
    started = {event.cell.id for event in others if isinstance(event, Started)}
    finished = [event for event in others if isinstance(event, Finished)]
    assert started == {event.cell.id for event in finished} == set(outcome)
    assert [event.done for event in finished] == [1, 2, 3]
    assert finished[-1].remaining_s == 0
    assert [(event.status, event.reason) for event in finished if event.status != Status.OK] == [
        (Status.DIVERGED, "requested to")
    ]


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("engine", ["inline", "processes"])
def test_a_run_says_once_that_it_compiles(tmp_path: Path, make_cell: MakeCell, engine: str) -> None:
    reported: list[Event] = []
    _run([make_cell("a"), make_cell("compile:1"), make_cell("compile:2")], tmp_path, engine=engine, reported=reported)
    assert [event.pending for event in reported if isinstance(event, Compiling)] == [3]
    reported.clear()
    _run([make_cell("b")], tmp_path, engine=engine, reported=reported)
    assert not any(isinstance(event, Compiling) for event in reported)


@pytest.mark.usefixtures("fakes")
def test_a_run_says_how_far_a_cell_has_come(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage is reported once, as it is known; where nothing is, the cell is named now and then."""
    monkeypatch.setattr(runner, "_LOOK_S", 0.0)
    monkeypatch.setattr(runner, "_SILENT_S", 0.0)
    (cell,) = cells = [make_cell("a")]
    rows = _rows_of(cell)
    heard: list[Working] = []
    stages = [(), ("trial", 4, 10), ("round", 3, 16), ("replicate", 0, 5), ("round", 16, 16), ("replicate", 5, 5)]

    class Engine:
        """Its cell goes on whenever it was spoken of, and ends then."""

        def submit(self, _cell: Cell, unfinished: Unfinished) -> Future[Rows]:
            self.unfinished, self.future = unfinished, Future()
            return self.future

        def close(self) -> None: ...

    engine = Engine()

    def listen(event: Event) -> None:
        if isinstance(event, Working):
            heard.append(event)
            while stages and engine.unfinished.stage == event.stage:
                if stage := stages.pop(0):
                    engine.unfinished.advance(*stage)
            if not stages and not engine.future.done():
                engine.future.set_result(rows)

    run(prepare(cells, tmp_path), lambda: engine, jobs=1, device="cpu", listener=listen)
    assert [event.stage for event in heard] == [
        "",
        "4 of 10 trials",
        "4 of 10 trials, round 3 of 16",
        "0 of 5 replicates",
    ]
    assert {(event.cell.id, event.done, event.pending) for event in heard} == {(cell.id, 0, 1)}


def _rows_of(cell: Cell) -> Rows:
    with closing(start("inline", jobs=1, device="cpu", target="fake_cells:run_cell")) as engine:
        return engine.submit(cell).result()


@pytest.mark.usefixtures("fakes")
def test_a_second_run_has_nothing_to_do(tmp_path: Path, make_cell: MakeCell) -> None:
    cells = [make_cell("a"), make_cell("fail:diverged")]
    first = _run(cells, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    reported: list[Event] = []
    plan = prepare(cells, tmp_path)
    assert plan.nothing_to_do
    assert run(plan, _no_engine, jobs=2, device="cpu", listener=reported.append) == first
    assert reported == [Planned(total=2, pending=0, remaining_s=0.0)]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.usefixtures("fakes")
def test_fresh_replaces_rows_and_failed_only_runs_what_failed(tmp_path: Path, make_cell: MakeCell) -> None:
    cells = [make_cell("a"), make_cell("fail:failed")]
    _run(cells, tmp_path)
    for choice, ran in (({"fresh": True}, {0, 1}), ({"failed_only": True}, {1})):
        reported: list[Event] = []
        _run(cells, tmp_path, reported=reported, **choice)
        assert {event.cell.id for event in reported if isinstance(event, Finished)} == {cells[n].id for n in ran}
    assert len(_rows(tmp_path, "runs")) == 4


@pytest.mark.usefixtures("fakes")
def test_a_changed_cell_takes_the_place_of_the_old_one_which_can_come_back(tmp_path: Path, make_cell: MakeCell) -> None:
    old = [make_cell("a")]
    new = [dataclasses.replace(old[0], training=Training(epochs=7))]
    _run(old, tmp_path)
    first = {name: _rows(tmp_path, name) for name in SCHEMAS}
    _run(new, tmp_path)
    assert {row["cell_id"] for row in _rows(tmp_path, "runs")} == {new[0].id}
    plan = prepare(old, tmp_path)
    assert plan.pending == ()
    run(plan, _no_engine, jobs=1, device="cpu", listener=lambda _: None)
    assert {name: _rows(tmp_path, name) for name in SCHEMAS} == first


@pytest.mark.usefixtures("fakes")
def test_cells_of_other_places_stay(tmp_path: Path, make_cell: MakeCell) -> None:
    _run([make_cell("a"), make_cell("b")], tmp_path)
    _run([make_cell("a")], tmp_path)
    assert {row["model"] for row in _rows(tmp_path, "runs")} == {"a", "b"}


@pytest.mark.usefixtures("fakes")
def test_unavailable_data_is_a_row_that_never_hides_results(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = False

    def fingerprint(_: object) -> str:
        if not present:
            raise DataUnavailable("bring it")
        return "abc"

    kind = dataclasses.replace(DATASETS["random"], fingerprint=fingerprint)
    monkeypatch.setattr(plan, "dataset_kinds", lambda: {"random": kind})

    def statuses() -> list[object]:
        return [row["status"] for row in _rows(tmp_path, "runs")]

    for _ in range(2):  # noted at once, and tried again on every run
        outcome = run(prepare([make_cell("a")], tmp_path), _no_engine, jobs=1, device="cpu", listener=lambda _: None)
        assert [(what.status, what.reason) for what in outcome.values()] == [(Status.UNAVAILABLE, "bring it")]
        assert statuses() == ["unavailable"] * 2
    present = True
    _run([make_cell("a")], tmp_path)
    assert statuses() == ["ok"] * 2
    present = False
    outcome = run(prepare([make_cell("a")], tmp_path), _no_engine, jobs=1, device="cpu", listener=lambda _: None)
    assert [what.status for what in outcome.values()] == [Status.UNAVAILABLE]
    assert statuses() == ["ok"] * 2


@pytest.mark.usefixtures("fakes")
def test_trials_become_studies(tmp_path: Path, make_cell: MakeCell) -> None:
    optuna = pytest.importorskip("optuna")
    cells = [dataclasses.replace(make_cell(model), tuning=Tuning(trials=1)) for model in ("a", "b")]
    _run(cells, tmp_path)
    _run(cells[:1], tmp_path, fresh=True)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / STUDIES))
    studies = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
    assert sorted(study.user_attrs["cell_id"] for study in studies) == sorted(cell.id for cell in cells)


@pytest.mark.usefixtures("fakes")
def test_a_journal_that_cannot_be_written_costs_no_finished_cell(tmp_path: Path, make_cell: MakeCell) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / STUDIES).write_text("no journal\n")
    cell = dataclasses.replace(make_cell("a"), tuning=Tuning(trials=1))
    with pytest.raises(StoreError, match=r"expected a journal that can be written, .* move the file away") as caught:
        _run([cell], tmp_path / "r")
    assert "\n" not in str(caught.value)
    assert set(store.stored(tmp_path / "r")) == {cell.id}


@pytest.mark.usefixtures("fakes")
def test_a_run_that_may_not_change_the_folder_is_refused(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare([make_cell("a")], tmp_path)
    monkeypatch.setattr(writer, "WAIT_S", 0.0)
    with exclusive(tmp_path / ".lock"), pytest.raises(StoreError, match="only writer"):
        run(plan, _no_engine, jobs=1, device="cpu", listener=lambda _: None)


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("models", ["ab", "a"])  # something to run, and nothing
def test_a_run_that_is_refused_leaves_the_suite_of_the_other_run(
    tmp_path: Path, make_cell: MakeCell, models: str
) -> None:
    _run([make_cell("a")], tmp_path)
    store.write_suite(tmp_path, "{}")
    plan, suite = prepare([make_cell(model) for model in models], tmp_path), Suite(name="other")
    with store.writing(tmp_path) as other:
        other.claim("its own cell")
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
        with pytest.raises(StoreError, match=r"only writer, but another run with another suite .*1 cells are claimed"):
            run(plan, _no_engine, jobs=1, device="cpu", listener=lambda _: None, suite=suite)
        assert before == {path: path.read_bytes() for path in before}
    run(prepare([make_cell("a")], tmp_path), _no_engine, jobs=1, device="cpu", listener=lambda _: None, suite=suite)
    assert store.read_suite(tmp_path) == suite.model_dump_json(indent=1)


@pytest.mark.usefixtures("fakes")
def test_a_fresh_run_that_is_interrupted_goes_on_as_fresh(tmp_path: Path, make_cell: MakeCell) -> None:
    cells = [make_cell("a", length=length) for length in (1, 2, 3)]
    _run(cells, tmp_path)
    first = {cell_id: what.started_at for cell_id, what in store.stored(tmp_path).items()}

    def interrupt(event: Event) -> None:
        if isinstance(event, Finished):
            raise KeyboardInterrupt

    started = partial(start, "inline", jobs=1, device="cpu", target="fake_cells:run_cell")
    with pytest.raises(KeyboardInterrupt):
        run(prepare(cells, tmp_path, fresh=True), started, jobs=1, device="cpu", listener=interrupt)
    then = {cell_id: what.started_at for cell_id, what in store.stored(tmp_path).items()}
    old = {cell_id for cell_id in first if first[cell_id] == then[cell_id]}
    assert len(old) == 2
    assert {cell.id for cell in prepare(cells, tmp_path).pending} == old
    renewal = store.read_renewal(tmp_path)
    assert renewal is not None
    assert renewal.waiting(then) == old
    _run(cells[:2], tmp_path)  # some of them: the other one still waits
    assert {cell.id for cell in prepare(cells, tmp_path).pending} == old - {cell.id for cell in cells[:2]}
    _run(cells, tmp_path)
    assert all(what.started_at != first[cell_id] for cell_id, what in store.stored(tmp_path).items())
    assert store.read_renewal(tmp_path) is None
    assert prepare(cells, tmp_path).nothing_to_do


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("older", ["trials", "set aside", "of an earlier id"])
def test_a_fresh_run_that_is_interrupted_leaves_nothing_of_before_to_go_on_with(
    tmp_path: Path, make_cell: MakeCell, finished: Callable[..., Rows], older: str
) -> None:
    """Neither trials that an earlier run has kept, nor a cell that `run` would bring back from elsewhere."""
    cell = make_cell("a")
    with store.writing(tmp_path) as writer:
        if older == "trials":
            writer.keep_trials(one_trial(cell))
        elif older == "set aside":
            writer.put(finished(cell, "of before"))
            writer.supersede(cell.id)
        else:
            writer.put(of_an_earlier_version(cell, finished, time_limit_s=60.0))

    def interrupt(_event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(prepare([cell], tmp_path, fresh=True), _no_engine, jobs=1, device="cpu", listener=interrupt)
    assert store.read_unfinished(tmp_path, cell.id) is None
    assert prepare([cell], tmp_path).pending == (cell,)
    _run([cell], tmp_path)
    assert [row["reason"] for row in _rows(tmp_path, "runs")] == ["", ""]
    assert store.read_renewal(tmp_path) is None


def one_trial(cell: Cell) -> pa.Table:
    trial = {"trial": 0, "state": "complete", "validation_mse_scaled": 0.5, "epochs": 1, "validation_curve": [0.5]}
    return table("trials", [{**cell.columns, **trial, "parameters": "{}", "distributions": "{}", "duration_s": 1.0}])


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(("ended", "kept"), [("failed", True), ("unavailable", True), ("diverged", False)])
def test_a_fresh_run_that_fails_keeps_what_was_ok(
    tmp_path: Path, make_cell: MakeCell, finished: Callable[..., Rows], ended: str, kept: bool
) -> None:
    cell = make_cell(f"fail:{ended}")
    with store.writing(tmp_path) as writer:
        writer.put(finished(cell, "of the first run"))
    outcome = _run([cell], tmp_path, fresh=True)
    assert [what.status for what in outcome.values()] == [Status(ended)]
    (what,) = store.stored(tmp_path).values()
    assert what.status == (Status.OK if kept else Status(ended))
    assert (store.read_renewal(tmp_path) is not None) == kept
    assert prepare([cell], tmp_path).pending == ((cell,) if kept else ())


@pytest.mark.usefixtures("fakes")
def test_rows_name_the_commit_that_was_there_when_the_run_began(
    tmp_path: Path, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter(["a" * 40, "b" * 40])
    monkeypatch.setattr(runner, "checkout", lambda: {"git_commit": next(commits), "git_dirty": False})
    _run([make_cell("a"), make_cell("b")], tmp_path)
    runs = store.read(tmp_path, "runs")
    assert set(runs["git_commit"].to_pylist()) == {"a" * 40}
    assert set(runs["git_dirty"].to_pylist()) == {False}


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
    cells = [cell_of("a", length=length) for length in range(1, 7)]
    started = partial(start, {engine!r}, jobs=2, device="cpu", target="fake_cells:run_cell")
    run(prepare(cells, Path(sys.argv[1])), started, jobs=2, device="cpu", listener=lambda event: None)
"""


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_rows(
    tmp_path: Path, fakes: str, make_cell: MakeCell
) -> None:
    cells = [make_cell("a", length=length) for length in range(1, 7)]
    _run(cells, tmp_path / "whole")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(path=[str(Path(__file__).parent), *sys.path], engine="inline"))
    draw = random.Random(0)
    killed = 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, str(script), str(tmp_path / "killed")]) as process:
            wait_for_the_first_change(tmp_path / "killed", process)
            time.sleep(draw.uniform(0, 0.06))
            process.kill()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    _run(cells, tmp_path / "killed")
    for name in SCHEMAS:
        assert _rows(tmp_path / "killed", name) == _rows(tmp_path / "whole", name)


def wait_for_the_first_change(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the process holds the lock, so that the kill falls among the writes."""
    lock, before = folder / ".lock", (folder / ".lock").stat().st_mtime_ns if (folder / ".lock").exists() else 0
    while process.poll() is None and not (lock.exists() and lock.stat().st_mtime_ns != before):
        time.sleep(0.002)


def test_a_cell_that_is_killed_in_mid_tuning_goes_on_from_its_last_batch(tmp_path: Path, make_cell: MakeCell) -> None:
    gru = Entry(id="net", kind="gru", parameters=MODELS["gru"].parameters().model_dump(mode="json"))
    walk = Entry(id="walk", kind="random", parameters=DATASETS["random"].parameters().model_dump(mode="json"))
    cell = dataclasses.replace(
        make_cell(), dataset=walk, model=gru, training=Training(epochs=2), tuning=Tuning(trials=6, batch=2)
    )
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    started = partial(start, "inline", jobs=1, device="cpu")
    run(prepare([cell], whole), started, jobs=1, device="cpu", listener=lambda _: None)
    trials = store.read(whole, "trials")
    with store.writing(resumed) as writer:
        writer.keep_trials(trials.slice(0, 4))  # as a run leaves them that is killed in the third batch
    kept = resumed / "unfinished" / f"{cell.id}.parquet"
    assert kept.exists()
    run(prepare([cell], resumed), started, jobs=1, device="cpu", listener=lambda _: None)
    assert not kept.exists()
    again = store.read(resumed, "trials")
    assert again.slice(0, 4) == trials.slice(0, 4)  # the very same, to the time that they took
    assert again.drop(["duration_s"]) == trials.drop(["duration_s"])
    assert [row["mse"] for row in _rows(resumed, "runs")] == [row["mse"] for row in _rows(whole, "runs")]


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("engine", ["inline", "processes"])
def test_trials_are_kept_as_their_batches_end(
    tmp_path: Path, make_cell: MakeCell, finished: Callable[..., Rows], engine: str
) -> None:
    """The stand-in reports two batches and then fails as a worker does that is killed."""
    cell = dataclasses.replace(make_cell("batches"), tuning=Tuning(trials=4))
    unfinished: list[int] = []
    with (
        store.writing(tmp_path) as writer,
        closing(start(engine, jobs=1, device="cpu", target="fake_cells:run_cell")) as running,
    ):

        def keep(trials: pa.Table) -> None:
            writer.keep_trials(trials)
            unfinished.append(trials.num_rows)

        running.submit(cell, Unfinished(None, keep)).result(60)
        kept = store.read_unfinished(tmp_path, cell.id)
        assert kept is not None
        assert (unfinished, kept.num_rows) == ([2, 4], 4)
        writer.put(finished(cell))
        assert store.read_unfinished(tmp_path, cell.id) is None


def of_an_earlier_version(cell: Cell, finished: Callable[..., Rows], **more: Any) -> Rows:
    """The rows of `cell` as a version wrote them whose ids depended on `more`."""
    spec = json.dumps({**json.loads(cell.spec), **more}, sort_keys=True, separators=(",", ":"))
    former = hashlib.sha256(spec.encode()).hexdigest()[:16]
    rows = finished(replaced(cell, spec), "of the earlier version")
    ids = {name: pa.array([former] * part.num_rows, pa.string()) for name, part in rows.items()}
    return {name: part.set_column(0, part.schema.field(0), ids[name]) for name, part in rows.items()}


def replaced(cell: Cell, spec: str) -> Cell:
    """A copy of `cell` that says that this is its content."""
    other = dataclasses.replace(cell)
    vars(other)["spec"] = spec
    return other


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("more", [{"time_limit_s": 60.0}, {"seeds": 2}])
def test_cells_that_an_earlier_version_stored_by_their_limit_or_their_seeds_are_served(
    tmp_path: Path, make_cell: MakeCell, finished: Callable[..., Rows], more: dict[str, Any]
) -> None:
    cell = make_cell("a")
    rows = of_an_earlier_version(cell, finished, **more)
    (former,) = rows["runs"]["cell_id"].unique().to_pylist()
    with store.writing(tmp_path) as writer:
        writer.put(rows)
    raised = dataclasses.replace(make_cell("a"), time_limit_s=90.0)
    plan = prepare([raised], tmp_path)
    assert (former != cell.id, plan.pending, plan.renamed) == (True, (), {cell.id: former})
    outcome = run(plan, _no_engine, jobs=1, device="cpu", listener=lambda _: None)
    assert [what.reason for what in outcome.values()] == ["of the earlier version"]
    assert set(store.stored(tmp_path)) == {cell.id}
    assert {row["reason"] for row in _rows(tmp_path, "runs")} == {"of the earlier version"}
    assert prepare([raised], tmp_path).nothing_to_do
    _run([dataclasses.replace(raised, seeds=3)], tmp_path)
    assert [row["reason"] for row in _rows(tmp_path, "runs")] == ["of the earlier version"] * 2 + [""]
