"""Why trained networks lose to persistence on levels: two reasons that the forecasts show by themselves.

Inputs are scaled by the train part. Where persistence errs by little of that range, a network has to copy the last
value to that precision to do as well. Where a series drifts, its test part lies beyond the range, and a recurrent
network, whose states are bounded, flattens out there: much of the truth is above, or below, all that it forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.reporting.forecasts import CellForecasts
from bench.reporting.values import CellSummary
from bench.text import listed, number, percent

MOST = 0.1
"""Of the test targets: a model with more of them beyond all of its forecasts does not follow the truth."""

LITTLE = 0.03
"""An error of persistence below this share of the range of all points before the test part is hard to reach."""


def beyond(shown: CellForecasts) -> float:
    """The share of test targets at which the truth is above every forecast of every replicate, or below every one."""
    above, below = shown.truth > np.nanmax(shown.high), shown.truth < np.nanmin(shown.low)
    return float((above | below).mean())


def hard_levels(
    cells: Sequence[CellSummary], forecasts: Mapping[str, CellForecasts], persistence_rmse: float | None
) -> str:
    """Why trained models of one dataset err more than persistence; empty where none does, or for another reason.

    Parameters
    ----------
    cells
        Those of the dataset; the chosen ones that are trained are looked at.
    forecasts
        Their forecasts by cell id, as far as they are stored.
    persistence_rmse
        Original units; `None` where unknown.
    """
    losing = [
        cell
        for cell in cells
        if cell.chosen and not cell.deterministic and cell.skill is not None and cell.skill.value < 0
        if cell.rmse is not None and cell.rmse_scaled
    ]
    if not losing:
        return ""
    seen = (losing[0].rmse.value if losing[0].rmse else 0.0) / (losing[0].rmse_scaled or 1.0)
    return " ".join(filter(None, (_precision(persistence_rmse, seen), _reach(losing, forecasts, seen))))


def _precision(persistence_rmse: float | None, seen: float) -> str:
    """What persistence errs by, where that is little of the range `seen` before the test part."""
    if not persistence_rmse or persistence_rmse > LITTLE * seen:
        return ""
    return (
        f"Persistence errs by {percent(persistence_rmse / seen, 1)} of the range of the points before the test part: a "
        "network that is given levels has to copy the last one to that precision to do as well."
    )


def _reach(losing: Sequence[CellSummary], forecasts: Mapping[str, CellForecasts], seen: float) -> str:
    """Which models never forecast a part of the levels of the test part, and how far it goes from where it begins."""
    shown = {cell.model: own for cell in losing if (own := forecasts.get(cell.cell_id or ""))}
    shares = {model: share for model, own in shown.items() if (share := beyond(own)) > MOST}
    if not shares:
        return ""
    first = next(iter(shown.values()))
    farthest = float(np.abs(first.truth - first.persistence[0]).max()) / seen
    named = listed([f"{model} ({percent(share)})" for model, share in shares.items()])
    return (
        f"Share of the test targets at which the truth lies beyond every forecast: {named}. The test part moves "
        f"{number(100 * farthest, 0)}\u202f% of the whole range of the points before it. Networks whose units saturate "
        "do not follow a series to levels that they were not trained on."
    )
