"""The report of 300 cells with 10 seeds each, from rows in memory to every file of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bench.report.render import render
from bench.report.source import Source
from bench.report.summary import summarise

DATASETS = tuple(f"noisy-sine-{number}" for number in range(10))
LENGTHS = (5, 10, 20, 30, 50, 100)

pytestmark = pytest.mark.benchmark(group="report of 300 cells × 10 seeds")


@pytest.fixture(scope="module")
def rows():
    """Of the made-up result set that the tests of the report use."""
    path = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_results", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Fake(datasets=DATASETS, lengths=LENGTHS, seeds=10).rows()
    assert made["runs"].num_rows == 3000
    return made


def test_bench(benchmark, rows):
    files = benchmark.pedantic(lambda: render(summarise(Source(rows, "results/fake"))), rounds=3)
    assert "index.html" in files


def test_reference_the_same_rows_as_a_plain_table_of_pandas(benchmark, rows):
    frame = rows["runs"].to_pandas()
    assert "noisy-sine-9" in benchmark.pedantic(frame.to_html, rounds=3)
