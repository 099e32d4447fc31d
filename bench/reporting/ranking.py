"""The models in order over all datasets, and those on the Pareto front of error against cost."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from bench.array_types import FloatArray
from bench.reporting.costs import ProbedCell, by_machine
from bench.reporting.values import CellSummary, Model, Rank, Ranking, Section, Standing
from bench.stats.aggregates import aggregate
from bench.stats.claims import ALPHA, ClaimOutcome
from bench.stats.ranks import cliques, ranks
from bench.stats.ratios import Estimate
from bench.text import listed, plural


def standings(
    sections: Sequence[Section], models: Sequence[str], probes: Sequence[ProbedCell] = ()
) -> tuple[Standing, ...]:
    """The error and the time of `models` over the sections that all of them finished, the quickest first.

    A model that lost a replicate in one of these sections has no place: with fewer errors from a hard dataset than
    the others its mean would lie lower, though it is better nowhere. `left_out` names it.

    Errors of different datasets are normalised by dividing each by that of persistence there. Times are combined as
    their geometric mean: a factor of two counts the same on every dataset. A model is on the front when every other
    that has an error as small takes longer. Times are the probe's where one machine probed all of these cells, else
    the run's: the two do not compare.
    """
    shared = [section for section in complete(sections, models) if section.persistence_rmse]
    whole = [name for name in models if all(_every_replicate(section, name) for section in shared)]
    if not (shared and whole):
        return ()
    errors = aggregate(np.array([_relative(shared, name) for name in whole]))
    cells = {name: [_chosen(section, name) for section in shared] for name in whole}
    probed = _probed(probes, {cell.cell_id or "" for own in cells.values() for cell in own})
    times = [_time(cells[name], probed) for name in whole]
    front = _front(whole, errors.value, times)
    estimates = [_estimate(*numbers) for numbers in zip(errors.value, errors.low, errors.high, strict=True)]
    numbers = zip(whole, estimates, times, strict=True)
    seeds = max(map(_replicates, shared))
    rows = [Standing(name, error, fit_s, bool(probed), name in front, seeds) for name, error, fit_s in numbers]
    return tuple(sorted(rows, key=lambda row: (row.fit_s is None, row.fit_s or 0.0, row.error.value)))


def left_out(models: Sequence[str], all_standings: Sequence[Standing]) -> tuple[str, ...]:
    """Those of `models` that lost a replicate where the others are compared; none where nobody is."""
    compared = {standing.model for standing in all_standings}
    return tuple(name for name in models if name not in compared) if compared else ()


def _every_replicate(section: Section, name: str) -> bool:
    return len(_chosen(section, name).rmse_by_seed) == _replicates(section)


def _replicates(section: Section) -> int:
    return max(cell.replicates for cell in section.cells)


def _front(models: Sequence[str], errors: FloatArray, times: Sequence[float | None]) -> set[str]:
    timed = sorted((time, error, name) for name, error, time in zip(models, errors, times, strict=True) if time)
    front, smallest = set(), math.inf
    for _, error, name in timed:
        if error < smallest:
            front.add(name)
            smallest = error
    return front


def _relative(sections: Sequence[Section], name: str) -> FloatArray:
    """``[datasets, seeds]``: RMSE over that of persistence, NaN where another dataset has more seeds."""
    relative = np.full((len(sections), max(map(_replicates, sections))), np.nan)
    for own, section in zip(relative, sections, strict=True):
        cell = _chosen(section, name)
        own[: len(cell.rmse_by_seed)] = np.array(cell.rmse_by_seed) / (section.persistence_rmse or math.nan)
    return by_dataset(relative, sections)


def by_dataset(errors: FloatArray, sections: Sequence[Section]) -> FloatArray:
    """``[sections, ...]`` errors → ``[datasets, ...]``: their geometric means over the horizons of each dataset.

    Horizons of one dataset share its series: they are one observation of how the models compare, not several.
    """
    datasets = list(dict.fromkeys(section.dataset for section in sections))
    places = [[i for i, section in enumerate(sections) if section.dataset == name] for name in datasets]
    with np.errstate(divide="ignore"):  # an error of 0 stays 0
        means = [np.exp(np.log(errors[own]).mean(axis=0)) for own in places]
    return np.stack(means) if means else errors


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


def rank(sections: Sequence[Section], models: Sequence[Model]) -> Ranking:
    """Average ranks by RMSE, ties shared, the best first; each dataset counts once, whatever its horizons.

    A model without a single finished cell is not ranked, and a section that some ranked model did not finish is
    left out for all: no error is made up for what is missing. So is a section whose cells saw different data.
    One model alone has no rank.
    """
    ranked = [model.name for model in models if any(section.chosen(model.name) for section in sections)]
    if len(ranked) < 2:
        return Ranking((), 0, "", "")
    shared = complete(sections, ranked)
    errors = np.array([[_rmse(section.chosen(name)) for name in ranked] for section in shared])
    rank_tests = ranks(by_dataset(errors.reshape(-1, len(ranked)), shared))
    separable = rank_tests.smallest_p < ALPHA
    p = rank_tests.p if separable else np.ones((len(ranked), len(ranked)))
    average = dict(zip(ranked, rank_tests.average.tolist(), strict=True)) if shared else {}
    rows = [_row(name, average.get(name), sections) for name in ranked]
    order = sorted(rows, key=lambda row: (row.average is None, row.average, -row.smallest_error))
    unranked = [model.name for model in models if model.name not in ranked]
    over = _over(shared)
    return Ranking(
        tuple(order),
        rank_tests.datasets,
        over,
        _note(sections, shared, over=over, unranked=unranked),
        groups=tuple(tuple(ranked[place] for place in group) for group in cliques(rank_tests.average, p)),
        friedman_p=None if math.isnan(rank_tests.friedman_p) else rank_tests.friedman_p,
        separable=separable,
    )


def complete(sections: Sequence[Section], models: Sequence[str]) -> list[Section]:
    """The sections whose errors compare and that every one of `models` finished."""
    return [section for section in sections if section.comparable and all(section.chosen(name) for name in models)]


def _rmse(cell: CellSummary | None) -> float:
    return cell.rmse.value if cell and cell.rmse else float("nan")


def _row(name: str, average: float | None, sections: Sequence[Section]) -> Rank:
    chosen = [cell for section in sections if (cell := section.chosen(name))]
    fits = [cell.cost.fit_s for cell in chosen if cell.cost.fit_s is not None]
    return Rank(
        model=name,
        average=average,
        smallest_error=sum(section.best is not None and section.best.model == name for section in sections),
        with_skill=sum(cell.beats_persistence is ClaimOutcome.HOLDS for cell in chosen),
        tested=sum(cell.tested for cell in chosen),
        fit_s=float(np.median(fits)) if fits else None,
    )


def _over(sections: Sequence[Section]) -> str:
    datasets = len({section.dataset for section in sections})
    averaged = "" if datasets == len(sections) else " (horizons averaged)"
    return f"{plural(datasets, 'dataset')}{averaged}"


def _note(sections: Sequence[Section], shared: Sequence[Section], *, over: str, unranked: Sequence[str]) -> str:
    left_out = [section.title for section in sections if section.comparable and section not in shared]
    still = [section.title for section in sections if section.still]
    other_data = [section.title for section in sections if not section.same_data]
    parts = [f"Ranks by RMSE over {over}."]
    if left_out:
        parts.append(f"Left out, because a model did not finish there: {listed(left_out)}.")
    if other_data:
        parts.append(f"Left out, because the cells there did not all see the same data: {listed(other_data)}.")
    if still:
        parts.append(f"Left out, because the test part there never moves: {listed(still)}.")
    if unranked:
        parts.append(f"Not ranked, because no cell finished: {listed(unranked)}.")
    return " ".join(parts)
