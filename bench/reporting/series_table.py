"""The table of errors by series: which of several series a model forecasts well, and which not."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bench.reporting.by_series import LocalFits, SeriesErrors, skill_of
from bench.reporting.tabular import Column, Table, TableEntry, nothing
from bench.reporting.values import Section
from bench.text import count, number, significant

_MOST_SERIES = 10
"""Series of one model that a table shows: half of them those with the smallest skill, half with the largest."""


def by_series(section: Section, *, name: str) -> Table | None:
    """The errors of the chosen cells on each of several series, the worst first; `None` for one series."""
    chosen = {cell.cell_id for cell in section.cells if cell.chosen}
    own = [each for each in section.by_series if each.cell_id in chosen]
    tests = "Tests over the window take the errors of all series at one moment together."
    return _table(own, section.title, name=name, tests=tests) if own else None


def of_local_fits(fits: LocalFits, *, name: str) -> Table:
    """The errors over series each of which has a model of its own, and on each of them."""
    tests = "Each series has a model of its own; what is claimed of one stands with it."
    several = len({each.sequence_length for each in fits.errors}) > 1
    own = [
        replace(each, model=f"{each.model}, length {each.sequence_length}" if several else each.model)
        for each in fits.errors
    ]
    return _table(own, f"{fits.dataset}, horizon {fits.horizon}", name=name, tests=tests)


def _table(own: Sequence[SeriesErrors], title: str, *, name: str, tests: str) -> Table:
    own = [each for each in own if not np.array_equal(each.rmse, each.persistence)] or own[:1]
    rows = tuple(row for each in own for row in _of_each_series(each))
    columns = (
        *(Column("Model", kind="text"), Column("Series", kind="text"), Column("Targets"), Column("RMSE")),
        *(Column("Persistence", "RMSE"), Column("Skill")),
    )
    count_of = len(own[0].series)
    left = (
        f" Of {count(count_of)} series, the {_MOST_SERIES // 2} worst and best of each model." if _cut(own[0]) else ""
    )
    below = (
        f"Original units, over all seeds; from the smallest skill to the largest.{left} series.csv, next to the "
        f"report, has all. {tests}"
    )
    return Table(name, f"Errors by series on {title}", columns, rows, below=below)


def _cut(own: SeriesErrors) -> bool:
    return len(own.series) > _MOST_SERIES


def _of_each_series(own: SeriesErrors) -> Iterator[tuple[TableEntry, ...]]:
    rmse, reference = own.pooled
    total = skill_of(np.array([rmse]), np.array([reference]))
    yield _series_row(own.model, "all", int(own.targets.sum()), (rmse, reference, float(total[0])))
    half = _MOST_SERIES // 2
    places = range(len(own.series))
    for k in [*places[:half], *places[-half:]] if _cut(own) else places:
        values = float(own.rmse[k]), float(own.persistence[k]), float(own.skill[k])
        yield _series_row(own.model, own.series[k], int(own.targets[k]), values)


def _series_row(model: str, series: str, targets: int, values: tuple[float, float, float]) -> tuple[TableEntry, ...]:
    rmse, reference, skill = values
    shown = nothing("persistence makes no error") if math.isnan(skill) else TableEntry(number(skill, 3), skill)
    errors = (TableEntry(significant(each), each) for each in (rmse, reference))
    return (
        TableEntry(model),
        TableEntry(series, strong=series == "all"),
        TableEntry(count(targets), targets),
        *errors,
        shown,
    )
