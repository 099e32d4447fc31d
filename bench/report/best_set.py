"""The models among which the best one of a dataset is: the model confidence set over its test targets, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.errors import InputError
from bench.report.losses import Losses
from bench.report.text import listed, plural
from bench.report.values import CellSummary
from bench.stats.confidence_set import confidence_set

LEVELS = (0.95, 0.9)


def best_set(cells: Sequence[CellSummary], losses: Mapping[str, Losses]) -> str:
    """Which of the chosen cells of one dataset may be the best, at both `LEVELS`.

    Empty where fewer than two of them have stored predictions at the same test targets, where these are too few, and
    where the package `arch` is not installed.
    """
    names, own = _aligned(cells, losses)
    if len(names) < 2:
        return ""
    try:
        found = confidence_set(np.stack([one.model for one in own]), horizon=own[0].horizon)
    except InputError:  # the page names the extra where it explains its words
        return ""
    if found is None:
        return ""
    wide, narrow = ([name for name, p in zip(names, found.p, strict=True) if p > 1 - level] for level in LEVELS)
    over = f"{plural(len(names), 'model')} over {plural(len(own[0].index), 'stored test target')}"
    also = " and with 90 %" if wide == narrow else f", and {_among(narrow)} with 90 %"
    return f"The best model {_among(wide)} with 95 % confidence{also} (model confidence set of {over})."


def _aligned(cells: Sequence[CellSummary], losses: Mapping[str, Losses]) -> tuple[list[str], list[Losses]]:
    """The chosen cells whose predictions are stored; none where they are not at the same targets."""
    found = ((cell.model, losses.get(cell.cell_id or "")) for cell in cells if cell.chosen)
    known = {model: one for model, one in found if one}
    places = [one.index for one in known.values()]
    same = all(np.array_equal(place, places[0]) for place in places)
    return (list(known), list(known.values())) if same else ([], [])


def _among(names: Sequence[str]) -> str:
    return f"is {names[0]}" if len(names) == 1 else f"is among {listed(names)}"
