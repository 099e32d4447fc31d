"""Faults planted for real, in the models and in the windows: the gate sees each in the cell that is there for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench.cells import Cell, expand
from bench.comparing.decision import compare
from bench.comparing.outcomes import ALARMS, ChangeVerdict
from bench.data import DATASETS
from bench.models import MODELS
from bench.protocol import prepare
from bench.protocol.windows import Windows
from bench.running import cell as runner
from bench.running.cell import run_cell
from bench.suite.load import load

ROOT = Path(__file__).parents[2]
SUITE = load(ROOT / "suites/ci.yaml", datasets=DATASETS, models=MODELS)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The faults, each of which is gone after the test."""
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks")
    import faults

    from bench.training.batches import TensorWindows

    for name, kind in MODELS.items():
        monkeypatch.setitem(MODELS, name, kind)
    monkeypatch.setitem(DATASETS, "file", DATASETS["file"])
    monkeypatch.setattr(runner, "prepare", runner.prepare)
    monkeypatch.setattr(Windows, "inputs", Windows.inputs)
    for name in ("_of_series", "train_windows"):
        monkeypatch.setattr(prepare, name, getattr(prepare, name))
    monkeypatch.setattr(TensorWindows, "__init__", TensorWindows.__init__)
    return faults.FAULTS


def cell_of(dataset: str, model: str) -> Cell:
    (cell,) = (cell for cell in expand(SUITE) if (cell.dataset.id, cell.model.id) == (dataset, model))
    return cell


@pytest.mark.parametrize(
    ("name", "dataset", "model", "verdict"),
    [
        ("window-late", "walk", "persistence", ChangeVerdict.LEAK),
        ("window-late", "noise", "gru", ChangeVerdict.LEAK),
        ("window-early", "walk", "persistence", ChangeVerdict.REGRESSED),
        ("state-dropped", "wave", "gru", ChangeVerdict.REGRESSED),
        ("learning-rate", "wave", "rnn", ChangeVerdict.REGRESSED),
        ("scaler", "growth", "relu-rnn", ChangeVerdict.REGRESSED),
        ("test-windows", "walk", "linear-ar", ChangeVerdict.LEAK),
        ("test-windows", "noise", "linear-ar", ChangeVerdict.LEAK),
        ("window-late", "tide", "persistence", ChangeVerdict.LEAK),
        ("pulled", "tide", "linear-ar", ChangeVerdict.LEAK),
        ("pulled", "tide", "gru", ChangeVerdict.LEAK),
        ("pulled", "hum", "gru", ChangeVerdict.LEAK),
        ("pulled", "wave", "tuned-gru", ChangeVerdict.LEAK),
    ],
)
def test_a_planted_fault_is_caught(faults: Any, name: str, dataset: str, model: str, verdict: ChangeVerdict) -> None:
    cell = cell_of(dataset, model)
    before: pa.Table = run_cell(cell)["runs"]
    faults[name].plant()
    after: pa.Table = run_cell(faults[name].alter(cell))["runs"]
    found = compare({"runs": before}, {"runs": after}, SUITE.gate)
    assert [each.verdict for each in found.cells] == [verdict]
    assert verdict in ALARMS


def test_a_loader_that_gives_other_values_cannot_be_compared(faults: Any) -> None:
    cell = cell_of("tide", "linear-ar")
    before = run_cell(cell)["runs"]
    faults["smoothed"].plant()
    comparison = compare({"runs": before}, {"runs": run_cell(cell)["runs"]}, SUITE.gate)
    assert comparison.verdict is ChangeVerdict.NOT_COMPARABLE
    assert comparison.cells[0].notes == ("other test parts: the error of persistence differs",)


def test_equal_code_gives_equal_numbers() -> None:
    cell = cell_of("wave", "gru")
    (found,) = compare(*({"runs": run_cell(cell)["runs"]} for _ in range(2)), SUITE.gate).cells
    assert (found.verdict, found.metrics[0].effect.value) == (ChangeVerdict.EQUIVALENT, 0.0)
