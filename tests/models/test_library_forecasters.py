"""Models of Darts and NeuralForecast: the libraries called by hand, regressions of numpy, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.errors import BenchError
from bench.models import MODELS
from bench.models.base import Shape
from bench.models.forecaster import FitBudget
from bench.models.library_forecasters import NETWORKS, parameters_of
from bench.models.optional import is_installed
from bench.protocol.prepare import load_data
from bench.running.cell import run_cell
from bench.suite.load import load

POINTS, TEST, VALIDATION, LENGTH, HORIZON = 200, 40, 20, 8, 4
ORIGINS = list(range(POINTS - TEST, POINTS, HORIZON))

needs_darts = pytest.mark.skipif(not is_installed("darts"), reason="darts is not installed: pip install darts")
needs_networks = pytest.mark.skipif(
    not (is_installed("darts") and is_installed("pytorch_lightning")), reason="darts[torch] is not installed"
)
needs_neuralforecast = pytest.mark.skipif(
    not is_installed("neuralforecast"), reason="neuralforecast is not installed: pip install neuralforecast"
)


def suite(model: str, *, seeds: int = 2, training: str = "{steps: 5, scaler: none}") -> str:
    text = f"name: o\ndatasets: [{{id: ar, kind: noisy-sine, length: {POINTS}, seed: 3}}]\nmodels: [{model}]\n"
    text += f"horizons: [{HORIZON}]\nsequence_lengths: [{LENGTH}]\nseeds: {seeds}\ntuning: false\n"
    return text + f"training: {training}\nsplit: {{validation: {VALIDATION}, test: {TEST}}}\n"


def cell(model: str, **more: Any) -> Cell:
    (one,) = expand(load(Path("o.yaml"), datasets=DATASETS, models=MODELS, text=suite(model, **more)))
    return one


def values_of(one: Cell) -> np.ndarray:
    series: np.ndarray = load_data(one).values[:, 0]  # type: ignore[union-attr]
    return series


def forecasts(one: Cell) -> dict[int, np.ndarray]:
    """Seed → ``[N, H]``, of a cell all of whose replicates are ok: none peeks, and all are finite."""
    rows = run_cell(one)
    assert {run["status"] for run in rows["runs"].to_pylist()} == {"ok"}, rows["runs"]["reason"]
    frame = rows["predictions"].to_pandas().sort_values(["index"])
    return {seed: own["prediction"].to_numpy().reshape(-1, HORIZON) for seed, own in frame.groupby("seed")}


WRONG = [
    ("{kind: darts, model: os.path}", "expected a model of darts.models, such as darts.models.ExponentialSmoothing"),
    ("{kind: darts, model: darts.models.forecasting.fft.FFT}", "expected a model of darts.models"),
    ("{kind: darts, model: darts.models.ExponentialSmoothin}", "did you mean 'ExponentialSmoothing'?"),
    ("{kind: darts, model: darts.models.Prophet}", "darts.models: unknown model 'Prophet'"),
    ("{kind: darts, model: darts.models.NBEATSModel, n_epochs: 3}", "expected no n_epochs, as the suite's training"),
    ("{kind: darts, model: darts.models.LinearRegressionModel, lags: 3}", "expected no lags, as it is the suite's"),
    ("{kind: neuralforecast, model: darts.models.FFT}", "expected a model of neuralforecast.models"),
    ("{kind: neuralforecast, model: neuralforecast.models.DeepAR}", "unknown model 'DeepAR'"),
    ("{kind: neuralforecast, random_seed: 3}", "expected no random_seed, as each replicate has its own"),
]


@pytest.mark.parametrize(("model", "said"), WRONG, ids=[model for model, _ in WRONG])
def test_what_is_not_open_is_one_line_with_or_without_the_library(model: str, said: str) -> None:
    with pytest.raises(BenchError) as caught:
        cell(model)
    assert said in str(caught.value)
    assert str(caught.value).startswith("o.yaml:3:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [
        ("darts", "darts", "darts"),
        ("neuralforecast", "neuralforecast", "neuralforecast"),
        ("{kind: darts, model: darts.models.NLinearModel}", "pytorch_lightning", "darts"),
    ],
)
def test_without_the_library_its_own_cells_are_unavailable(
    kind: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    if package == "pytorch_lightning" and not is_installed("darts"):
        pytest.skip("darts is not installed, which is said first")
    runs = run_cell(cell(kind))["runs"].to_pylist()
    said = f'{package.replace("_", "-")} is not installed; pip install "sequence-bench[{extra}]"'
    assert {(run["status"], run["reason"]) for run in runs} == {("unavailable", said)}


@needs_darts
def test_a_regression_is_that_of_numpy() -> None:
    one = cell("{kind: darts, model: darts.models.LinearRegressionModel}")
    values, found = values_of(one), forecasts(one)
    firsts = range(LENGTH, POINTS - TEST - VALIDATION - HORIZON + 1)
    x = np.array([[1.0, *values[first - LENGTH : first]] for first in firsts])
    y = np.array([values[first : first + HORIZON] for first in firsts])
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    expected = np.array([[1.0, *values[origin - LENGTH : origin]] @ weights for origin in ORIGINS])
    np.testing.assert_allclose(found[0], expected, atol=1e-8)
    np.testing.assert_array_equal(found[0], found[1])  # one fit stands for both seeds


@needs_darts
def test_the_last_season_again() -> None:
    one = cell("{kind: darts, model: darts.models.NaiveSeasonal, K: 6}")
    values = values_of(one)
    np.testing.assert_allclose(forecasts(one)[0], [values[o - 6 : o - 6 + HORIZON] for o in ORIGINS], rtol=1e-12)


@needs_darts
def test_a_local_model_is_fitted_on_the_history_before_each_origin() -> None:
    darts, models = pytest.importorskip("darts"), pytest.importorskip("darts.models")
    one = cell("{kind: darts, model: darts.models.ExponentialSmoothing, seasonal: additive, seasonal_periods: 5}")
    values, expected = values_of(one), []
    for origin in ORIGINS:
        model = models.ExponentialSmoothing(seasonal_periods=5)  # whose seasons are additive by default
        model.fit(darts.TimeSeries.from_values(values[:origin]))
        expected.append(model.predict(HORIZON).values()[:, 0])
    np.testing.assert_allclose(forecasts(one)[0], expected, rtol=1e-9)


@needs_darts
def test_arima_is_estimated_once_and_sees_the_whole_history() -> None:
    darts, models = pytest.importorskip("darts"), pytest.importorskip("darts.models")
    one = cell("{kind: darts, model: darts.models.ARIMA, p: 2, d: 0, q: 0}")
    values = values_of(one)
    model = models.ARIMA(p=2, d=0, q=0)
    model.fit(darts.TimeSeries.from_values(values[: POINTS - TEST - VALIDATION]))
    series = [darts.TimeSeries.from_values(values[:origin]) for origin in ORIGINS]
    expected = [model.predict(HORIZON, series=each).values()[:, 0] for each in series]
    np.testing.assert_allclose(forecasts(one)[0], expected, rtol=1e-9)


@needs_networks
def test_networks_of_darts_have_the_seed_of_the_replicate() -> None:
    sizes = "layer_widths: 8, num_blocks: 1, num_stacks: 1"
    model = f"{{kind: darts, model: darts.models.NBEATSModel, {sizes}}}"
    first, again = forecasts(cell(model)), forecasts(cell(model))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], first[1])
    count = run_cell(cell(model, seeds=1))["runs"]["parameters"][0].as_py()
    assert count > 8 * LENGTH


@needs_networks
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_darts_can_be_named(name: str) -> None:
    address = f"darts.models.{name}"
    assert parameters_of(address)["batch_size"] == 32
    assert not {"random_state", "n_epochs", "input_chunk_length"} & parameters_of(address).keys()


@needs_neuralforecast
@pytest.mark.filterwarnings("ignore")  # what the library warns of is not of this test
def test_neuralforecast_is_the_library_called_by_hand() -> None:
    module, models = pytest.importorskip("neuralforecast"), pytest.importorskip("neuralforecast.models")
    import pandas as pd

    one = cell("{kind: neuralforecast, model: neuralforecast.models.DLinear, moving_avg_window: 3}", seeds=1)
    values, end = values_of(one), POINTS - TEST - VALIDATION
    kind = MODELS["neuralforecast"]
    chosen = one.model.parsed(kind.parameters)
    adapter: Any = kind.build(chosen, Shape(LENGTH, HORIZON, 1))
    adapter.fit(values[:end, None], None, seed=4, budget=FitBudget(epochs=None, steps=5))
    quiet = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False}
    sizes = {"h": HORIZON, "input_size": LENGTH, "max_steps": 5, "random_seed": 4, "moving_avg_window": 3}
    core = module.NeuralForecast([models.DLinear(**sizes, **quiet, enable_checkpointing=False)], freq=1)
    core.fit(pd.DataFrame({"unique_id": 0, "ds": np.arange(end), "y": values[:end].astype(np.float32)}))
    for origin in ORIGINS[:3]:
        window = values[origin - LENGTH : origin].astype(np.float32)
        expected = core.predict(df=pd.DataFrame({"unique_id": 0, "ds": np.arange(LENGTH), "y": window}))["DLinear"]
        found = adapter.predict(values[:origin, None], np.array([origin]), HORIZON)
        np.testing.assert_allclose(found[0, :, 0], expected, rtol=1e-5, atol=1e-6)


@needs_neuralforecast
def test_neuralforecast_in_a_run_has_the_seed_of_the_replicate() -> None:
    model = "{kind: neuralforecast, model: neuralforecast.models.MLP, hidden_size: 8, num_layers: 1}"
    first = forecasts(cell(model))
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0], forecasts(cell(model))[0])


@needs_neuralforecast
def test_channels_are_series_of_one_network() -> None:
    kind = MODELS["neuralforecast"]
    adapter: Any = kind.build(kind.parameters(model="neuralforecast.models.NLinear"), Shape(LENGTH, HORIZON, 2))
    both = np.stack([np.sin(np.arange(120) / 3), np.cos(np.arange(120) / 5)], axis=1)
    adapter.fit(both[:80], None, seed=0, budget=FitBudget(epochs=None, steps=3))
    found = adapter.predict(both[:110], np.array([90, 100, 110]), HORIZON)
    assert found.shape == (3, HORIZON, 2)
    swapped = adapter.predict(both[:110, ::-1], np.array([90, 100, 110]), HORIZON)
    np.testing.assert_allclose(swapped[:, :, ::-1], found, rtol=1e-5, atol=1e-6)


WRONG_PARAMETERS = [
    ("{kind: darts, seasonal_period: 12}", "ExponentialSmoothing: unknown parameter 'seasonal_period'; did you mean"),
    ("{kind: darts, seasonal: multiplied}", "expected arguments that it takes, got ValueError: 'multiplied'"),
    ("{kind: neuralforecast, layers: 3}", "NHITS: unknown parameter 'layers'"),
    ("{kind: neuralforecast, pooling_mode: none}", "NHITS: expected arguments that it takes, got"),
]


@pytest.mark.parametrize(("model", "said"), WRONG_PARAMETERS, ids=[model for model, _ in WRONG_PARAMETERS])
def test_wrong_parameters_are_one_line(model: str, said: str) -> None:
    package = model.split()[1].strip(",")
    if not is_installed(package):
        pytest.skip(f"{package} is not installed: pip install {package}")
    with pytest.raises(bench.BenchError) as caught:
        cell(model)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
