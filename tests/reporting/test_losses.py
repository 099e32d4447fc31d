from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.array_types import FloatArray
from bench.reporting.evidence import skill_in_window, trace
from bench.reporting.forecasts import losses
from bench.reporting.values import Trace
from bench.stats.delay import delay
from bench.stats.window_tests import over_window
from bench.store.grid import by_cell
from bench.store.schema import table


def rows(
    *, seeds: int = 3, points: int = 60, channels: int = 2, cell_id: str = "c", dated: str | None = None
) -> list[Any]:
    rng = np.random.default_rng(points)
    truth = rng.normal(size=(points, channels))
    made = [
        {
            "cell_id": cell_id,
            "model": "lstm",
            "sequence_length": 10,
            "horizon": 1,
            "seed": seed,
            "index": 100 + i,
            "channel": channel,
            "truth": truth[i, channel],
            "prediction": truth[i, channel] + rng.normal(scale=0.5),
            "persistence": truth[i - 1, channel],
            "time": None if dated is None else dated.format(1 + i % 28) if "{" in dated else str(i / 4),
        }
        for seed in range(seeds)
        for i in range(points)
        for channel in range(channels)
    ]
    rng.shuffle(made)
    return made


def test_losses_are_means_over_seeds_and_channels() -> None:
    made = rows()
    found = losses(table("predictions", made))
    assert found is not None
    assert found.index.tolist() == list(range(100, 160))
    for place, index in enumerate(found.index):
        own = [row for row in made if row["index"] == index]
        assert len(own) == 6
        assert found.model[place] == pytest.approx(np.mean([(r["prediction"] - r["truth"]) ** 2 for r in own]))
        assert found.persistence[place] == pytest.approx(np.mean([(r["persistence"] - r["truth"]) ** 2 for r in own]))
    test = over_window(found.model, found.persistence)
    assert skill_in_window(found, level=0.95) == (1 - test.high, 1 - test.low)


def test_a_value_that_is_not_finite_gives_no_losses() -> None:
    made = rows()
    made[7]["prediction"] = float("nan")
    assert losses(table("predictions", made)) is None
    made[7]["prediction"] = 1e200  # its square overflows, without a warning
    assert losses(table("predictions", made)) is None


def test_the_trace_is_the_test_part_in_order() -> None:
    made = rows(points=200, channels=2)
    found = trace(table("predictions", made))
    assert found.time.tolist() == list(range(100, 300))
    for place in (0, 17, 199):
        index = found.time[place]
        own = [row for row in made if row["index"] == index and row["channel"] == 0]
        values = [row["prediction"] for row in own]
        assert (found.truth[place], found.persistence[place]) == (own[0]["truth"], own[0]["persistence"])
        assert found.median[place] == pytest.approx(np.median(values))
        assert (found.low[place], found.high[place]) == (min(values), max(values))


def test_a_replicate_with_data_of_its_own_is_traced_alone() -> None:
    made = [{**row, "truth": row["truth"] + row["seed"], "seed": row["seed"] + 4} for row in rows()]
    found = trace(table("predictions", made), alone=True)
    own = sorted(
        (row["index"], row["truth"], row["prediction"]) for row in made if row["seed"] == 4 and not row["channel"]
    )
    assert found.truth.tolist() == [truth for _, truth, _ in own]
    for values in (found.low, found.median, found.high):
        assert values.tolist() == [prediction for *_, prediction in own]
    assert (found.seed, found.alone) == (4, ", seed 4 alone: each seed has data of its own")
    assert trace(table("predictions", rows())).alone == ""


def test_windows_laid_end_to_end_have_no_delay() -> None:
    """A forecast of six steps that repeats the last value is late by as much as its window is long."""
    made = rows(channels=1, seeds=1)
    assert trace(table("predictions", made)).delay is not None
    assert trace(table("predictions", [{**row, "horizon": 6} for row in made])).delay is None


def forecasts(truth: FloatArray, prediction: FloatArray) -> Trace:
    """The trace of one-step forecasts."""
    made = [
        {**row, "truth": truth[row["index"] - 100], "prediction": prediction[row["index"] - 100]}
        for row in rows(seeds=1, points=len(truth), channels=1)
    ]
    return trace(table("predictions", made))


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_a_delay_is_found_under_noise(shift: int) -> None:
    rng = np.random.default_rng(shift)
    truth = rng.normal(size=400).cumsum()
    late = np.concatenate([truth[:shift], truth[: len(truth) - shift]])
    assert forecasts(truth, late + 0.1 * rng.normal(size=400)).late_steps == shift


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1e200])
def test_a_constant_forecast_is_never_late(value: float) -> None:
    for truth in np.random.default_rng(4).normal(size=(20, 200)).cumsum(axis=1):
        for constant in (value, truth.mean()):
            assert forecasts(truth, np.full(200, constant)).delay is None


def test_what_is_not_finite_or_overflows_has_no_delay_and_large_units_change_none() -> None:
    truth = np.random.default_rng(5).normal(size=200).cumsum()
    assert delay(truth, np.full(200, np.nan)) is None
    assert delay(truth, np.where(np.arange(200) % 7, np.roll(truth, 1), np.inf)) is None
    assert delay(truth, 1e200 * np.roll(truth, 1)) is None
    found = delay(1e120 * truth, 1e120 * np.roll(truth, 1))
    assert found is not None
    assert (found.steps, found.late) == (1, True)


def test_times_are_dates_or_numbers_where_the_series_has_them() -> None:
    dates = trace(table("predictions", rows(points=20, dated="2020-02-{:02}"))).time
    assert np.issubdtype(dates.dtype, np.datetime64)
    assert str(dates[0]).startswith("2020-02-01")
    numbers = trace(table("predictions", rows(points=20, dated="number"))).time
    assert numbers.tolist() == [i / 4 for i in range(20)]


def test_rows_are_grouped_by_cell_in_any_order() -> None:
    mixed = [row for pair in zip(rows(cell_id="b"), rows(cell_id="a", points=61), strict=False) for row in pair]
    groups = by_cell(table("predictions", mixed))
    assert set(groups) == {"a", "b"}
    for cell_id, group in groups.items():
        expected = [row["prediction"] for row in mixed if row["cell_id"] == cell_id]
        assert group["prediction"].to_pylist() == expected
    assert by_cell(table("predictions", [])) == {}
