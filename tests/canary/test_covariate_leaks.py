"""Covariates that are given too early, planted: each check that should raises an alarm, and honest cells raise none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.canary.base import CheckVerdict
from bench.canary.pieces import Pieces, changed_from, known_from, multiplied_from
from bench.canary.watch import CANARIES
from bench.data.base import Provenance, Series
from bench.protocol import covariates
from bench.protocol.windows import Scaler

Plant = pytest.MonkeyPatch
N = 400


@pytest.fixture
def columns(tmp_path: Path, pieces: Callable[..., Pieces]) -> Callable[..., Pieces]:
    """Pieces of a cell on a file of positive values, a past covariate, and a column that is known in advance."""
    y, a, k = np.random.default_rng(0).normal(size=(3, N))
    rows = [f"2020-01-01T{number // 60 % 24:02}:{number % 60:02}" for number in range(N)]
    values = np.exp(0.3 * y + 0.3 * np.roll(a, 1) + 0.3 * k)
    lines = [f"{row},{v:.6f},{10 * p:.6f},{10 * q:.6f}" for row, v, p, q in zip(rows, values, a, k, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["time,y,a,k", *lines, ""]))

    def make(model: str = "linear-ar", **more: Any) -> Pieces:
        data = {
            "path": str(tmp_path / "a.csv"),
            "time": "time",
            "columns": ("y", "a"),
            "target": "y",
            "known_future": ("k", "hour"),
            **more,
        }
        made = pieces("file", model, data=data)
        return replace(made, cell=replace(made.cell, horizon=2))

    return make


def alarms(made: Pieces, *names: str) -> dict[str, str]:
    outcomes = {name: CANARIES[name].check(made) for name in names or CANARIES}
    for name, outcome in outcomes.items():
        assert outcome.verdict in (CheckVerdict.ALARM, CheckVerdict.QUIET), (name, outcome)
    return {name: outcome.words for name, outcome in outcomes.items() if outcome.verdict is CheckVerdict.ALARM}


@pytest.mark.parametrize("transform", [None, "log-returns"])
def test_an_honest_cell_raises_no_alarm(columns: Callable[..., Pieces], transform: str | None) -> None:
    assert alarms(columns(transform=transform)) == {}


def test_a_past_covariate_one_step_early_is_caught(columns: Callable[..., Pieces], monkeypatch: Plant) -> None:
    honest = covariates.shifted_ahead

    def early(series: Series, inputs: np.ndarray, horizon: int) -> np.ndarray:
        moved = inputs.copy()
        moved[:-1, 1] = inputs[1:, 1]
        return honest(series, moved, horizon)

    monkeypatch.setattr(covariates, "shifted_ahead", early)
    came = alarms(columns(), "causality", "end-to-end")
    assert came.keys() == {"causality", "end-to-end"}


def test_what_is_known_beyond_the_horizon_is_caught(columns: Callable[..., Pieces], monkeypatch: Plant) -> None:
    honest = covariates.shifted_ahead
    monkeypatch.setattr(
        covariates, "shifted_ahead", lambda series, inputs, horizon: honest(series, inputs, horizon + 1)
    )
    assert "known_future" in alarms(columns(), "causality")["causality"]


def test_a_scaler_of_all_that_is_known_is_caught(columns: Callable[..., Pieces], monkeypatch: Plant) -> None:
    honest = Scaler.fit

    def fitted(kind: str, values: np.ndarray) -> Scaler:
        scaler = honest(kind, values)
        whole = values.base if isinstance(values.base, np.ndarray) else values
        if values.shape[1] != 4 or whole.shape[1:] != (4,):
            return scaler
        everything = honest(kind, whole)
        return Scaler(np.r_[scaler.offset[:2], everything.offset[2:]], np.r_[scaler.scale[:2], everything.scale[2:]])

    monkeypatch.setattr(Scaler, "fit", fitted)
    came = alarms(columns(), "scaler", "causality")
    assert came.keys() == {"scaler", "causality"}
    assert came["scaler"].startswith("known_future of the test part")


def test_twins_change_what_they_should() -> None:
    values = np.random.default_rng(0).normal(size=(20, 1))
    series = Series(values, Provenance("a", ""), covariates=values + 1, known_future=values + 2)
    for twin, changed in (
        (changed_from(series, 10, 0), {"values", "covariates"}),
        (known_from(series, 10, 0), {"known_future"}),
        (multiplied_from(series, 10, 3), {"values", "covariates"}),
        (multiplied_from(series, 10, 3, known=True), {"known_future"}),
    ):
        for name in ("values", "covariates", "known_future"):
            before, after = getattr(series, name), getattr(twin, name)
            np.testing.assert_array_equal(before[:10], after[:10])
            assert (before[10:] != after[10:]).all() == (name in changed)
