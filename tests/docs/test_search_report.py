"""What `reports/search.md` says of two searches follows from its own rows, and one of them is the full suite's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
REPORT = (ROOT / "reports" / "search.md").read_text(encoding="utf-8")


@pytest.fixture
def search(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "benchmarks")
    import search

    return search


def rows():
    """Cell → its other columns as text."""
    lines = (line.strip("| ").split(" | ") for line in REPORT.splitlines() if " × " in line)
    return {title: rest for title, *rest in lines}


def test_the_new_search_is_the_full_suites_and_its_cells_are_of_it(search):
    cells = search.chosen()
    assert {cell.title for cell in cells} == set(rows())
    for cell in cells:
        assert {name: getattr(cell.tuning, name) for name in search.SEARCHES[search.NEW]} == search.SEARCHES[search.NEW]


def test_the_sums_follow_from_the_rows():
    times = np.sum([[int(row[0]) * float(s) for s in row[1].split(" → ")] for row in rows().values()], axis=0)
    old, new, ratio = map(float, re.search(r"all studies: (\d+) s → (\d+) s, ([\d.]+) times", REPORT).groups())
    assert times == pytest.approx([old, new], abs=1.5)  # each row is rounded
    assert old / new == pytest.approx(ratio, rel=0.01)


def test_each_ratio_of_test_errors_is_the_geometric_mean_of_its_studies():
    logs = []
    for title, row in rows().items():
        own = np.log([float(ratio) for ratio in row[6].split(", ")])
        assert len(own) == int(row[0]), title
        assert float(row[5]) == pytest.approx(np.exp(own.mean()), rel=0.03)
        logs += list(own)
    whole = float(re.search(r"the test RMSE's ratio is ([\d.]+)", REPORT).group(1))
    assert whole == pytest.approx(np.exp(np.mean(logs)), rel=0.02)
