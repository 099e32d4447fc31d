"""What is probed: whose parameters, on windows of which shape, and what is stored already."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from bench.cells import Cell
from bench.errors import StoreError
from bench.models import MODELS
from bench.models.base import Shape
from bench.probe.probe_plan import Setting, Wanted, prepare
from bench.running.plan import Preflight
from bench.running.rows import failed as failed_cell
from bench.spec import Entry, Split, Training, Tuning
from bench.store import writing
from bench.store.environment import libraries
from bench.store.reader import read_probes
from bench.store.schema import Status, table

SETTING = Setting("cpu", threads=1, repeats=2)


def a_cell(kind: str = "gru", *, horizon: int = 3) -> Cell:
    return Cell(
        "s",
        Entry(id="noise", kind="random", parameters={"length": 200}),
        Entry(id="mine", kind=kind, parameters={"hidden_size": 5} if kind == "gru" else {}),
        sequence_length=10,
        horizon=horizon,
        seeds=4,
        seed=0,
        split=Split(validation=20, test=30),
        training=Training(batch_size=16, epochs=7),
        tuning=Tuning(),
    )


def only(cell: Cell, folder: Path, setting: Setting = SETTING) -> Wanted:
    (wanted,) = prepare([cell], folder, setting).pending
    return wanted


def test_a_cell_that_was_never_run_is_probed_with_the_suites_own_parameters(tmp_path: Path) -> None:
    wanted = only(a_cell(), tmp_path / "none")
    work = wanted.workload
    assert work is not None
    assert (wanted.parameters_from, work.kind, work.shape) == ("suite", "gru", Shape(10, 3, 1))
    assert json.loads(work.parameters) == MODELS["gru"].parameters(hidden_size=5).model_dump()
    assert (work.batch_size, work.train_windows, work.validation_windows) == (16, 150 - 10 - 3 + 1, 7)
    assert (work.epochs, work.members) == (7, 4)
    assert not (tmp_path / "none").exists()


def test_a_stored_cell_is_probed_as_its_replicates_were_trained(tmp_path: Path) -> None:
    (cell,) = Preflight().identify([a_cell()])
    rows = failed_cell(cell, Status.DIVERGED, "")
    tuned = {"hidden_size": 64, "layers": 2, "dropout": 0.0, "bidirectional": False, "learning_rate": 0.02}
    training = {**Training().model_dump(), "batch_size": 32, "windows_per_epoch": 50, **tuned}
    epochs = [3, 5, 9, 9]
    runs = [
        {**row, "hyperparameters": json.dumps(training), "epochs": count, "status": "ok", "mse": 1.0, "rmse": 1.0}
        for row, count in zip(rows["runs"].to_pylist(), epochs, strict=True)
    ]
    with writing(tmp_path) as writer:
        writer.put({**rows, "runs": table("runs", runs)})
    wanted = only(a_cell(), tmp_path)
    assert wanted.workload is not None
    assert wanted.parameters_from == "runs"
    assert json.loads(wanted.workload.parameters)["hidden_size"] == 64
    assert (wanted.workload.batch_size, wanted.workload.train_windows, wanted.workload.epochs) == (32, 50, 9)


@pytest.mark.parametrize(
    ("rounds", "steps"), [(None, 70), (2, 40), (4, 70)], ids=["of the suite", "stopped early", "to the end"]
)
def test_a_budget_in_steps_is_probed_as_so_many_steps(tmp_path: Path, rounds: int | None, steps: int) -> None:
    in_steps = replace(a_cell(), training=Training(batch_size=16, steps=70, validate_every=20))
    if rounds:
        (cell,) = Preflight().identify([in_steps])
        rows = failed_cell(cell, Status.DIVERGED, "")
        values = json.dumps({"hidden_size": 5, **cell.training.model_dump()})
        known = {"hyperparameters": values, "epochs": rounds, "status": "ok", "mse": 1.0, "rmse": 1.0}
        runs = [{**row, **known} for row in rows["runs"].to_pylist()]
        with writing(tmp_path) as writer:
            writer.put({**rows, "runs": table("runs", runs)})
    work = only(in_steps, tmp_path).workload
    assert work is not None
    assert (work.epochs, work.steps) == (rounds or 4, steps)


def test_a_stored_closed_form_has_no_epochs_to_take_over(tmp_path: Path) -> None:
    cell = a_cell("linear-ar")
    (known,) = Preflight().identify([cell])
    rows = failed_cell(known, Status.DIVERGED, "")
    runs = [
        {**row, "hyperparameters": "{}", "epochs": 0, "status": "ok", "mse": 1.0, "rmse": 1.0}
        for row in rows["runs"].to_pylist()
    ]
    with writing(tmp_path) as writer:
        writer.put({**rows, "runs": table("runs", runs)})
    assert only(cell, tmp_path).workload is not None


def stored(wanted: Wanted, folder: Path, setting: Setting, *, rounds: int = 2, **columns: object) -> pa.Table:
    assert wanted.workload is not None
    common = {**wanted.cell.columns, "status": "ok", "workload": wanted.workload.to_json(), "quantity": "step_s"}
    common |= {"libraries": json.dumps(libraries(), sort_keys=True), "value": 1.0, **columns}
    rows = table("probes", [{**common, "repeat": repeat} for repeat in range(rounds)])
    with writing(folder) as writer:
        writer.put_probe(rows, setting.machine)
    return rows


def test_what_is_stored_for_this_machine_is_not_probed_again(tmp_path: Path) -> None:
    wanted = only(a_cell(), tmp_path)
    rows = stored(wanted, tmp_path, SETTING)
    assert read_probes(tmp_path).equals(rows)
    assert prepare([a_cell()], tmp_path, SETTING).pending == ()
    assert len(prepare([a_cell()], tmp_path, SETTING, fresh=True).pending) == 1
    for other in (replace(SETTING, threads=2), replace(SETTING, repeats=3)):
        only(a_cell(), tmp_path, other)


def test_where_one_model_of_a_case_is_lacking_all_are_measured_again(tmp_path: Path) -> None:
    one, other = a_cell(), replace(a_cell("mean"), model=Entry(id="another", kind="mean", parameters={}))
    longer = replace(one, sequence_length=20)
    for cell in (one, longer):
        stored(only(cell, tmp_path), tmp_path, SETTING)
    found = prepare([one, other, longer], tmp_path, SETTING).pending
    assert [(each.cell.model.id, each.cell.sequence_length) for each in found] == [("mine", 10), ("another", 10)]


def test_what_failed_counts_as_probed_but_data_may_have_come(tmp_path: Path) -> None:
    wanted = only(a_cell(), tmp_path)
    stored(wanted, tmp_path, SETTING, rounds=1, status="failed")
    assert prepare([a_cell()], tmp_path, SETTING).pending == ()
    stored(wanted, tmp_path, SETTING, rounds=1, status="unavailable")
    only(a_cell(), tmp_path)


@pytest.mark.parametrize("changed", [{"workload": "{}"}, {"libraries": '{"torch": "1.0"}'}])
def test_a_probe_of_something_else_is_made_again(tmp_path: Path, changed: dict[str, str]) -> None:
    stored(only(a_cell(), tmp_path), tmp_path, SETTING, **changed)
    only(a_cell(), tmp_path)


def test_a_torn_probe_and_one_of_another_cell_are_one_line_with_what_to_do(tmp_path: Path) -> None:
    stored(only(a_cell(), tmp_path), tmp_path, SETTING)
    (part,) = (tmp_path / "probes").iterdir()
    whole = part.read_bytes()
    part.write_bytes(whole[:-20])
    with pytest.raises(StoreError, match="`bench probe` makes it again") as torn:
        read_probes(tmp_path)
    assert "\n" not in str(torn.value)
    part.write_bytes(whole)
    part.rename(part.with_name(f"0123456789abcdef-{SETTING.machine}.parquet"))
    with pytest.raises(StoreError, match="expected the rows of cell 0123456789abcdef and of no other; delete it"):
        read_probes(tmp_path)


def test_a_writer_that_was_killed_leaves_nothing_that_the_next_one_trips_over(tmp_path: Path) -> None:
    wanted = only(a_cell(), tmp_path)
    rows = stored(wanted, tmp_path, SETTING)
    staged = tmp_path / ".pending" / f"{wanted.cell.id}-{SETTING.machine}.tmp"
    staged.mkdir()
    (staged / "probes").write_bytes(b"half")
    with writing(tmp_path):
        assert not staged.exists()
    assert read_probes(tmp_path).equals(rows)
