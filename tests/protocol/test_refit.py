"""Refitting at each origin: against regressions and smoothing by hand, and against suites that begin there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.array_types import FloatArray
from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.errors import DataError
from bench.models import MODELS
from bench.protocol.origins import refits
from bench.protocol.prepare import load_data, outline, prepare
from bench.protocol.windows import Parts, Scaler, Windows, evaluation_windows
from bench.reporting.recomputed import differences
from bench.running.cell import run_cell
from bench.running.estimates import Estimator
from bench.store.schema import Status
from bench.suite.load import load
from bench.training.fit import refitted
from bench.training.members import Member

POINTS, VALIDATION, LENGTH, HORIZON, STRIDE = 400, 40, 5, 3, 7
ORIGINS = [380, 387, 394]


def cell(model: str, *, split: str = "test: 20, stride: 7, refit: true", more: str = "") -> Cell:
    text = f"name: o\ndatasets: [{{id: ar, kind: arma, ar: [0.8], length: {POINTS}, seed: 3}}]\nmodels: [{model}]\n"
    text += f"horizons: [{HORIZON}]\nsequence_lengths: [{LENGTH}]\nseeds: 2\ntuning: false\n{more}"
    text += f"split: {{validation: {VALIDATION}, {split}}}\n"
    (one,) = expand(load(Path("o.yaml"), datasets=DATASETS, models=MODELS, text=text))
    return one


def values_of(one: Cell) -> np.ndarray:
    series: np.ndarray = load_data(one).values[:, 0]  # type: ignore[union-attr]
    return series


def forecasts(one: Cell, *, seed: int = 0) -> dict[int, list[float]]:
    """The forecast from each origin, by the first point that is forecast."""
    rows = run_cell(one)
    assert {run["status"] for run in rows["runs"].to_pylist()} == {"ok"}, rows["runs"]["reason"]
    by_origin: dict[int, list[float]] = {}
    for row in rows["predictions"].to_pylist():
        if row["seed"] == seed:
            by_origin.setdefault(row["index"] - row["step"] + 1, []).append(row["prediction"])
    return by_origin


def scaled_as(kind: str) -> Callable[[FloatArray, slice], tuple[Scaler, FloatArray]]:
    def scaled(values: FloatArray, train: slice) -> tuple[Scaler, FloatArray]:
        fitted = Scaler.fit(kind, values[train])
        return fitted, fitted.transform(values)

    return scaled


def test_a_regression_is_that_of_numpy_at_each_origin() -> None:
    one = cell("{kind: linear-ar, alpha: 0}")
    values, expected = values_of(one), {}
    for origin in ORIGINS:
        firsts = range(LENGTH, origin - VALIDATION - HORIZON + 1)  # of train windows: none reaches validation
        x = np.array([[1.0, *values[first - LENGTH : first]] for first in firsts])
        y = np.array([values[first : first + HORIZON] for first in firsts])
        weights = np.linalg.lstsq(x, y, rcond=None)[0]
        expected[origin] = [1.0, *values[origin - LENGTH : origin]] @ weights
    found = forecasts(one)
    assert list(found) == ORIGINS
    for origin, by_hand in expected.items():
        np.testing.assert_allclose(found[origin], by_hand, atol=1e-6)
    fitted_once = forecasts(cell("{kind: linear-ar, alpha: 0}", split="test: 20, stride: 7"))
    assert np.abs(np.subtract(fitted_once[394], expected[394])).max() > 1e-4  # so that refitting is seen


def test_ets_is_that_of_statsmodels_at_each_origin() -> None:
    ets = pytest.importorskip("statsmodels.tsa.exponential_smoothing.ets")
    one = cell("{kind: ets, trend: none}")
    values, found = values_of(one), forecasts(one)
    for origin in ORIGINS:
        train = values[: origin - VALIDATION]
        low, size = train.min(), np.ptp(train)  # the suite's scaler, fitted again
        form = {"error": "add", "initialization_method": "estimated"}
        estimated = ets.ETSModel((train - low) / size, **form).fit(disp=False).params
        ahead = ets.ETSModel((values[:origin] - low) / size, **form).smooth(estimated).forecast(HORIZON)
        np.testing.assert_allclose(found[origin], ahead * size + low, atol=1e-6)


@pytest.mark.parametrize("model", ["linear-ar", "{kind: mlp, hidden_size: 4}", "{kind: ets, trend: none}", "drift"])
def test_each_origin_is_that_of_a_suite_whose_test_part_begins_there(model: str) -> None:
    more = "training: {epochs: 2, scaler: standard}\n"
    found = forecasts(cell(model, more=more), seed=1)
    for origin in ORIGINS:
        alone = cell(model, split=f"test: {POINTS - origin}, stride: 1", more=more)
        np.testing.assert_allclose(found[origin], forecasts(alone, seed=1)[origin], rtol=1e-9, atol=1e-12)


def test_log_returns_are_scaled_again_at_each_origin_and_summed_up_to_values(tmp_path: Path) -> None:
    prices = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(scale=0.02, size=80)))
    (tmp_path / "p.csv").write_text("price\n" + "\n".join(map(repr, prices.tolist())) + "\n")
    text = "name: o\ndatasets: [{id: p, kind: file, path: p.csv, column: price, transform: log-returns}]\nseeds: 1\n"
    text += "models: [{kind: linear-ar, alpha: 0}]\nhorizons: [2]\nsequence_lengths: [3]\ntuning: false\n"
    text += "split: {validation: 10, test: 10, stride: 4, refit: true}\n"
    (one,) = expand(load(tmp_path / "o.yaml", datasets=DATASETS, models=MODELS, text=text))
    changes, found = np.diff(np.log(prices), prepend=np.nan), forecasts(one)
    assert list(found) == [70, 74, 78]
    for origin, forecast in found.items():
        firsts = range(4, origin - 10 - 2 + 1)  # the first point has no change
        x = np.array([[1.0, *changes[first - 3 : first]] for first in firsts])
        weights = np.linalg.lstsq(x, np.array([changes[first : first + 2] for first in firsts]), rcond=None)[0]
        ahead = [1.0, *changes[origin - 3 : origin]] @ weights
        np.testing.assert_allclose(forecast, prices[origin - 1] * np.exp(np.cumsum(ahead)), rtol=1e-6)


def test_windows_end_to_end_are_refitted_too_and_the_last_is_shorter() -> None:
    one = cell("mean", split="test: 20, refit: true")
    values, found = values_of(one), forecasts(one)
    assert list(found) == [380, 383, 386, 389, 392, 395, 398]
    assert [len(each) for each in found.values()] == [3, 3, 3, 3, 3, 3, 2]
    for origin, forecast in found.items():
        end = origin - VALIDATION
        targets = [values[first : first + HORIZON] for first in range(LENGTH, end - HORIZON + 1)]
        np.testing.assert_allclose(forecast, np.mean(targets), rtol=1e-9)


def test_what_is_computed_again_agrees() -> None:
    rows = run_cell(cell("linear-ar"))
    assert differences({"x": rows["runs"]}, {"x": rows["predictions"]}) == ()


def test_a_fit_sees_nothing_from_its_origin_on() -> None:
    values = np.random.default_rng(0).normal(size=(60, 1))
    test, cut = Windows(values, range(50, 57, 3), 60, 4, 2), Parts(40, 50, 60)
    before = list(refits(values, test, cut, scaled=scaled_as("standard")))
    assert [each.origin for each in before] == [50, 53, 56]
    for each in before:
        after = values.copy()
        after[each.origin :] += 1000.0
        (same,) = (
            other for other in refits(after, test, cut, scaled=scaled_as("standard")) if other.origin == each.origin
        )
        data, window = each.data, slice(None)
        np.testing.assert_array_equal(same.data.train.inputs(window), data.train.inputs(window))
        np.testing.assert_array_equal(same.data.train.targets(window), data.train.targets(window))
        assert data.validation is not None
        assert same.data.validation is not None
        np.testing.assert_array_equal(same.data.validation.truth(), data.validation.truth())
        np.testing.assert_array_equal(same.test.inputs(window), each.test.inputs(window))
        train, before_it = values[: each.origin - 10], values[each.origin - 10 : each.origin]
        np.testing.assert_allclose(each.scaler.inverse(data.validation.truth()), before_it)
        np.testing.assert_allclose([each.scaler.offset, each.scaler.scale], [train.mean(axis=0), train.std(axis=0)])
        assert len(each.test.values) == each.origin + 2  # nothing after its targets is at hand


def test_gaps_that_leave_no_validation_are_said() -> None:
    values = np.arange(60.0)[:, None]
    test, cut = evaluation_windows(values, slice(50, 60), 4, 2), Parts(45, 50, 60)
    with pytest.raises(DataError, match="in the 5 points before point 52, which choose there, got none"):
        list(refits(values, test, cut, scaled=scaled_as("none"), breaks=[47, 50]))


def test_the_first_member_that_diverges_is_said_with_its_origin() -> None:
    one = cell("{kind: mlp, hidden_size: 4}", more="training: {epochs: 2, learning_rate: 1.0e+30, clip_norm: null}\n")
    rows = run_cell(one)["runs"].to_pylist()
    assert {row["status"] for row in rows} == {Status.DIVERGED.value}
    assert all(row["reason"].startswith("before point 380: diverged by step") for row in rows)


def test_time_is_that_of_all_fits_and_curves_are_of_the_first() -> None:
    one = cell("{kind: mlp, hidden_size: 4}", more="training: {epochs: 2}\n")
    prepared, kind = prepare(one, load_data(one)), MODELS["mlp"]
    members = [Member(one.model.parsed(kind.parameters), one.training, 0, ("replicate", 0))]
    each = [refitted(kind, members, [origin], prepared.scaler) for origin in prepared.refits(one)]
    joined = refitted(kind, members, prepared.refits(one), prepared.scaler)
    assert joined.fits[0].train_losses == each[0].fits[0].train_losses != each[1].fits[0].train_losses
    assert joined.fits[0].epochs == 2
    assert joined.predict(prepared.test).shape == (1, 9, 1)
    assert outline(one, load_data(one)).fits == 3


def test_an_estimate_counts_every_fit() -> None:
    network, closed = cell("{kind: mlp, hidden_size: 4}"), cell("mean")
    for one in (network, closed):
        once, often = (Estimator().seconds(one, 300, fits=fits) for fits in (1, 101))
        assert 50 * once < often <= 101 * once
    observed = Estimator()
    observed.observe(network, 300, 10 * Estimator().seconds(network, 300, fits=7), fits=7)
    assert observed.seconds(network, 300, fits=3) == pytest.approx(10 * Estimator().seconds(network, 300, fits=3))


def test_it_is_part_of_a_cell_only_where_it_is_stated() -> None:
    plain, stated, refit = (cell("mean", split=f"test: 20{more}") for more in ("", ", refit: false", ", refit: true"))
    assert plain.id == stated.id != refit.id
    assert "refit" not in plain.spec


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datasets: [adding]\nmodels: [mean]", "split: refit: expected a series, .* got adding; leave refit out"),
        ("datasets: [sine]\nmodels: [mean]\nas_published: {windows: minus-one}",
         "split: refit: expected the protocol, .*; leave refit out"),
        ("systems: [{id: T1, title: t, datasets: [sine], models: [rnn], published: {test_rmse: 0.1}}]",
         "expected each test point once, as cards show it, of one fit, got stride, origins or refit; leave them out"),
    ],
)  # fmt: skip
def test_what_has_no_origins_is_not_refitted(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text(f"name: o\n{text}\nsplit: {{refit: true}}\n")
    with pytest.raises(bench.BenchError, match=said):
        bench.load(tmp_path / "o.yaml")


def test_a_run_that_is_out_of_time_says_after_how_many_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    one = cell("mean")
    prepared, kind = prepare(one, load_data(one)), MODELS["mean"]
    member = Member(one.model.parsed(kind.parameters), one.training, 0, ("replicate", 0))
    clock: Any = iter(range(1000))
    monkeypatch.setattr("bench.training.fit.work_s", lambda: float(next(clock)))
    with pytest.raises(bench.BenchError, match="time limit passed after 2 fits of each replicate"):
        refitted(kind, [member], prepared.refits(one), prepared.scaler, deadline=9.5)
