"""The report of 30 and of 300 cells with 10 seeds each, from rows in memory to every file of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise

DATASETS = {"small": 1, "large": 10}
LENGTHS = (5, 10, 20, 30, 50, 100)


@pytest.fixture(scope="module", params=DATASETS)
def rows(request):
    """Of the made-up result set that the tests of the report use."""
    path = Path(__file__).parents[1] / "reporting" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_results", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = tuple(f"noisy-sine-{number}" for number in range(DATASETS[request.param]))
    made = module.Fake(datasets=names, lengths=LENGTHS, seeds=10).rows()
    assert made["runs"].num_rows == 300 * len(names)
    return made


@pytest.fixture(autouse=True)
def group(benchmark, rows):
    benchmark.group = f"report of {rows['runs'].num_rows // 10} cells × 10 seeds"


def test_bench(benchmark, rows):
    files = benchmark(lambda: render(summarise(Source(rows, "results/fake"))))
    assert "index.html" in files


def test_reference_the_same_rows_as_a_plain_table_of_pandas(benchmark, rows):
    frame = rows["runs"].to_pandas()
    assert "noisy-sine-0" in benchmark(frame.to_html)
