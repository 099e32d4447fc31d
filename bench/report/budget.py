"""Error against cost over all datasets: which models are worth their time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report.findings import Standing
from bench.report.ranking import complete
from bench.report.values import CellSummary, Section


def standings(sections: Sequence[Section], models: Sequence[str]) -> tuple[Standing, ...]:
    """The error and the time of each of `models` over the sections that all of them finished, the quickest first.

    Errors of different datasets are made alike by dividing each by that of persistence there, and both errors and
    times are combined as geometric means: a factor of two counts alike on every dataset. A model is on the front when
    every other that has an error as small takes longer.

    References
    ----------
    P. J. Fleming and J. J. Wallace, "How not to lie with statistics: the correct way to summarize benchmark results",
    Communications of the ACM 29 (1986): only the geometric mean of ratios gives the same order for any reference.
    """
    shared = [section for section in complete(sections, models) if _positive(section.persistence_rmse)]
    if not shared:
        return ()
    found = [(name, *_means(shared, name)) for name in models]
    timed = sorted((fit_s, error, name) for name, error, fit_s in found if fit_s is not None)
    front, smallest = set(), math.inf
    for _, error, name in timed:
        if error < smallest:
            front.add(name)
            smallest = error
    order = sorted(found, key=lambda item: (item[2] is None, item[2] or 0.0, item[1]))
    return tuple(Standing(name, error, fit_s, name in front) for name, error, fit_s in order)


def _means(sections: Sequence[Section], name: str) -> tuple[float, float | None]:
    """The relative error of a model, and its time if it was measured on every section."""
    cells = [section.chosen(name) for section in sections]
    errors = [_ratio(cell, section) for cell, section in zip(cells, sections, strict=True)]
    times = [cell.cost.fit_s for cell in cells if cell and cell.cost.fit_s is not None]
    return _geometric(errors), _geometric(times) if len(times) == len(cells) else None


def _ratio(cell: CellSummary | None, section: Section) -> float:
    if cell is None or cell.rmse is None or section.persistence_rmse is None:
        raise ValueError("expected a finished cell and the error of persistence")
    return cell.rmse.value / section.persistence_rmse


def _geometric(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(value) for value in values) / len(values)) if all(values) else 0.0


def _positive(value: float | None) -> bool:
    return value is not None and value > 0
