"""Forecasters in a run: what they are given, what they are refused for, and that they never see what they forecast."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.canary.base import CheckVerdict
from bench.canary.causality import check_causality
from bench.canary.pieces import CheckBudget, Pieces
from bench.cells import Cell
from bench.data import DATASETS
from bench.data.base import Series
from bench.errors import InputError
from bench.models import MODELS, model_kinds
from bench.models.base import Shape
from bench.models.forecaster import FitBudget, forecasts
from bench.models.from_source import allowing_plug_ins, kind_at
from bench.models.own_forecaster import forecaster_kind, is_forecaster_class
from bench.models.parameters import NoParameters
from bench.protocol.prepare import load_data
from bench.registry import added
from bench.running import cell as cell_module
from bench.running.cell import run_cell
from bench.running.rows import classified
from bench.spec import Entry, Split, Training
from bench.suite.load import load

BROKEN = Path(__file__).parents[1] / "conformance" / "broken_forecasters.py"


def kind_of(name: str) -> Any:
    with allowing_plug_ins():
        return kind_at(f"{BROKEN}:{name}")


def cell_of(kind: str, *, dataset: str = "noisy-sine", horizon: int = 1, seeds: int = 2, **given: Any) -> Cell:
    return Cell(
        suite="t",
        dataset=Entry.of(dataset, dataset, DATASETS[dataset].parameters()),
        model=Entry.of(kind, kind, given.pop("parameters", NoParameters())),
        sequence_length=8,
        horizon=horizon,
        seeds=seeds,
        seed=0,
        split=Split(validation=100, test=200),
        **{"training": Training(), "tuning": None, **given},
    )


def rows_with(forecaster: type, cell: Cell) -> Any:
    with added(
        {"bench.models": {cell.model.kind: dataclasses.replace(forecaster_kind("mine", forecaster, ""), refusals=())}}
    ):
        return run_cell(cell)


class Recorder:
    """The last value, in whatever it is given."""

    stochastic = True
    calls: list[tuple[str, Any]]

    def fit(self, history, validation, *, seed, budget):
        self.calls.append(("fit", (history.copy(), validation.copy(), seed, budget)))
        history[:], validation[:] = 0, 0  # its own copies: nobody else sees this

    def predict(self, history, origins, horizon):
        self.calls.append(("predict", (history.copy(), origins.copy(), horizon)))
        last = np.repeat(history[origins - 1][:, None], horizon, axis=1)
        history[:], origins[:] = 0, 0
        return last


@pytest.mark.parametrize("horizon", [1, 7])
def test_what_a_forecaster_is_given_and_how_it_is_scored(horizon: int) -> None:
    """The fit sees train and validation alone; each forecast all true values before it; scores are persistence's."""
    Recorder.calls = []
    cell = cell_of("recorder", horizon=horizon, training=Training(epochs=7, scaler="none"), time_limit_s=1000)
    rows = rows_with(Recorder, cell)["runs"].to_pylist()
    series = DATASETS["noisy-sine"].load(DATASETS["noisy-sine"].parameters(), 0).values
    fits = [call for what, call in Recorder.calls if what == "fit"]
    assert len(fits) == 2
    assert fits[0][2] != fits[1][2]  # seeds of their own
    for history, validation, _, budget in fits:
        np.testing.assert_array_equal(history, series[:700])
        np.testing.assert_array_equal(validation, series[700:800])
        assert (budget.epochs, budget.steps) == (7, None)
        assert 900 < budget.seconds <= 1000
    predicted = [call for what, call in Recorder.calls if what == "predict"]
    assert len(predicted) == 5  # of validation and test for each seed, and once with another future
    for begin, end in ((700, 800), (800, 1000)):
        wanted = np.arange(begin, end, horizon)
        given = [
            history for history, origins, steps in predicted if (origins.tolist(), steps) == (wanted.tolist(), horizon)
        ]
        assert len(given) == (2 if begin == 700 else 3)
        for history in given[:2]:
            np.testing.assert_array_equal(history, series[: wanted[-1]])
    reference = run_cell(cell_of("persistence", horizon=horizon, training=Training(scaler="none")))["runs"].to_pylist()
    assert [row["status"] for row in rows] == ["ok", "ok"]
    for name in ("mse", "mae", "test_points", "validation_mse_scaled", "directional_accuracy"):
        assert rows[0][name] == reference[0][name], name
    assert rows[0]["bank"] == "from history"


@pytest.mark.parametrize("kind", ["ets", "theta", "auto-arima"])
def test_a_registered_forecaster_runs_as_a_cell(kind: str) -> None:
    pytest.importorskip("statsmodels")
    rows = run_cell(cell_of(kind, horizon=3, parameters=MODELS[kind].parameters()))["runs"].to_pylist()
    assert [(row["status"], row["reason"], row["deterministic"]) for row in rows] == [("ok", None, True)] * 2
    assert rows[0]["parameters"] >= 2
    assert 0.95 * rows[0]["noise_floor_mse"] < rows[0]["mse"] < 1  # of 200 points, some forecast may be lucky


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("FailsShapes", "FailsShapes: shapes: expected forecasts [34, 3, 1] of 34 origins, got [34, 1] of float64"),
        (
            "FailsNumbersAlways",
            "FailsNumbersAlways: numbers: expected finite forecasts, got NaN or infinity from the origin 7",
        ),
        (
            "FailsCausality",
            "FailsCausality: causality: other values from point 899 on change its forecast from point 899",
        ),
        ("FailsByTheMeanOfAll", "FailsByTheMeanOfAll: causality: other values from point 899 on change its forecast"),
        ("FailsByMemory", "FailsByMemory: causality: other values from point 899 on change its forecast from point 8"),
        ("Raises", "no fit today"),
    ],
)
def test_what_fails_in_a_run_is_a_row_with_its_name_and_check(name: str, said: str) -> None:
    kind = dataclasses.replace(kind_of(name), refusals=())
    with added({"bench.models": {"mine": kind}}):
        rows = run_cell(cell_of("mine", horizon=3))["runs"].to_pylist()
    for row in rows:
        assert row["status"] == ("diverged" if "numbers" in said else "failed")
        assert said in row["reason"]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("Sound", CheckVerdict.QUIET),
        ("Draws", CheckVerdict.QUIET),
        ("FailsCausality", CheckVerdict.ALARM),
        ("FailsByTheMeanOfAll", CheckVerdict.ALARM),
    ],
)
def test_the_canary_hears_of_a_peek_in_a_forecaster(name: str, verdict: CheckVerdict) -> None:
    with added({"bench.models": {"mine": dataclasses.replace(kind_of(name), refusals=())}}):
        cell = cell_of("mine", horizon=3)
        assert check_causality(Pieces(cell, lambda: load_data(cell), CheckBudget(epochs=1))).verdict is verdict


def test_a_series_with_gaps_has_no_whole_history(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_a_gap(cell: Cell, replicate: int = 0) -> Any:
        series = load_data(cell, replicate)
        assert isinstance(series, Series)
        return dataclasses.replace(series, breaks=(400,))

    monkeypatch.setattr(cell_module, "load_data", with_a_gap)
    rows = rows_with(Recorder, cell_of("recorder"))["runs"].to_pylist()
    assert {row["status"] for row in rows} == {"invalid_data"}
    assert rows[0]["reason"].startswith(
        "recorder: expected a series without gaps, whose whole history a forecaster reads"
    )
    assert {row["status"] for row in run_cell(cell_of("persistence"))["runs"].to_pylist()} == {"ok"}


def test_one_origin_has_nothing_to_peek_at() -> None:
    Recorder.calls = []
    rows = rows_with(Recorder, dataclasses.replace(cell_of("recorder", horizon=5), split=Split(validation=5, test=5)))
    assert {row["status"] for row in rows["runs"].to_pylist()} == {"ok"}
    histories = [call[0] for what, call in Recorder.calls if what == "predict"]
    assert {len(history) for history in histories} == {990, 995}


SUITE = """
name: own
datasets: [noisy-sine]
models: [persistence, {id: mine, kind: ./broken_forecasters.py:%s}]
sequence_lengths: [8]
horizons: [%s]
seeds: 2
tuning: false
"""


def suite_of(folder: Path, name: str, horizons: str = "1", *, datasets: str = "[noisy-sine]") -> Path:
    (folder / "broken_forecasters.py").write_text(BROKEN.read_text())
    path = folder / "own.yaml"
    path.write_text((SUITE % (name, horizons)).replace("[noisy-sine]", datasets))
    return path


def loaded(path: Path) -> Any:
    with allowing_plug_ins():
        return load(path, datasets=DATASETS, models=model_kinds())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("FailsShapes", "FailsShapes: shapes: expected forecasts"),
        ("FailsNumbersAlways", "FailsNumbersAlways: numbers: expected finite forecasts"),
        ("FailsCausality", "FailsCausality: causality: other values from point"),
        ("Raises", "Raises: it cannot be fitted and called: ValueError: no fit today"),
        ("SaysTooMuch", "several_channels: expected True or False, got 'yes'"),
        ("OfAnotherKind", "expected a torch.nn.Module class, or one with fit(history, validation, *, seed, budget)"),
    ],
)
def test_what_cannot_be_a_forecaster_is_refused_before_anything_runs(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(suite_of(tmp_path, name))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "horizons", "datasets", "said"),
    [
        ("OneChannel", "1, 5", "[noisy-sine]", "expected a horizon among those that it states, range(1, 3), got 5"),
        (
            "OneChannel",
            "1",
            "[{id: one, kind: adding, length: 8}]",
            "expected one series, whose history a forecaster reads",
        ),
        ("OneChannel", "1", "[{id: one, kind: parity, length: 8}]", "asks to classify, and"),
    ],
)
def test_what_it_cannot_do_is_said_with_a_way_out(
    tmp_path: Path, name: str, horizons: str, datasets: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        loaded(suite_of(tmp_path, name, horizons, datasets=datasets))
    assert said in str(caught.value)
    assert "exclude" in str(caught.value)


def test_several_channels_are_for_those_that_state_it() -> None:
    two = Shape(8, 1, 2)
    kind_of("Sound").check(kind_of("Sound").parameters(), two)
    with pytest.raises(InputError, match="expected a series of one channel, as it states no several_channels, got 2"):
        kind_of("OneChannel").check(kind_of("OneChannel").parameters(), two)


def test_a_file_is_run_with_the_flag_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--allow-plugin"):
        load(suite_of(tmp_path, "Draws"), datasets=DATASETS, models=model_kinds())


@pytest.mark.parametrize("by", ["address", "class"])
def test_from_python_a_class_or_its_address_is_a_model_that_draws_by_seed(tmp_path: Path, by: str) -> None:
    path = suite_of(tmp_path, "Draws")
    path.write_text(path.read_text().replace("./broken_forecasters.py:Draws", "Draws"))
    given = f"{tmp_path / 'broken_forecasters.py'}:Draws" if by == "address" else Seeded
    results = bench.run(path, results=tmp_path / "results", models={"Draws": given}, jobs=1)
    runs = results.runs.query("model == 'mine'")
    assert set(runs.status) == {"ok"}
    assert runs.rmse.nunique() == 2
    assert not runs.deterministic.any()


class Seeded:
    """The last value and a random number, which its seed decides."""

    def fit(self, history, validation, *, seed, budget):
        self.shift = np.random.default_rng(seed).normal()

    def predict(self, history, origins, horizon):
        return np.repeat(history[origins - 1][:, None], horizon, axis=1) + self.shift


def test_of_more_than_a_window_the_linear_floor_is_none() -> None:
    Recorder.calls = []
    assert run_cell(cell_of("persistence", dataset="arma"))["runs"]["linear_floor_mse"].null_count == 0
    assert rows_with(Recorder, cell_of("recorder", dataset="arma"))["runs"]["linear_floor_mse"].null_count == 2


def test_a_class_is_a_forecaster_by_its_methods() -> None:
    from sklearn.linear_model import Ridge

    assert is_forecaster_class(Recorder)
    assert not is_forecaster_class(Ridge)
    assert not is_forecaster_class(Recorder())
    assert not is_forecaster_class(FitBudget)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [(np.full((2, 1, 1), np.nan), "diverged"), (np.ma.masked_array(np.ones((2, 1, 1)), [[[0]], [[1]]]), "failed")],
)
def test_forecasts_that_are_no_numbers_are_not_taken_for_some(numbers: Any, status: str) -> None:
    class Odd:
        def predict(self, *_: Any) -> Any:
            return numbers

    with pytest.raises(InputError) as caught:
        forecasts(Odd(), np.ones((9, 1)), np.array([5, 6]), 1)  # type: ignore[arg-type]
    assert classified(caught.value)[0] == status
