"""Covariates in windows: what is known when, against loops; and errors that the law of the data allows, no less."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.data.base import Provenance, Series
from bench.errors import DataError
from bench.models import MODELS
from bench.protocol.covariates import cautions, shifted_ahead
from bench.protocol.prepare import load_data, notes_of, prepare
from bench.protocol.windows import Windows
from bench.running.cell import run_cell
from bench.running.plan import Preflight
from bench.suite.load import load


def cells(folder: Path, dataset: str, **changes: Any) -> list[Cell]:
    """Those of a suite with the file ``a.csv`` of `folder`; `changes` are keys of the suite."""
    known = {"models": "[linear-ar]", "sequence_lengths": "[4]", "seeds": 1, "tuning": "false"} | changes
    text = f"name: a\ndatasets: [{{kind: file, path: a.csv, {dataset}}}]\n"
    text += "".join(f"{key}: {value}\n" for key, value in known.items())
    return list(expand(load(folder / "a.yaml", datasets=DATASETS, models=MODELS, text=text)))


def run(folder: Path, dataset: str, **changes: Any) -> dict[str, Any]:
    (one,) = cells(folder, dataset, **changes)
    row: dict[str, Any] = run_cell(one)["runs"].to_pylist()[0]
    assert row["status"] == "ok", row["reason"]
    return row


def written(folder: Path, **columns: Any) -> None:
    pd.DataFrame(columns).to_csv(folder / "a.csv", index=False)


@pytest.mark.parametrize("horizon", [1, 3])
def test_windows_hold_what_is_known(tmp_path: Path, horizon: int) -> None:
    """A loop over places: values and past covariates before the place; known columns up to the last target."""
    n, length = 60, 4
    random = np.random.default_rng(0)
    y, a, k = random.normal(size=(3, n))
    written(tmp_path, y=y, a=a, k=k)
    dataset = "columns: [y, a], target: y, known_future: k"
    (one,) = cells(tmp_path, dataset, horizons=[horizon], training="{scaler: none}")
    prepared = prepare(one, load_data(one))
    windows = [prepared.data.train, prepared.data.validation, prepared.test]
    for part in windows:
        assert isinstance(part, Windows)
        assert (part.channels, part.outputs, part.covariates) == (3, 1, 2)
        inputs, targets = part.inputs(slice(None)), part.targets(slice(None))
        for number, place in enumerate(part.first_targets(slice(None))):
            for step in range(length):
                at = place - length + step
                known = k[min(at + horizon, n - 1)]
                np.testing.assert_array_equal(inputs[number, step], [y[at], a[at], known])
            if place + horizon <= part.end:
                np.testing.assert_array_equal(inputs[number, -horizon:, 2], k[place : place + horizon])
                np.testing.assert_array_equal(targets[number, :, 0], y[place : place + horizon])
        np.testing.assert_array_equal(part.truth()[:, 0], y[part.index])


def test_every_channel_is_scaled_by_the_train_part_and_forecasts_by_their_own(tmp_path: Path) -> None:
    values = np.arange(100.0)
    written(tmp_path, y=values, a=10 * values + 5, k=-values)
    (one,) = cells(tmp_path, "columns: [y, a], target: y, known_future: k", training="{scaler: standard}")
    prepared = prepare(one, load_data(one))
    train = values[:70]
    np.testing.assert_allclose(prepared.scaler.offset, [train.mean(), 10 * train.mean() + 5, -train.mean()])
    np.testing.assert_allclose(prepared.scaler.scale, [train.std(), 10 * train.std(), train.std()])
    np.testing.assert_allclose(prepared.original(prepared.test.truth())[:, 0], values[80:])


def test_a_horizon_beyond_the_window_is_refused(tmp_path: Path) -> None:
    written(tmp_path, y=np.arange(60.0), k=np.arange(60.0) % 7)
    (one,) = cells(tmp_path, "column: y, known_future: k", horizons="[5]")
    with pytest.raises(DataError, match=r"expected a horizon of at most sequence_length 4, .* got 5"):
        prepare(one, load_data(one))


def test_a_column_that_is_the_target_is_named(tmp_path: Path) -> None:
    """Correlation 1 on the train part is said by name; one with noise, or only on the test part, is not."""
    y = np.random.default_rng(0).normal(size=200)
    late = np.where(np.arange(200) < 100, np.random.default_rng(1).normal(size=200), y)
    written(tmp_path, y=y, copy=5 - 2 * y, noisy=y + 0.1 * np.random.default_rng(2).normal(size=200), late=late)
    (one,) = cells(tmp_path, "column: y, known_future: [copy, noisy, late]")
    series = load_data(one)
    (note,) = notes_of(one, series)
    assert note == (
        "known_future: 'copy' determines 'y' on the train part (correlation 1.000000 in size): see that it is known "
        "before, and is no copy of it"
    )
    row = run(tmp_path, "column: y, known_future: copy")
    assert row["data_notes"] == note
    assert row["rmse"] < 1e-6
    noise = Series(y[:, None], Provenance("a", ""), known_future=np.full((200, 1), 3.0))
    assert list(cautions(noise, slice(0, 100))) == []  # what never changes determines nothing


def law(folder: Path, deviation: float, n: int = 4000) -> None:
    """``y_t = 0.8 y_(t-1) + 2 x_(t-1) + 3 z_t + noise``, `x` and `z` independent and normal."""
    x, z, noise = np.random.default_rng(0).normal(size=(3, n))
    y = np.zeros(n)
    for t in range(1, n):
        y[t] = 0.8 * y[t - 1] + 2 * x[t - 1] + 3 * z[t] + deviation * noise[t]
    written(folder, y=y, x=x, z=z)


@pytest.mark.parametrize(
    ("dataset", "variance"),
    [
        ("columns: [y, x], target: y, known_future: z", 0.25),
        ("columns: [y, x], target: y", 0.25 + 9),
        ("column: y, known_future: z", 0.25 + 4),
        ("column: y", 0.25 + 4 + 9),
    ],
)
def test_errors_are_those_that_the_law_allows(tmp_path: Path, dataset: str, variance: float) -> None:
    """Of 800 test errors, the mean square is within 4 deviations, √(2/800) each, of the variance of what is unknown.

    The window is long enough that earlier values of `x` and `z`, which show in those of `y`, say nothing more.
    """
    law(tmp_path, 0.5)
    row = run(tmp_path, dataset)
    assert row["rmse"] ** 2 == pytest.approx(variance, rel=4 * np.sqrt(2 / 800))
    if variance == 0.25:
        assert row["rmse"] == pytest.approx(0.5, rel=0.05)


def test_a_covariate_that_is_one_step_ahead_helps_for_one_step(tmp_path: Path) -> None:
    """Its value at t is the target at t + 1: that forecast is exact, and the next one as unknown as ever."""
    y = np.random.default_rng(0).normal(size=1001)
    written(tmp_path, y=y[:-1], ahead=y[1:])
    dataset = "columns: [y, ahead], target: y"
    assert run(tmp_path, dataset)["rmse"] < 1e-6
    assert run(tmp_path, dataset, models="[persistence]")["rmse"] == pytest.approx(np.sqrt(2), rel=0.2)
    (one,) = cells(tmp_path, dataset, horizons="[2]")
    rows = run_cell(one)["predictions"].to_pandas()
    errors = (rows["prediction"] - rows["truth"]).groupby(rows["step"]).agg(lambda each: np.sqrt((each**2).mean()))
    assert errors[1] < 1e-6
    assert errors[2] == pytest.approx(1, rel=0.2)


def test_an_lstm_finds_it_too(tmp_path: Path) -> None:
    """At horizon 1 the error falls below a fifth of the deviation; at horizon 2 the second step stays unknown."""
    y = np.random.default_rng(0).normal(size=701)
    written(tmp_path, y=y[:-1], ahead=y[1:])
    known = {
        "models": "[{kind: lstm, hidden_size: 8}]",
        "sequence_lengths": "[2]",
        "training": "{epochs: 60, learning_rate: 0.02, batch_size: 32}",
    }
    assert run(tmp_path, "columns: [y, ahead], target: y", **known)["rmse"] < 0.2 * y.std()
    (one,) = cells(tmp_path, "columns: [y, ahead], target: y", horizons="[2]", **known)
    rows = run_cell(one)["predictions"].to_pandas()
    errors = (rows["prediction"] - rows["truth"]).groupby(rows["step"]).agg(lambda each: np.sqrt((each**2).mean()))
    assert errors[1] < 0.5 * y.std()
    assert errors[2] > 0.8 * y.std()


def test_a_forecaster_is_what_it_is_without_them(tmp_path: Path) -> None:
    law(tmp_path, 0.5, n=200)
    models = "[{kind: ets, trend: none}]"
    with_them = run(tmp_path, "columns: [y, x], target: y, known_future: z", models=models)
    alone = run(tmp_path, "column: y", models=models)
    assert with_them["rmse"] == pytest.approx(alone["rmse"], rel=1e-12)


def test_models_that_do_not_read_them_are_named(tmp_path: Path) -> None:
    law(tmp_path, 0.5, n=100)
    models = "[persistence, linear-ar, nlinear, lstm]"
    preflight = Preflight()
    preflight.check(cells(tmp_path, "columns: [y, x], target: y, known_future: z", models=models))
    assert preflight.notes["file"] == (
        "the covariates x, z are not read by persistence, nlinear, which forecast from the past of y alone",
    )
    preflight.check(cells(tmp_path, "column: y", models=models))
    assert preflight.notes["file"] == ()


def test_nothing_known_is_shifted_by_the_horizon_alone() -> None:
    values, known = np.arange(6.0)[:, None], 10 + np.arange(6.0)[:, None]
    series = Series(values, Provenance("a", ""), known_future=known)
    inputs = np.hstack([values, known])
    np.testing.assert_array_equal(shifted_ahead(series, inputs, 2)[:, 1], [12, 13, 14, 15, 15, 15])
    np.testing.assert_array_equal(shifted_ahead(series, inputs, 2)[:, 0], np.arange(6.0))


def test_several_targets_are_forecast_together(tmp_path: Path) -> None:
    """Two of three columns; the errors are of both, and their channels are numbered."""
    x, z = np.random.default_rng(0).normal(size=(2, 400))
    written(tmp_path, a=np.roll(x, 1), b=np.roll(z, 1) + np.roll(x, 1), x=x, z=z)
    (one,) = cells(tmp_path, "columns: [a, b, x, z], target: [a, b]")
    rows = run_cell(one)
    assert rows["runs"].to_pylist()[0]["rmse"] < 1e-6
    predictions = rows["predictions"].to_pandas()
    assert sorted(predictions["channel"].unique()) == [0, 1]
    np.testing.assert_allclose(predictions[predictions["channel"] == 1]["truth"], (np.roll(z, 1) + np.roll(x, 1))[320:])


def test_covariates_have_the_length_of_the_values() -> None:
    with pytest.raises(DataError, match="expected covariates of 5 points, got 4"):
        Series(np.ones((5, 1)), Provenance("a", ""), covariates=np.ones((4, 2)))
    with pytest.raises(DataError, match="expected finite values"):
        Series(np.ones((5, 1)), Provenance("a", ""), known_future=np.full((5, 1), np.nan))
