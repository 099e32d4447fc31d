"""Regressors of scikit-learn on lags: predictions of scikit-learn fitted by hand, counts, and what is refused."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.tree import DecisionTreeRegressor

import bench
from bench import seeds
from bench.cells import expand
from bench.errors import SuiteError
from bench.models import MODELS
from bench.models.base import Shape, search_ranges
from bench.models.estimators import EstimatorParameters, LagEstimator, fitted_numbers, parameters_of
from bench.running.cell import run_cell
from bench.tuning.candidates import space

LENGTH, HORIZON, POINTS = 5, 3, 160
RNG = np.random.default_rng(2)
SERIES = np.sin(np.arange(POINTS) / 3) + RNG.normal(scale=0.1, size=POINTS)


def lags(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """By hand: the `LENGTH` values before each place, and the `HORIZON` from it on."""
    places = range(first, last - HORIZON + 1)
    x = np.array([SERIES[place - LENGTH : place] for place in places])
    return x, np.array([SERIES[place : place + HORIZON] for place in places])


TRAIN, TEST = lags(LENGTH, 120), lags(120, POINTS)


def fitted(estimator: Any, strategy: str) -> LagEstimator:
    model = LagEstimator(estimator, Shape(LENGTH, HORIZON, 1), strategy)  # type: ignore[arg-type]
    x, y = TRAIN
    halves = [(x[:50, :, None], y[:50, :, None]), (x[50:, :, None], y[50:, :, None])]
    model.seed(7) if hasattr(estimator, "random_state") else None
    model.fit(lambda: iter(halves))
    return model


def predicted(model: LagEstimator) -> np.ndarray:
    found = model.predict(TEST[0][:, :, None].astype(np.float32))
    assert found.shape == (len(TEST[0]), HORIZON, 1)
    return found[..., 0]


def test_direct_is_one_fit_by_hand_for_each_step():
    expected = np.stack([Ridge(0.1).fit(TRAIN[0], TRAIN[1][:, h]).predict(TEST[0]) for h in range(HORIZON)], axis=1)
    np.testing.assert_allclose(predicted(fitted(Ridge(0.1), "direct")), expected, rtol=1e-5, atol=1e-6)


def test_recursive_feeds_the_next_step_back():
    one = LinearRegression().fit(TRAIN[0], TRAIN[1][:, 0])
    expected = np.zeros((len(TEST[0]), HORIZON))
    for row, window in enumerate(TEST[0]):
        known = list(window)
        for h in range(HORIZON):
            known.append(float(one.predict([known[-LENGTH:]])[0]))
            expected[row, h] = known[-1]
    np.testing.assert_allclose(predicted(fitted(LinearRegression(), "recursive")), expected, rtol=1e-5, atol=1e-6)


def test_multioutput_is_one_fit_of_all_steps_with_the_seed_of_the_replicate():
    expected = RandomForestRegressor(4, random_state=7).fit(*TRAIN).predict(TEST[0].astype(np.float32))
    found = predicted(fitted(RandomForestRegressor(4), "multioutput"))
    np.testing.assert_array_equal(found, expected)


def test_two_channels_are_two_recursions_over_both():
    x = RNG.normal(size=(60, 4, 2))
    y = np.stack([x[:, -1] @ [[0.5, 0.1], [0.2, -0.3]], np.zeros((60, 2))], axis=1)  # one step is linear
    model = LagEstimator(LinearRegression(), Shape(4, 2, 2), "recursive")
    model.fit(lambda: iter([(x, y)]))
    step = np.array([[0.5, 0.1], [0.2, -0.3]])
    np.testing.assert_allclose(model.predict(x)[:, 1], x[:, -1] @ step @ step, atol=1e-9)


def suite(**entry: Any) -> dict[str, Any]:
    return {
        "name": "forests",
        "datasets": [{"id": "wave", "kind": "noisy-sine", "length": POINTS}],
        "models": [{"id": "mine", "kind": "sklearn", **entry}],
        "sequence_lengths": [LENGTH],
        "horizons": [HORIZON],
        "seeds": 2,
        "split": {"validation": 20, "test": 40},
        "training": {"scaler": "none"},
        "tuning": False,
    }


def rows_of(**changes: Any) -> Any:
    (cell,) = expand(bench.load({**suite(), **changes}))
    return run_cell(cell)


def test_the_rows_of_a_forest_are_those_of_scikit_learn_by_hand():
    """All of a run: series, split, windows, seeds and predictions, against a forest on hand-made lags."""
    forest = {"id": "mine", "kind": "sklearn", "n_estimators": 3, "max_depth": 4}
    rows = rows_of(models=[forest])
    from bench.data import DATASETS

    kind = DATASETS["noisy-sine"]
    series = kind.load(kind.parameters(length=POINTS), 0).values[:, 0].astype(np.float32).astype(np.float64)
    places = range(LENGTH, 100 - HORIZON + 1)
    x = np.array([series[place - LENGTH : place] for place in places])
    y = np.array([series[place : place + HORIZON] for place in places])
    runs = rows["runs"].to_pylist()
    assert [run["status"] for run in runs] == ["ok", "ok"], runs[0]["reason"]
    predictions = rows["predictions"].to_pandas()
    for replicate, run in enumerate(runs):
        seed = seeds.integer(0, "initialisation", "replicate", replicate) % 2**32
        steps = [RandomForestRegressor(3, max_depth=4, random_state=seed).fit(x, y[:, h]) for h in range(HORIZON)]
        mine = predictions[predictions.seed == replicate].sort_values("index")
        origin = int(mine["index"].iloc[0])
        window = series[origin - LENGTH : origin][None]
        expected = [float(step.predict(window)[0]) for step in steps]
        np.testing.assert_allclose(mine["prediction"].iloc[:HORIZON], expected, rtol=1e-5, atol=1e-6)
        assert run["parameters"] == sum(tree.tree_.node_count for step in steps for tree in step.estimators_)
    assert {run["bank"] for run in runs} == {"estimator"}
    assert {run["deterministic"] for run in runs} == {False}
    assert runs[0]["rmse"] != runs[1]["rmse"]


def test_an_estimator_without_a_seed_is_fitted_once_for_all_replicates():
    runs = rows_of(models=[{"kind": "sklearn", "estimator": "sklearn.linear_model.LinearRegression"}])[
        "runs"
    ].to_pylist()
    assert [(run["deterministic"], run["parameters"]) for run in runs] == 2 * [(True, HORIZON * (LENGTH + 1))]
    assert not MODELS["sklearn"].draws(EstimatorParameters(estimator="sklearn.neighbors.KNeighborsRegressor"))
    assert MODELS["sklearn"].draws(EstimatorParameters())


@pytest.mark.parametrize(
    ("estimator", "numbers"),
    [
        (DecisionTreeRegressor(max_depth=1), 3),
        (RandomForestRegressor(5, max_depth=1, bootstrap=False), 15),
        (GradientBoostingRegressor(n_estimators=4, max_depth=1), 12),
        (HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=2), 6),
        (Ridge(), LENGTH + 1),
        (MLPRegressor(hidden_layer_sizes=(3,), max_iter=1000, tol=1e-3), LENGTH * 3 + 3 + 3 + 1),
        (KNeighborsRegressor(), None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_fitted_numbers_are_counted_where_they_are_known(estimator, numbers):
    assert fitted_numbers(estimator.fit(TRAIN[0], TRAIN[1][:, 0])) == numbers


WRONG = [
    ({"estimator": "os.system"}, "expected a regressor of sklearn, lightgbm, xgboost, catboost"),
    ({"estimator": "Ridge"}, "expected a regressor of sklearn"),
    ({"estimator": "sklearn.linear_model.Rigde"}, "expected a regressor that can be made without arguments"),
    ({"estimator": "sklearn.linear_model.LogisticRegression"}, "expected a regressor that can be made"),
    ({"estimator": "sklearn.multioutput.MultiOutputRegressor"}, "expected a regressor that can be made"),
    ({"estimator": "sklearn.nothing.Ridge"}, "No module named 'sklearn.nothing'"),
    ({"n_estimatorz": 3}, "unknown parameter 'n_estimatorz'; did you mean 'n_estimators'?"),
    ({"random_state": 3}, "expected no random_state, as each replicate has its own, from the suite's seed"),
    ({"n_jobs": 2}, "expected no n_jobs, as it stays 1"),
    ({"n_estimators": -5}, "n_estimators: The 'n_estimators' parameter of RandomForestRegressor must be an int"),
    ({"strategy": "rekursive"}, "strategy: expected 'direct', 'recursive' or 'multioutput', got 'rekursive'"),
    (
        {"estimator": "sklearn.svm.SVR", "strategy": "multioutput"},
        "direct or recursive, since SVR predicts one",
    ),
]


@pytest.mark.parametrize(("entry", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_with_an_entry_is_one_line(entry, said):
    with pytest.raises(bench.BenchError) as caught:
        bench.load(suite(**entry))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_place_of_a_wrong_parameter_is_in_the_file(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("name: a\ndatasets: [sine]\nmodels:\n  - kind: sklearn\n    max_dept: 3\n")
    with pytest.raises(SuiteError) as caught:
        bench.load(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (5, 15)
    assert "did you mean 'max_depth'?" in problem.message


@pytest.mark.parametrize("package", ["lightgbm", "xgboost", "catboost"])
def test_a_package_that_is_not_installed_costs_its_own_cells_alone(package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    content = suite(estimator=f"{package}.Regressor", some_size=5, search={"some_size": [5, 6]})
    content |= {"tuning": {"trials": 2}, "models": [*content["models"], "persistence"]}
    results = bench.run(content, results=tmp_path, jobs=1)
    runs = results.runs.groupby("model")[["status", "reason"]].agg(set)
    assert runs.loc["persistence", "status"] == {"ok"}
    assert runs.loc["mine", "status"] == {"unavailable"}
    assert runs.loc["mine", "reason"] == {f"{package} is not installed; pip install {package}"}
    (cell,) = expand(bench.load({**content, "models": content["models"][:1]}))
    assert {run["status"] for run in run_cell(cell)["runs"].to_pylist()} == {"unavailable"}


@pytest.mark.parametrize(
    ("package", "name", "size"),
    [
        ("lightgbm", "LGBMRegressor", "n_estimators"),
        ("xgboost", "XGBRegressor", "n_estimators"),
        ("catboost", "CatBoostRegressor", "iterations"),
    ],
)
def test_boosters_of_other_packages_come_through_the_same_door(package, name, size, capfd):
    module = pytest.importorskip(package)
    address = f"{package}.{name}"
    with pytest.raises(bench.BenchError, match=f"{name}: unknown parameter 'learning_rates'; did you mean"):
        bench.load(suite(estimator=address, learning_rates=0.1))
    (cell,) = expand(bench.load(suite(estimator=address, learning_rate=0.2, **{size: 5})))
    capfd.readouterr()
    runs = run_cell(cell)["runs"].to_pylist()
    assert capfd.readouterr().out == ""
    assert {run["status"] for run in runs} == {"ok"}, runs[0]["reason"]
    made = EstimatorParameters(estimator=address, **{size: 5}).made()  # type: ignore[arg-type]
    assert isinstance(made, getattr(module, name))
    threads = made.get_params().get("n_jobs", made.get_params().get("thread_count"))
    assert threads == 1


def test_no_parameter_that_touches_files_threads_or_seeds_is_open():
    known = parameters_of("sklearn.ensemble.RandomForestRegressor")
    assert {"n_estimators", "max_depth"} <= known.keys()
    assert not {"random_state", "n_jobs", "verbose"} & known.keys()


def tuned(search: dict[str, Any], **entry: Any) -> dict[str, Any]:
    return {**suite(search=search, **entry), "tuning": {"trials": 3, "batch": 3, "sampler": "random"}}


def test_a_suite_states_the_search_space_of_an_entry():
    search = {"max_depth": [2, 3, None], "max_features": {"low": 0.2, "high": 1.0, "log": True}}
    content = tuned(search, n_estimators=2)
    (cell,) = expand(bench.load(content))
    assert space(MODELS["sklearn"], cell) == search_ranges(search)
    rows = run_cell(cell)
    assert {run["status"] for run in rows["runs"].to_pylist()} == {"ok"}
    trials = [json.loads(trial["parameters"]) for trial in rows["trials"].to_pylist()]
    assert trials[0] == {"max_depth": None, "max_features": 1.0}  # scikit-learn's own defaults come first
    assert len(trials) == 3
    assert all(trial["max_depth"] in (2, 3, None) and 0.2 <= trial["max_features"] <= 1 for trial in trials)


def test_learning_rate_is_the_booster_s_own():
    content = tuned(
        {"learning_rate": [0.05, 0.2]}, estimator="sklearn.ensemble.GradientBoostingRegressor", n_estimators=2
    )
    (cell,) = expand(bench.load(content))
    rows = run_cell(cell)
    (hyperparameters,) = {run["hyperparameters"] for run in rows["runs"].to_pylist()}
    chosen = json.loads(hyperparameters)["learning_rate"]
    assert chosen in (0.05, 0.1, 0.2)  # 0.1 is the booster's default, and 0.001 that of Adam


def test_the_space_is_part_of_a_tuned_cell_and_of_no_other():
    def identity(content: dict[str, Any]) -> str:
        (cell,) = expand(bench.load(content))
        return cell.id

    plain, wide = tuned({"max_depth": [2, 3]}), tuned({"max_depth": [2, 3, 4]})
    assert len({identity(plain), identity(wide), identity({**plain, "models": suite()["models"]})}) == 3
    known = bench.load(plain)
    assert bench.load(known) == known


SEARCHES = [
    ({"max_dept": [1]}, "search: unknown parameter 'max_dept'; did you mean 'max_depth'?"),
    ({"max_depth": []}, "max_depth: expected"),
    ({"max_depth": {"low": 3, "high": 3}}, "expected low < high, got 3 and 3"),
    ({"max_features": {"low": 0.0, "high": 1.0, "log": True}}, "expected low > 0 on a log scale"),
    ({"n_estimators": [10, -1]}, "must be an int in the range"),
    ({"epochs": [1, 2]}, "unknown parameter 'epochs'"),
]


@pytest.mark.parametrize(("search", "said"), SEARCHES, ids=[said for _, said in SEARCHES])
def test_what_is_wrong_with_a_search_space_is_one_line(search, said):
    with pytest.raises(bench.BenchError) as caught:
        bench.load(tuned(search))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_search_space_without_tuning_is_refused():
    with pytest.raises(bench.BenchError, match="expected a suite that tunes it, since it states a search space"):
        bench.load(suite(search={"max_depth": [1, 2]}))


def test_any_model_may_have_a_search_space():
    content = {**tuned({}), "models": [{"kind": "gru", "search": {"hidden_size": [4, 8], "learning_rate": [0.01]}}]}
    (cell,) = expand(bench.load(content))
    found = space(MODELS["gru"], cell)
    assert found["hidden_size"].options == (4, 8, 32)  # with the cell's own
    assert set(found) == {"hidden_size", "learning_rate"}
