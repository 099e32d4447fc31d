"""A model that flattens out below the truth is named, with the share of targets that it never reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.reporting.forecasts import CellForecasts
from bench.reporting.levels import beyond, hard_levels
from bench.reporting.values import CellSummary, State
from bench.stats.ratios import Estimate

TRUTH = np.arange(1.0, 101.0)
"""A trend: the test part goes 100 up from the last value before it, which is 0."""


def shown(forecast: np.ndarray[tuple[int], np.dtype[np.float64]]) -> CellForecasts:
    index = np.arange(100)
    return CellForecasts(index, index, TRUTH, TRUTH - 1, forecast, forecast - 0.5, forecast + 0.5, every=True)


def cell(model: str, skill: float = -1.0) -> CellSummary:
    """The range of the points before the test part is 80: RMSE 4 is 0.05 of it."""
    own = CellSummary(model, "d", model, 10, 1, State.OK, 3, 3, chosen=True)
    return replace(own, skill=Estimate(skill, None), rmse=Estimate(4.0, None), rmse_scaled=0.05)


def test_the_share_is_that_of_the_targets_above_the_highest_forecast() -> None:
    """Forecasts end at 60, the highest of a replicate at 60.5: 40 of 100 values are above it."""
    assert beyond(shown(np.minimum(TRUTH, 60.0))) == 0.4
    assert beyond(shown(TRUTH - 1)) == 0.01
    assert beyond(shown(np.maximum(TRUTH, 31.0))) == 0.3


def test_only_trained_models_that_lose_are_named() -> None:
    forecasts = {name: shown(np.minimum(TRUTH, 60.0)) for name in ("gru", "lstm", "good", "drift")}
    cells = [cell("gru"), cell("good", skill=0.1), replace(cell("drift"), deterministic=True), cell("none")]
    said = hard_levels(cells, forecasts, 4.0)
    assert said.startswith(
        "Share of the test targets at which the truth lies beyond every forecast: gru (40\u202f%). "
        "The test part moves 125\u202f% of the whole range of the points before it. "
    )
    assert hard_levels([cell("gru")], {"gru": shown(TRUTH - 1)}, 4.0) == ""
    assert hard_levels([replace(cell("gru"), chosen=False)], forecasts, 4.0) == ""


def test_what_persistence_errs_by_is_a_share_of_the_range_before_the_test_part() -> None:
    """The range is 80: 2 is 2.5 % of it, and 4 is 5 %, which a network may well reach."""
    follows = {"gru": shown(TRUTH - 1)}
    assert hard_levels([cell("gru")], follows, 2.0).startswith(
        "Persistence errs by 2.5\u202f% of the range of the points"
    )
    assert hard_levels([cell("gru")], follows, None) == ""
    assert hard_levels([cell("gru", skill=0.5)], follows, 2.0) == ""
