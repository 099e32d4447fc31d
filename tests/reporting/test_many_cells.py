"""A report of more cells than a page shows: the page has the first datasets, Markdown and CSV have all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from bench.reporting import values
from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import count_on_page
from bench.store.schema import Rows

NAMES = ["gbm", "noisy-sine", "random"]


def test_the_page_has_the_first_datasets_and_says_so(
    fake: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(fake(datasets=NAMES, models=["persistence", "linear-ar"], points=60), "results/fake")
    whole = summarise(source)
    size = len(whole.sections[0].cells)
    monkeypatch.setattr(values, "ON_PAGE", 2 * size)
    summary = summarise(source)
    files = render(summary)
    page, text, table = (str(files[name]) for name in ("index.html", "report.md", "cells.csv"))
    assert [f'id="cell-{section.cells[0].cell_id}"' in page for section in whole.sections] == [True, True, False]
    assert "Of 3 parts, this page has the first 2" in page
    assert "Of 3 parts" not in text
    assert "cells.csv next to this page" in page
    assert [f"## {name}" in text for name in NAMES] == [True, True, True]
    assert [row["dataset"] for row in csv.DictReader(io.StringIO(table))] == [
        cell.dataset for section in whole.sections for cell in section.cells
    ]
    assert not any(name.startswith("figures/") and "random" in name for name in files)
    assert any(name.startswith("figures/") and "gbm" in name for name in files)
    assert summary.ranking == whole.ranking
    assert not summary.sections[2].forecasts
    assert summary.sections[1].forecasts


@pytest.mark.parametrize(
    ("sizes", "shown"), [([10], 1), ([2000, 1], 1), ([250, 250], 2), ([250, 250, 1], 2), ([1, 499, 1], 2)]
)
def test_at_least_one_part_is_shown(sizes: list[int], shown: int) -> None:
    assert count_on_page(sizes) == shown
