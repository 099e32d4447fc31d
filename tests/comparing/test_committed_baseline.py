"""The baseline in this repository is of this suite and this code.

Fix with ``rm -r results/ci; python -m bench run suites/ci.yaml --no-report --fresh``, then
``python -m bench baseline update``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import store
from bench.cells import CODE_VERSION, expand
from bench.comparing.decision import compare
from bench.comparing.outcomes import ChangeVerdict
from bench.data import DATASETS
from bench.models import MODELS
from bench.running.cell import run_cell
from bench.running.plan import Preflight
from bench.store.baseline import LIMIT, size_bytes
from bench.suite.load import load

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "results/baseline"
SUITE = load(ROOT / "suites/ci.yaml", datasets=DATASETS, models=MODELS)


def test_it_holds_the_cells_of_the_suite_as_they_are_now() -> None:
    runs = store.read(BASELINE, "runs")
    assert set(runs["cell_id"].to_pylist()) == {cell.id for cell in Preflight().identify(list(expand(SUITE)))}
    assert set(runs["code_version"].to_pylist()) == {CODE_VERSION}
    assert size_bytes(BASELINE) <= LIMIT


@pytest.mark.parametrize("model", ["persistence", "linear-ar"])
def test_the_simple_models_still_give_its_numbers(model: str) -> None:
    runs = store.read(BASELINE, "runs")
    cells = [cell for cell in expand(SUITE) if cell.model.id == model and cell.dataset.id == "walk"]
    (cell,) = compare({"runs": runs}, {"runs": run_cell(cells[0])["runs"]}, SUITE.gate).cells
    assert cell.verdict is ChangeVerdict.EQUIVALENT
    assert abs(cell.metrics[0].effect.value) < 1e-6
