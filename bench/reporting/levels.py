"""Forecasts that never reach the truth: what a model does whose units saturate, at levels that it was not trained on.

Inputs are scaled by the train part. Where a series drifts, its test part lies beyond that range, and a recurrent
network, whose states are bounded, flattens out there. Persistence and linear models follow. The forecasts show it
without the data: a large share of the truth lies above, or below, everything that a model forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.reporting.forecasts import CellForecasts
from bench.reporting.values import CellSummary
from bench.text import listed, number, percent

MOST = 0.1
"""Of the test targets: a model with more of them beyond all of its forecasts does not follow the truth."""


def beyond(shown: CellForecasts) -> float:
    """The share of test targets at which the truth is above every forecast of every replicate, or below every one."""
    above, below = shown.truth > np.nanmax(shown.high), shown.truth < np.nanmin(shown.low)
    return float((above | below).mean())


def out_of_reach(cells: Sequence[CellSummary], forecasts: Mapping[str, CellForecasts]) -> str:
    """Which trained models of one dataset never forecast the levels of its test part; empty where all do.

    Parameters
    ----------
    cells
        Those of the dataset; the chosen ones that err more than persistence are looked at.
    forecasts
        Their forecasts by cell id, as far as they are stored.
    """
    shares = {
        cell.model: (share, forecasts[cell.cell_id or ""], cell)
        for cell in cells
        if cell.chosen and not cell.deterministic and cell.skill is not None and cell.skill.value < 0
        if cell.cell_id in forecasts and (share := beyond(forecasts[cell.cell_id or ""])) > MOST
    }
    if not shares:
        return ""
    named = listed([f"{model} ({percent(share)})" for model, (share, *_) in shares.items()])
    _, shown, cell = next(iter(shares.values()))
    return (
        f"Share of the test targets at which the truth lies beyond every forecast: {named}. {_drift(shown, cell)}"
        "Networks whose units saturate do not follow a series to levels that they were not trained on."
    )


def _drift(shown: CellForecasts, cell: CellSummary) -> str:
    """How far the test part goes from where it begins, in units of all that was seen before."""
    if cell.rmse is None or not cell.rmse_scaled:
        return ""
    seen = cell.rmse.value / cell.rmse_scaled  # the range of all points before the test part
    farthest = float(np.abs(shown.truth - shown.persistence[0]).max()) / seen
    return f"The test part moves {number(100 * farthest, 0)}\u202f% of the whole range of the points before it. "
