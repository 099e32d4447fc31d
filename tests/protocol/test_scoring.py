"""What an error that exceeds float64 becomes."""

import numpy as np
import pytest

from bench.data.base import LARGEST, Provenance, Series
from bench.protocol.scoring import SeriesScorer
from bench.protocol.windows import Parts, evaluation_windows
from bench.store.schema import Status


def reference(values):
    cut = Parts(6, 8, len(values))
    return SeriesScorer(Series(values, Provenance("", "")), cut, evaluation_windows(values, cut.test, 3, 1))


@pytest.mark.filterwarnings("error")
def test_a_prediction_too_far_off_to_be_squared_is_no_result():
    row = reference(np.arange(10.0)[:, None]).errors(np.full((2, 1), 1e160))
    assert set(row) == {"status", "reason"}
    assert row["status"] == Status.DIVERGED
    assert row["reason"].startswith("mse of the test predictions exceeds float64; ")


@pytest.mark.filterwarnings("error")
def test_the_largest_values_have_finite_errors():
    values = LARGEST * np.where(np.arange(10) % 2, 1.0, -1.0)[:, None]
    row = reference(values).errors(-values[8:])
    assert row["rmse"] == pytest.approx(2 * LARGEST)
    assert row["mse"] == pytest.approx(4 * LARGEST**2)
    assert row["mse_scaled"] == pytest.approx(1)
    assert row["skill"] == pytest.approx(0)
