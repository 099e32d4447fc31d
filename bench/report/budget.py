"""Error against cost over all datasets: which models are worth their time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from bench.report.cost import ProbedCell, by_machine
from bench.report.estimate import Estimate
from bench.report.findings import Standing
from bench.report.ranking import complete
from bench.report.values import CellSummary, Section
from bench.stats.interquartile import aggregate
from bench.stats.table import FloatArray


def standings(
    sections: Sequence[Section], models: Sequence[str], probes: Sequence[ProbedCell] = ()
) -> tuple[Standing, ...]:
    """The error and the time of each of `models` over the sections that all of them finished, the quickest first.

    Errors of different datasets are made alike by dividing each by that of persistence there. Times are combined as
    their geometric mean: a factor of two counts alike on every dataset. A model is on the front when every other that
    has an error as small takes longer. Times are the probe's where one machine probed all of these cells, else the
    run's: the two do not compare.
    """
    shared = [section for section in complete(sections, models) if section.persistence_rmse]
    if not (shared and models):
        return ()
    errors = aggregate(np.array([_relative(shared, name) for name in models]))
    cells = {name: [_chosen(section, name) for section in shared] for name in models}
    probed = _probed(probes, {cell.cell_id or "" for own in cells.values() for cell in own})
    times = [_time(cells[name], probed) for name in models]
    front = _front(models, errors.value, times)
    estimates = [_estimate(*numbers) for numbers in zip(errors.value, errors.low, errors.high, strict=True)]
    numbers = zip(models, estimates, times, strict=True)
    rows = [Standing(name, error, fit_s, bool(probed), name in front) for name, error, fit_s in numbers]
    return tuple(sorted(rows, key=lambda row: (row.fit_s is None, row.fit_s or 0.0, row.error.value)))


def _front(models: Sequence[str], errors: FloatArray, times: Sequence[float | None]) -> set[str]:
    timed = sorted((time, error, name) for name, error, time in zip(models, errors, times, strict=True) if time)
    front, smallest = set(), math.inf
    for _, error, name in timed:
        if error < smallest:
            front.add(name)
            smallest = error
    return front


def _relative(sections: Sequence[Section], name: str) -> FloatArray:
    """``[datasets, seeds]``: RMSE over that of persistence, NaN where a replicate is missing."""
    seeds = max(cell.replicates for section in sections for cell in section.cells)
    found = np.full((len(sections), seeds), np.nan)
    for own, section in zip(found, sections, strict=True):
        cell = _chosen(section, name)
        own[: len(cell.rmse_by_seed)] = np.array(cell.rmse_by_seed) / (section.persistence_rmse or math.nan)
    return found


def _chosen(section: Section, name: str) -> CellSummary:
    cell = section.chosen(name)
    if cell is None:
        raise ValueError(f"{section.title}: expected a finished cell of {name}")
    return cell


def _estimate(value: float, low: float, high: float) -> Estimate:
    """A model that draws no random number has no interval over seeds."""
    return Estimate(float(value), (float(low), float(high)) if low < high else None)


def _probed(probes: Sequence[ProbedCell], wanted: set[str]) -> dict[str, float]:
    """The time to fit each of the `wanted` cells on a machine that probed them all; empty where there is none."""
    for own in by_machine(probes).values():
        times = {cell.cell_id: time for cell in own if (time := cell.value("fit_s"))}
        if wanted <= times.keys():
            return times
    return {}


def _time(cells: Sequence[CellSummary], probed: Mapping[str, float]) -> float | None:
    """The geometric mean over datasets, if it is known on each of them."""
    times = [probed.get(cell.cell_id or "", cell.cost.fit_s) for cell in cells]
    known = [time for time in times if time]
    return math.exp(sum(map(math.log, known)) / len(known)) if len(known) == len(times) else None
