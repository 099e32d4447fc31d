"""The models in order, over all sections."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.report.findings import Rank, Ranking
from bench.report.text import listed, plural
from bench.report.values import CellSummary, Model, Section
from bench.stats.ranks import cliques, ranks
from bench.stats.verdicts import ALPHA


def rank(sections: Sequence[Section], models: Sequence[Model]) -> Ranking:
    """Average ranks by RMSE, ties shared, the best first.

    A model without a single finished cell is not ranked, and a section that some ranked model did not finish is
    left out for all: no error is made up for what is missing. So is a section whose cells saw different data.
    One model alone has no rank.
    """
    ranked = [model.name for model in models if any(section.chosen(model.name) for section in sections)]
    if len(ranked) < 2:
        return Ranking((), 0, "", "")
    shared = complete(sections, ranked)
    found = ranks(np.array([[_rmse(s.chosen(name)) for name in ranked] for s in shared]).reshape(-1, len(ranked)))
    average = dict(zip(ranked, found.average.tolist(), strict=True)) if shared else {}
    rows = [_row(name, average.get(name), sections) for name in ranked]
    order = sorted(rows, key=lambda row: (row.average is None, row.average, -row.smallest_error))
    unranked = [model.name for model in models if model.name not in ranked]
    over = _over(shared)
    return Ranking(
        tuple(order),
        len(shared),
        over,
        _note(sections, shared, over=over, unranked=unranked),
        groups=tuple(tuple(ranked[place] for place in group) for group in cliques(found.average, found.p)),
        friedman_p=None if math.isnan(found.friedman_p) else found.friedman_p,
        separable=found.smallest_p < ALPHA,
    )


def complete(sections: Sequence[Section], models: Sequence[str]) -> list[Section]:
    """The sections whose cells saw the same data and that every one of `models` finished."""
    return [section for section in sections if section.same_data and all(section.chosen(name) for name in models)]


def _rmse(cell: CellSummary | None) -> float:
    return cell.rmse.value if cell and cell.rmse else float("nan")


def _row(name: str, average: float | None, sections: Sequence[Section]) -> Rank:
    chosen = [cell for section in sections if (cell := section.chosen(name))]
    fits = [cell.cost.fit_s for cell in chosen if cell.cost.fit_s is not None]
    return Rank(
        model=name,
        average=average,
        smallest_error=sum(section.best is not None and section.best.model == name for section in sections),
        with_skill=sum(cell.skilled is True for cell in chosen),
        tested=sum(cell.skilled is not None for cell in chosen),
        fit_s=float(np.median(fits)) if fits else None,
    )


def _over(sections: Sequence[Section]) -> str:
    one_horizon = len({section.dataset for section in sections}) == len(sections)
    if one_horizon:
        return plural(len(sections), "dataset")
    return f"{plural(len(sections), 'pair')} of dataset and horizon"


def _note(sections: Sequence[Section], shared: Sequence[Section], *, over: str, unranked: Sequence[str]) -> str:
    left_out = [section.title for section in sections if section.same_data and section not in shared]
    other_data = [section.title for section in sections if not section.same_data]
    parts = [f"Ranks by RMSE over {over}."]
    if left_out:
        parts.append(f"Left out, because a model did not finish there: {listed(left_out)}.")
    if other_data:
        parts.append(f"Left out, because the cells there did not all see the same data: {listed(other_data)}.")
    if unranked:
        parts.append(f"Not ranked, because no cell finished: {listed(unranked)}.")
    return " ".join(parts)
