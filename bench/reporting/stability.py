"""How stable the ranking is when seeds, parts of the test window, or trials are drawn again: a sentence and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.array_types import FloatArray
from bench.reporting.ranking import by_dataset, complete
from bench.reporting.tabular import Column, Table, TableEntry
from bench.reporting.values import CellSummary, Ranking, Section
from bench.stats.resampling import DRAWS, RankStability, draw_blocks, draw_seeds, draw_trials, rank_stability, selection
from bench.text import count, listed, number, percent, plural

_UNCERTAIN = 0.1
"""Neighbours in the ranking that change places more often than this are named."""

SEEDS, WINDOW, TRIALS = "seeds", "test window", "trials"


@dataclass(frozen=True)
class ResampledRanks:
    """The ranks when one thing is drawn again.

    Parameters
    ----------
    what
        `SEEDS`, `WINDOW` or `TRIALS`.
    models
        In the order of their given ranks.
    datasets
        Those that are ranked, as `stability.first` has them.
    varied
        On how many of them, or of their horizons, something could be drawn again.
    """

    what: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    varied: int
    stability: RankStability


@dataclass(frozen=True)
class TrialSelection:
    """What becomes of the tuning of all chosen cells when their trials are drawn again.

    Parameters
    ----------
    other
        The probability that another configuration is selected, the mean over cells.
    excess
        The validation RMSE to expect, over that of the selected configuration, less 1: the median over cells.
    largest, cell
        The largest of these, and of which cell.
    """

    other: float
    excess: float
    largest: float
    cell: str


@dataclass(frozen=True)
class Stability:
    """All that is said of it; empty where fewer than two models are ranked."""

    ranks: tuple[ResampledRanks, ...] = ()
    trials: TrialSelection | None = None

    @property
    def sentence(self) -> str:
        """How often the first model stays first, and what could not be drawn again."""
        if not self.ranks:
            return ""
        known = {each.what: percent(each.stability.stays) for each in self.ranks if each.what != TRIALS}
        without = f" The {WINDOW} could not be drawn again: no predictions are stored." if WINDOW not in known else ""
        of = [f"{share} of {count(DRAWS)} resamples of the {what}" for what, share in known.items()]
        lead = f"{self.ranks[0].models[0]} stays first in {listed(of)}." if of else ""
        return f"{lead}{without}{self._of_trials()}".strip()

    def _of_trials(self) -> str:
        if self.trials is None:
            return ""
        worst = f" ({percent(self.trials.largest)} for {self.trials.cell})" if self.trials.largest > 0 else ""
        return (
            " Were the trials of the tuning drawn again, another configuration would be selected in "
            f"{percent(self.trials.other)} of cases, and the validation RMSE be {percent(self.trials.excess, 1)} "
            f"larger on average in the median cell{worst}."
        )


def stability_of(sections: Sequence[Section], ranking: Ranking) -> Stability:
    """Draw the ranks of `ranking` again, from what its `sections` hold."""
    names = [row.model for row in ranking.ranks if row.average is not None]
    shared = complete(sections, names)
    if len(names) < 2 or not shared:
        return Stability()
    chosen = [[_cell(section, name) for name in names] for section in shared]
    parts = [
        [_by_seeds(section, own) for section, own in zip(shared, chosen, strict=True)],
        [_by_blocks(section, own) for section, own in zip(shared, chosen, strict=True)],
        [_by_trials(section, own) for section, own in zip(shared, chosen, strict=True)],
    ]
    ranks = (_ranked(what, names, shared, own) for what, own in zip((SEEDS, WINDOW, TRIALS), parts, strict=True))
    return Stability(tuple(each for each in ranks if each), _selected(shared))


@dataclass(frozen=True, eq=False)
class _SectionErrors:
    """``[models]`` errors of one section, and ``[resamples, models]``; `None` where nothing can be drawn again."""

    given: FloatArray
    resampled: FloatArray | None = None


def _cell(section: Section, name: str) -> CellSummary:
    cell = section.chosen(name)
    if cell is None:
        raise ValueError(f"{section.title}: expected a finished cell of {name}")
    return cell


def _by_seeds(section: Section, cells: Sequence[CellSummary]) -> _SectionErrors:
    mse = [np.square(cell.rmse_by_seed) for cell in cells]
    given = np.array([own.mean() for own in mse])
    varied = any(np.ptp(own) > 0 for own in mse)
    return _SectionErrors(given, draw_seeds(mse, section.title) if varied else None)


def _by_blocks(section: Section, cells: Sequence[CellSummary]) -> _SectionErrors:
    """By the losses at each target, where all cells have some, at the same targets."""
    own = [section.losses.get(cell.cell_id or "") for cell in cells]
    known = [losses for losses in own if losses is not None]
    if len(known) < len(cells) or any(not np.array_equal(each.index, known[0].index) for each in known):
        return _SectionErrors(np.array([np.square(cell.rmse_by_seed).mean() for cell in cells]))
    losses = np.stack([each.model for each in known])
    return _SectionErrors(losses.mean(axis=1), draw_blocks(losses, section.title, horizon=known[0].horizon))


def _by_trials(section: Section, cells: Sequence[CellSummary]) -> _SectionErrors:
    """By the validation errors; of what was not tuned, the one that is stored."""
    trials = {own.model: (_ascending(own.tried), len(own.trials)) for own in section.tuned}
    none = (np.empty(0), 0)
    errors = [trials.get(cell.model, none)[0] for cell in cells]
    stored = [cell.validation_mse_scaled for cell in cells]
    given = np.array([own[0] if len(own) else stored[m] or np.nan for m, own in enumerate(errors)], np.float64)
    if not np.isfinite(given).all() or not any(map(len, errors)):
        return _SectionErrors(given)
    resampled = np.tile(given, (DRAWS, 1))
    for m, (cell, own) in enumerate(zip(cells, errors, strict=True)):
        if len(own):
            resampled[:, m] = draw_trials(own, trials[cell.model][1], section.title, cell.model)
    return _SectionErrors(given, resampled)


def _ascending(tried: Sequence[tuple[object, float]]) -> FloatArray:
    return np.sort(np.array([error for _, error in tried], np.float64))


def _ranked(
    what: str, names: Sequence[str], sections: Sequence[Section], parts: Sequence[_SectionErrors]
) -> ResampledRanks | None:
    """The ranks over all sections with finite errors; `None` where nothing could be drawn again in any of them."""
    kept = [place for place, part in enumerate(parts) if np.isfinite(part.given).all()]
    varied = sum(parts[place].resampled is not None for place in kept)
    if not varied:
        return None
    own = [sections[place] for place in kept]
    given = by_dataset(np.stack([parts[place].given for place in kept]), own)
    resampled = np.stack([_resamples(parts[place], len(names)) for place in kept])
    stable = rank_stability(given, by_dataset(resampled, own))
    datasets = tuple(dict.fromkeys(section.dataset for section in own))
    return ResampledRanks(what, tuple(names[place] for place in stable.order), datasets, varied, stable)


def _resamples(part: _SectionErrors, models: int) -> FloatArray:
    return np.broadcast_to(part.given, (DRAWS, models)) if part.resampled is None else part.resampled


def _selected(sections: Sequence[Section]) -> TrialSelection | None:
    """Over the chosen cells of `sections` that were tuned, exactly."""
    cells: list[tuple[float, str, float]] = []
    for section in sections:
        for own in section.tuned:
            errors = _ascending(own.tried)
            if len(errors) and errors[0] > 0:
                shares = selection(errors, len(own.trials))
                excess = float(shares @ np.sqrt(errors / errors[0])) - 1
                cells.append((excess, f"{own.model} on {section.title}", float(1 - shares[0])))
    if not cells:
        return None
    largest, cell, _ = max(cells)
    others, excess = np.mean([other for *_, other in cells]), np.median([excess for excess, *_ in cells])
    return TrialSelection(float(others), float(excess), largest, cell)


def stability_table(stability: Stability) -> Table:
    """A row for each thing that was drawn again."""
    columns = (
        Column("Drawn again", kind="text"),
        Column("First", kind="text"),
        Column("It stays first"),
        Column("Kendall's τ", "mean"),
        Column("τ", "exceeded by 95 %"),
        Column("Neighbours that change places", kind="prose", hint="Pairs of the ranking, and how often."),
        Column("The smallest error stays so least often on", kind="prose"),
    )
    rows = tuple(tuple(_row(each)) for each in stability.ranks)
    below = (
        f"{count(DRAWS)} resamples of each. Seeds: drawn with replacement within each dataset. Test window: circular "
        "blocks of as many targets as the root of all. Trials: what a search that draws as many of these trials, with "
        "replacement, would select; its ranks are by validation error, since no test error of another configuration "
        "is stored. The ranking is by average rank, at the lengths that were chosen. Two equally good models change "
        "places half of the time."
    )
    return Table("stability", "The ranking when its errors are drawn again", columns, rows, below=below)


def _row(ranks: ResampledRanks) -> Iterator[TableEntry]:
    own = ranks.stability
    yield TableEntry(f"{ranks.what}, on {plural(len(ranks.datasets), 'dataset')}")
    yield TableEntry(ranks.models[0])
    yield TableEntry(percent(own.stays), own.stays)
    yield TableEntry(number(own.tau, 2), own.tau)
    yield TableEntry(number(own.tau_low, 2), own.tau_low)
    often = sorted(
        ((share, place) for place, share in enumerate(own.swapped.tolist()) if share > _UNCERTAIN), reverse=True
    )
    pairs = [f"{ranks.models[place]} and {ranks.models[place + 1]} {percent(share)}" for share, place in often]
    yield TableEntry(listed(pairs) or "none")
    least = np.argsort(own.first, kind="stable")[:3].tolist()
    uncertain = [
        f"{ranks.datasets[place]} {percent(float(own.first[place]))}" for place in least if own.first[place] < 1
    ]
    yield TableEntry(listed(uncertain) or "always everywhere")
