"""Returns, log-returns and differences: forecasts of changes as prices, by hand and against loops."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.data.base import Provenance, Series
from bench.errors import DataError
from bench.models import MODELS
from bench.protocol.prepare import Prepared, prepare
from bench.protocol.transforms import Changes
from bench.protocol.windows import Windows, evaluation_windows
from bench.running.cell import run_cell
from bench.spec import Split
from bench.suite.load import load

TRANSFORMS = ["returns", "log-returns", "difference"]
PRICES = np.array([10.0, 11, 12.1, 6.05, 12.1, 12.1])


def series_of(values: np.ndarray, breaks: tuple[int, ...] = ()) -> Series:
    return Series(values[:, None], Provenance("prices", ""), breaks=breaks)


def cell(dataset: str, **changes: Any) -> Cell:
    known = {"models": "[linear-ar]", "sequence_lengths": "[3]", "seeds": 1, "tuning": "false"} | changes
    text = f"name: a\ndatasets: [{dataset}]\n" + "".join(f"{key}: {value}\n" for key, value in known.items())
    (one,) = expand(load("a.yaml", datasets=DATASETS, models=MODELS, text=text))
    return one


def path_of(transform: str, last: float, changes: np.ndarray) -> list[float]:
    """The prices after `last`, one change after the other."""
    prices = []
    for change in changes:
        last = {"returns": last * (1 + change), "log-returns": last * math.exp(change), "difference": last + change}[
            transform
        ]
        prices.append(last)
    return prices


def test_changes_by_hand() -> None:
    for transform, expected in {
        "returns": [0.1, 0.1, -0.5, 1, 0],
        "log-returns": [math.log(1.1), math.log(1.1), -math.log(2), math.log(2), 0],
        "difference": [1, 1.1, -6.05, 6.05, 0],
    }.items():
        changes = Changes(series_of(PRICES), transform).values[:, 0]  # type: ignore[arg-type]
        assert math.isnan(changes[0])
        np.testing.assert_allclose(changes[1:], expected, atol=1e-12)


def test_forecasts_by_hand() -> None:
    """From the last price 6.05: returns of +100 %, 0 and -50 %."""
    changes, windows = Changes(series_of(PRICES), "returns"), evaluation_windows(PRICES[:, None], slice(4, 6), 2, 3)
    predicted = np.array([[1.0], [0.0]])  # of the two points that are there: the third step overruns the series
    np.testing.assert_allclose(changes.forecast(windows, predicted, teacher_forced=False)[:, 0], [12.1, 12.1])
    predicted = np.array([[1.0], [-0.5]])
    np.testing.assert_allclose(changes.forecast(windows, predicted, teacher_forced=False)[:, 0], [12.1, 6.05])
    np.testing.assert_allclose(changes.forecast(windows, predicted, teacher_forced=True)[:, 0], [12.1, 6.05])
    np.testing.assert_allclose(
        changes.forecast(windows, np.array([[0.0], [1.0]]), teacher_forced=True)[:, 0], [6.05, 24.2]
    )


def walk(n: int = 80) -> np.ndarray:
    return 50 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.05, n)))


def prepared_of(transform: str, horizon: int, split: Split | None = None, breaks: tuple[int, ...] = ()) -> Prepared:
    one = cell(f"{{kind: gbm, length: 80, transform: {transform}}}", horizons=[horizon])
    one = replace(one, split=split or Split(validation=12, test=20))
    return prepare(one, series_of(walk(), breaks))


SPLITS = [
    Split(validation=12, test=20),
    Split(validation=12, test=20, stride=1),
    Split(validation=12, test=20, origins=2),
]


@pytest.mark.parametrize("breaks", [(), (30, 68)])
@pytest.mark.parametrize("split", SPLITS, ids=["tiled", "rolling", "last"])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_forecasts_and_windows_against_a_loop(
    transform: str, horizon: int, split: Split, breaks: tuple[int, ...]
) -> None:
    prepared, prices = prepared_of(transform, horizon, split, breaks), walk()
    test = prepared.test
    assert isinstance(test, Windows)
    predicted = np.random.default_rng(1).normal(0, 0.1, (2, test.points, 1))
    came = prepared.original((predicted - prepared.scaler.offset) / prepared.scaler.scale)
    index, steps = test.index, test.steps()
    for point, (at, step) in enumerate(zip(index, steps, strict=True)):
        if step == 1:
            ends = point + 1
            while ends < len(steps) and steps[ends] > 1:
                ends += 1
            for member in range(2):
                expected = path_of(transform, prices[at - 1], predicted[member, point:ends, 0])
                np.testing.assert_allclose(came[member, point:ends, 0], expected, rtol=1e-9)
    # True changes give true prices, exactly where they are, whatever the origin and the gaps.
    np.testing.assert_allclose(prepared.original(test.truth())[:, 0], prices[index], rtol=1e-12)
    forced = prepared.original(test.truth(), teacher_forced=True)
    np.testing.assert_allclose(forced[:, 0], prices[index], rtol=1e-12)
    for part in (prepared.data.train, prepared.data.validation, test):
        assert isinstance(part, Windows)
        assert np.isfinite(part.inputs(slice(None))).all()
        assert np.isfinite(part.truth()).all()


@pytest.mark.parametrize("breaks", [(), (30, 68)])
def test_the_first_point_of_a_piece_has_no_change_and_is_in_no_window(breaks: tuple[int, ...]) -> None:
    train = prepared_of("returns", 1, breaks=breaks).data.train
    assert isinstance(train, Windows)
    starts = {0, *breaks}
    whole = [place for place in range(3, 48) if not starts & set(range(place - 3, place + 1))]
    assert list(train.places) == whole


def test_the_scaler_is_fitted_on_the_changes_of_the_train_part() -> None:
    prepared, prices = prepared_of("log-returns", 1, breaks=(30,)), walk()
    changes = np.delete(np.diff(np.log(prices[:48])), 29)  # the one across the gap is none
    np.testing.assert_allclose(prepared.scaler.offset, changes.min(), rtol=1e-12)
    np.testing.assert_allclose(prepared.scaler.scale, np.ptp(changes), rtol=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("model", ["persistence", "drift", "seasonal-naive"])
def test_simple_methods_stay_what_they_are_in_prices(transform: str, model: str) -> None:
    """Digit for digit what they are without a transform."""
    dataset = "kind: gbm, length: 200"
    known = {"models": f"[{model}]", "horizons": "[3]"}
    plain = run_cell(cell(f"{{{dataset}}}", **known))["predictions"]
    changed = run_cell(cell(f"{{{dataset}, transform: {transform}}}", **known))["predictions"]
    assert plain["prediction"].equals(changed["prediction"])
    if model == "persistence":
        assert changed["prediction"].equals(changed["persistence"])


def test_a_forecast_of_no_change_is_persistence() -> None:
    prepared = prepared_of("returns", 3)
    test, prices = prepared.test, walk()
    assert isinstance(test, Windows)
    none = np.broadcast_to((0 - prepared.scaler.offset) / prepared.scaler.scale, (test.points, 1))
    np.testing.assert_allclose(prepared.original(none)[:, 0], prices[test.index - test.steps()], rtol=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_linear_model_of_changes_against_least_squares(transform: str) -> None:
    """Stored predictions at horizon 2 are those of numpy's least squares on changes, summed up to prices."""
    one = cell(
        f"{{kind: gbm, length: 300, transform: {transform}}}",
        horizons="[2]",
        models="[{kind: linear-ar, alpha: 0}]",
        training="{scaler: none}",
    )
    rows = run_cell(one)
    run, stored = rows["runs"].to_pylist()[0], rows["predictions"].to_pandas()
    prices = DATASETS["gbm"].load(one.dataset.parsed(DATASETS["gbm"].parameters), one.seed).values[:, 0]
    changes = {
        "returns": prices[1:] / prices[:-1] - 1,
        "log-returns": np.diff(np.log(prices)),
        "difference": np.diff(prices),
    }[transform]
    changes = np.r_[np.nan, changes]
    train = range(4, 210 - 1)
    x = np.array([np.r_[1, changes[place - 3 : place]] for place in train])
    y = np.array([changes[place : place + 2] for place in train])
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    expected = [
        path_of(transform, prices[place - 1], np.r_[1, changes[place - 3 : place]] @ weights)
        for place in range(240, 300, 2)
    ]
    np.testing.assert_allclose(stored["prediction"], np.ravel(expected), rtol=1e-8)
    np.testing.assert_allclose(stored["truth"], prices[240:])
    assert run["rmse"] == pytest.approx(np.sqrt(np.mean((np.ravel(expected) - prices[240:]) ** 2)))
    assert run["persistence_mse"] == pytest.approx(
        np.mean(
            [(prices[at] - prices[at - step]) ** 2 for at, step in zip(stored["index"], stored["step"], strict=True)]
        )
    )


def test_a_forecaster_reads_the_changes_from_the_first_that_there_is() -> None:
    one = cell("{kind: gbm, length: 120, transform: log-returns}", models="[{kind: ets, trend: none}]")
    row = run_cell(one)["runs"].to_pylist()[0]
    assert row["status"] == "ok", row["reason"]
    assert row["rmse"] < 1.2 * math.sqrt(row["persistence_mse"])


def test_what_has_no_changes_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"prices: expected values above 0, which transform: returns needs, got -1 at po"
    ):
        Changes(series_of(np.array([1.0, 2, -1])), "returns")
    with pytest.raises(DataError, match="expected changes that can be squared"):
        Changes(series_of(np.array([1e-150, 1e150])), "returns")
    Changes(series_of(np.array([1.0, 2, -1])), "difference")
    short = cell("{kind: gbm, length: 11, transform: returns}", sequence_lengths="[6]")
    series = series_of(walk(11))
    with pytest.raises(DataError, match="expected 8 points of train for one window of 6 \\+ 1 changes, got 7"):
        prepare(replace(short, split=Split(validation=2, test=2)), series)


def test_the_floor_of_windows_of_values_is_none_of_their_changes() -> None:
    plain, changed = (
        run_cell(cell(f"{{kind: arma, length: 300{more}}}"))["runs"].to_pylist()[0]
        for more in ("", ", transform: difference")
    )
    assert plain["linear_floor_mse"] is not None
    assert changed["linear_floor_mse"] is None
    assert changed["noise_floor_mse"] == plain["noise_floor_mse"]


def test_cells_without_a_transform_keep_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    plain, changed = (cell(f"{{kind: gbm{more}}}") for more in ("", ", transform: returns"))
    assert "transform" not in plain.spec
    assert '"transform":"returns"' in changed.spec
    assert plain.id != changed.id
