"""Improvements that no honest change can bring, held against closed forms and simulation."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from bench.cells import CellKey
from bench.comparing.decision import compare
from bench.comparing.formats import to_annotations
from bench.comparing.markdown import to_markdown
from bench.comparing.outcomes import ChangeVerdict, Comparison

PLACE = CellKey("file", "lstm", 10, 1)
TEST, VALIDATION = 100, 50


def rows(
    replicates: Any, *, test: float, validation: float | None, horizon: int = 1, model: str = "lstm", **columns: Any
) -> Any:
    """Eight replicates of a cell whose errors are multiplied by `test` and `validation`."""
    made = replicates("file", model, scale=test, horizon=horizon, **columns)
    return [
        {
            **row,
            "mse_scaled": row["mse"] / 100,
            "validation_mse_scaled": None if validation is None else validation * row["mse"] / test / 100,
            "test_points": TEST,
            "validation_points": VALIDATION,
        }
        for row in made
    ]


def changed(replicates: Any, tables: Any, **new: Any) -> Comparison:
    options = {key: value for key, value in new.items() if key not in ("test", "validation")}
    before = rows(replicates, test=1.0, validation=None if new["validation"] is None else 1.0, **options)
    return compare(tables(before), tables(rows(replicates, **new)))


def test_what_the_validation_part_does_not_confirm_closes_the_gate(replicates: Any, tables: Any) -> None:
    found = changed(replicates, tables, test=0.4, validation=0.98)
    assert found.verdict is ChangeVerdict.LEAK
    assert found.alarms() == {PLACE: "too good: look for a leak"}
    fell = 1 - math.sqrt(0.4 / 0.98)
    luck = 1 - math.exp(-norm.isf(0.01) * math.sqrt(4 / TEST + 4 / VALIDATION) / 2)
    assert found.cells[0].notes == (
        f"its RMSE fell by {100 * fell:.0f}\u202f% more on the test part than on the validation part; luck explains "
        f"{100 * luck:.0f}\u202f% at most",
    )
    page = to_markdown(found)
    assert "## Too good: look for a leak\n\n- file × lstm, L=10, h=1: its RMSE fell by" in page
    assert "::too good: look for a leak: rmse −36.8" in to_annotations(found)


@pytest.mark.parametrize(
    ("test", "validation", "horizon"),
    [(0.4, 0.5, 1), (0.5, 0.98, 1), (0.4, 0.98, 4), (0.4, None, 1)],
    ids=["both parts gain", "within luck", "few independent targets", "no validation part"],
)
def test_what_luck_or_a_better_model_explains_does_not(
    test: float, validation: float | None, horizon: int, replicates: Any, tables: Any
) -> None:
    found = changed(replicates, tables, test=test, validation=validation, horizon=horizon)
    assert found.verdict is ChangeVerdict.IMPROVED
    assert found.alarms() == {}


def test_persistence_cannot_improve(replicates: Any, tables: Any) -> None:
    spec = json.dumps({"model": {"kind": "persistence"}})
    found = changed(replicates, tables, test=0.9, validation=0.9, model="persistence", spec=spec)
    assert found.cells[0].notes == ("persistence learns nothing: no change can make it better",)
    assert list(found.alarms().values()) == ["too good: look for a leak"]
    worse = changed(replicates, tables, test=1.1, validation=1.1, model="persistence", spec=spec)
    assert list(worse.alarms().values()) == ["regressed"]


def simulated(rng: np.random.Generator, replicates: Any, tables: Any, *, leak: float) -> Comparison:
    """A model that is truly better by a third, on finite parts; its test errors shrink by `leak` more."""
    sides = []
    for size, pull in ((1.0, 1.0), (2 / 3, 1 - leak)):
        test = pull * size * rng.normal(size=TEST)
        validation = size * rng.normal(size=VALIDATION)
        own = rows(replicates, test=1.0, validation=1.0)
        errors = np.mean(test**2), np.mean(validation**2)
        wobble = np.exp(0.02 * rng.normal(size=(len(own), 2)))
        for row, (on_test, on_validation) in zip(own, errors * wobble, strict=True):
            row |= {"mse_scaled": on_test, "validation_mse_scaled": on_validation, "rmse": math.sqrt(on_test)}
        sides.append(tables(own))
    return compare(*sides)


def test_the_bound_on_luck_holds_and_sees_a_leak(replicates: Any, tables: Any) -> None:
    rng, count = np.random.default_rng(0), 300
    honest = sum(simulated(rng, replicates, tables, leak=0.0).verdict is ChangeVerdict.LEAK for _ in range(count))
    assert binom.sf(honest - 1, count, 0.01) > 0.01
    caught = sum(simulated(rng, replicates, tables, leak=0.6).verdict is ChangeVerdict.LEAK for _ in range(50))
    assert caught >= 45
