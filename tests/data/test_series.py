from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.data.base import LARGEST, Provenance, Series, first_unusable
from bench.errors import DataError

PROVENANCE = Provenance(source="a plug-in", sha256="")


def _refusal(values: np.ndarray) -> str:
    with pytest.raises(DataError) as caught:
        Series(values, PROVENANCE)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("fault", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (-1.5e308, "-1.5e+308")]
)
def test_the_first_value_at_fault_is_named(fault: float, shown: str) -> None:
    values = np.zeros((9, 2))
    values[4, 1] = values[6, 0] = fault
    assert _refusal(values) == (
        f"a plug-in: expected finite values within ±1e+150, got {shown} at point 5, channel 2; "
        "fix the values, or scale them down"
    )


@pytest.mark.parametrize(
    ("values", "came"),
    [
        (np.zeros(5), "float64 [5]"),
        (np.zeros((5, 1), np.float32), "float32 [5, 1]"),
        (np.zeros((2, 1), int), "int64 [2"),
    ],
)
def test_another_shape_or_type_is_refused(values: np.ndarray, came: str) -> None:
    assert _refusal(values).startswith(f"a plug-in: expected float64 values [N, C], got {came}")


@given(st.lists(st.floats(), max_size=20))
def test_first_unusable_is_the_first_of_a_loop(numbers: list[float]) -> None:
    wrong = [i for i, number in enumerate(numbers) if not -LARGEST <= number <= LARGEST]
    values = np.array(numbers, np.float64)
    assert first_unusable(values) == first_unusable(values[:, None]) == (wrong[0] if wrong else None)


def test_the_largest_values_have_errors_whose_squares_are_finite() -> None:
    series = Series(np.array([[LARGEST], [-LARGEST]]), PROVENANCE)
    assert np.isfinite(np.sum(np.diff(series.values, axis=0) ** 2))


def test_looking_at_a_long_series_takes_no_memory() -> None:
    values = np.ones((200_000, 1))
    tracemalloc.start()
    try:
        Series(values, PROVENANCE)
        assert tracemalloc.get_traced_memory()[1] < values.nbytes / 10
    finally:
        tracemalloc.stop()
