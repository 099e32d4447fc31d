"""The Python API: what it offers, what it imports, and what its numbers are held against."""

from __future__ import annotations

import ast
import hashlib
import html
import inspect
import json
import linecache
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bench
from bench.api.objects import model_kind
from bench.data import dataset_kinds
from bench.data.base import Parameters as DatasetParameters, Provenance, Series, values_sha256
from bench.models import MODELS, model_kinds

nn = pytest.importorskip("torch").nn

ROOT = Path(__file__).parents[1]
NAMES = [
    *("BenchError", "DatasetKind", "ModelKind", "Results", "Suite"),
    *("compare", "judge", "load", "read", "report", "run"),
]
POINTS, LENGTH, TEST, VALIDATION = 200, 4, 40, 20


class Net(nn.Module):
    """Named by its constructor: facts of the data, and a size of its own."""

    def __init__(self, sequence_length: int, horizon: int, channels: int, hidden_size: int = 3) -> None:
        super().__init__()
        self.hidden = nn.Linear(sequence_length * channels, hidden_size)
        self.head = nn.Linear(hidden_size, horizon * channels)
        self.steps = horizon, channels

    def forward(self, x: Any) -> Any:
        return self.head(self.hidden(x.flatten(1)).tanh()).unflatten(-1, self.steps)


class Copy(nn.Module):
    """Persistence, as long as its one weight stays at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(__import__("torch").ones(1))

    def forward(self, x: Any) -> Any:
        return x[:, -1:] * self.weight


class Flat(nn.Module):
    """Forgets the steps of its output."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1)

    def forward(self, x: Any) -> Any:
        return self.head(x[:, -1])


class WithRoom(nn.Module):
    def __init__(self, room: Any) -> None:
        super().__init__()


class Nothing(DatasetParameters):
    pass


def load_steps(parameters: Nothing, seed: int) -> Series:
    values = np.arange(80.0)[:, None] ** 1.5
    return Series(values, Provenance("steps", values_sha256(values)))


class MeanOfWindow:
    """An estimator with no more than it needs."""

    def fit(self, x: Any, y: Any) -> None:
        self.offset = float(np.mean(y - x.mean(axis=1)))

    def predict(self, x: Any) -> Any:
        return x.mean(axis=1) + self.offset


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    load = 50 + 8 * np.sin(np.arange(POINTS) / 4) + np.cumsum(rng.normal(size=POINTS))
    index = pd.date_range("2024-01-01", periods=POINTS, freq="h")
    return pd.DataFrame({"load": load, "station": "north"}, index=index)


def suite(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "datasets": [{"id": "wave", "kind": "sine", "length": 90}],
        "models": ["persistence", "net", {"id": "narrow", "kind": "net", "hidden_size": 2}],
        "sequence_lengths": [LENGTH],
        "seeds": 2,
        "tuning": False,
        "training": {"epochs": 1, "learning_rate": 1e-12, "early_stopping": False},
        **changes,
    }


def objects(frame: pd.DataFrame) -> dict[str, Any]:
    models = {"net": Net, "copy": Copy, "ols": LinearRegression(), "forest": RandomForestRegressor(4), "ridge": Ridge()}
    return {"datasets": {"north": frame}, "models": models}


@pytest.fixture(scope="session")
def results(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> bench.Results:
    return bench.run(suite(), results=tmp_path_factory.mktemp("results") / "mine", **objects(frame))


def rmse(results: bench.Results, model: str, dataset: str = "north") -> pd.Series:
    runs = results.runs
    return runs[(runs.model == model) & (runs.dataset == dataset)].sort_values("seed").rmse


def prediction(results: bench.Results, model: str) -> np.ndarray:
    rows = results.predictions
    return rows[(rows.model == model) & (rows.dataset == "north") & (rows.seed == 0)].sort_values("index").prediction


def lags(values: np.ndarray, targets: range) -> np.ndarray:
    return np.array([values[place - LENGTH : place] for place in targets])


def test_the_names_are_these_and_every_one_is_there_in_both_the_module_and_its_types():
    assert sorted(bench.__all__) == NAMES
    assert set(NAMES) <= set(dir(bench))
    stub = ast.parse((ROOT / "bench" / "__init__.pyi").read_text())
    (listed,) = (node.value for node in stub.body if isinstance(node, ast.Assign))
    imported = [alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(ast.literal_eval(listed)) == sorted(imported) == NAMES
    for node in (node for node in stub.body if isinstance(node, ast.ImportFrom)):
        for name in node.names:
            home = __import__(node.module, fromlist=[name.name])
            assert getattr(bench, name.name) is getattr(home, name.name)
    with pytest.raises(AttributeError, match="no attribute 'jugde'"):
        _ = bench.jugde
    assert (ROOT / "bench" / "py.typed").is_file()


def test_every_name_has_a_docstring_and_few_parameters():
    for name in NAMES:
        assert getattr(bench, name).__doc__
    for name in ("load", "run", "read", "report", "compare", "judge"):
        assert len(inspect.signature(getattr(bench, name)).parameters) <= 7


def python(code: str, folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_import_is_light(tmp_path):
    code = (
        "import sys, bench; dir(bench); heavy = {'torch', 'pandas', 'pyarrow', 'numpy', 'pydantic', 'matplotlib'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    assert python(code, tmp_path) == "[]\n"


READ = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "optuna", "numba"}:
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Absent())
import bench
results = bench.read(sys.argv[1])
assert "The answer" not in repr(results)
results.plot.ranking(), results.plot.errors("north"), results.plot.predictions("north", "net")
assert results._repr_html_() and bench.report(results).is_file()
print(len(results.runs), len(results.leaderboard()), len(results.verdicts()), bench.compare(results, results).verdict)
assert "torch" not in sys.modules
"""


def test_reading_works_without_torch(results, tmp_path):
    counts = len(results.runs), len(results.leaderboard()), len(results.verdicts())
    assert python(READ, tmp_path, str(results.folder)) == " ".join(map(str, counts)) + " equivalent\n"


def test_persistence_on_a_frame_has_the_error_that_pandas_gives(results, frame):
    moves = frame.load.diff().iloc[-TEST:]
    assert rmse(results, "persistence").tolist() == pytest.approx([float((moves**2).mean() ** 0.5)] * 2, rel=1e-12)
    times = results.predictions.query("dataset == 'north' and model == 'persistence' and seed == 0").time
    assert pd.to_datetime(times).tolist() == frame.index[-TEST:].tolist()


def test_a_frame_is_known_by_its_values_and_times(results, frame):
    digest = hashlib.sha256(frame.load.to_numpy().astype("<f8").tobytes())
    digest.update(frame.index.to_numpy().astype("datetime64[ns]").astype("<i8").tobytes())
    assert set(results.runs.query("dataset == 'north'").data_sha256) == {digest.hexdigest()}


def test_a_module_that_copies_has_the_error_of_persistence(results):
    assert rmse(results, "copy").tolist() == pytest.approx(rmse(results, "persistence").tolist(), rel=1e-4)


def test_the_parameters_of_a_constructor_are_the_suite_s_to_set(results):
    counted = results.runs.groupby("model").parameters.unique()
    assert counted["net"].tolist() == [LENGTH * 3 + 3 + 3 + 1]
    assert counted["narrow"].tolist() == [LENGTH * 2 + 2 + 2 + 1]
    assert counted["ols"].tolist() == [LENGTH + 1]
    assert (counted["forest"] % 1 == 0).all()  # nodes of trees, of which each leaf but one has an inner node
    assert (counted["forest"] > 5).all()


def test_least_squares_on_lags_is_the_hand_made_fit(results, frame):
    values = frame.load.to_numpy()
    train = range(LENGTH, POINTS - TEST - VALIDATION)
    x = np.column_stack([np.ones(len(train)), lags(values, train)])
    weights, *_ = np.linalg.lstsq(x, values[train.start : train.stop], rcond=None)
    test = range(POINTS - TEST, POINTS)
    expected = np.column_stack([np.ones(TEST), lags(values, test)]) @ weights
    np.testing.assert_allclose(prediction(results, "ols"), expected, rtol=1e-9)
    error = float(np.sqrt(np.mean((expected - values[-TEST:]) ** 2)))
    assert rmse(results, "ols").tolist() == pytest.approx([error] * 2, rel=1e-9)


def test_a_forest_has_a_seed_of_its_own_in_each_replicate_and_the_same_ones_again(results, frame, tmp_path):
    first = rmse(results, "forest").tolist()
    assert first[0] != first[1]
    wanted = suite(models=["persistence"], datasets=[])
    forest = RandomForestRegressor(4, random_state=7)  # a seed that is stated is set anew for each replicate
    again = bench.run(wanted, results=tmp_path, datasets={"north": frame}, models={"forest": forest})
    assert rmse(again, "forest").tolist() == first


def test_one_fit_stands_for_all_where_the_seed_changes_nothing(results):
    runs = results.runs.groupby("model").deterministic.all()
    assert runs[["ridge", "ols", "persistence"]].all()
    assert not runs[["forest", "net", "copy"]].any()


def test_what_is_unchanged_is_not_run_again_and_what_is_changed_is(results, frame):
    again = bench.run(suite(), results=results.folder, **objects(frame.copy()))
    pd.testing.assert_frame_equal(again.runs, results.runs)


def ids(folder: Path, **changes: Any) -> set[str]:
    given = {"datasets": {"north": (pd.DataFrame({"load": np.arange(60.0)}), "load")}, "models": {}, **changes}
    found = bench.run(suite(models=["persistence"], datasets=[]), results=folder, **given)
    return set(found.runs.cell_id)


def test_the_values_and_times_of_a_frame_are_in_the_identity_of_its_cells(tmp_path):
    values = np.arange(60.0)
    first = ids(tmp_path)
    assert ids(tmp_path, datasets={"north": pd.Series(values, name="load")}) == first
    changed = values.copy()
    changed[30] += 1e-12
    others = [pd.Series(changed), pd.Series(values, index=pd.date_range("2024", periods=60))]
    found = [ids(tmp_path, datasets={"north": other}) for other in others]
    assert first not in found
    assert found[0] != found[1]


def test_the_parameters_and_the_source_of_a_model_are_in_the_identity_of_its_cells(tmp_path):
    given = [Ridge(), Ridge(alpha=2.0), LinearRegression(), make_pipeline(StandardScaler(), Ridge())]
    found = {frozenset(ids(tmp_path, models={"mine": each})) for each in given}
    assert len(found) == len(given)
    assert ids(tmp_path, models={"mine": Ridge()}) in found


def narrow_or_wide(hidden_size):
    def build(sequence_length, horizon, channels):
        return Net(sequence_length, horizon, channels, hidden_size)

    return build


def taking_a_learning_rate(horizon, learning_rate=0.5):
    return Copy()


def test_what_a_builder_took_from_where_it_was_made_is_in_the_identity_of_its_cells(tmp_path):
    one, other, again = (ids(tmp_path, models={"mine": narrow_or_wide(size)}) for size in (2, 5, 2))
    assert one == again != other


class Reading:
    """An estimator without `get_params`, which is known by the values that it holds."""

    def __init__(self, table):
        self.table = table

    def fit(self, x, y):
        return self

    def predict(self, x):
        return x[:, -1:]


def test_a_value_in_the_middle_of_a_table_is_in_the_identity(tmp_path):
    table = pd.DataFrame({"a": np.arange(200.0)})
    changed = table.copy()
    changed.loc[50, "a"] = -1.0
    found = [ids(tmp_path, models={"mine": Reading(each)}) for each in (table, changed, table.copy())]
    assert found[0] == found[2] != found[1]


def test_nothing_is_left_behind_and_nothing_is_printed(frame, tmp_path, capfd):
    torch = sys.modules["torch"]
    before = set(dataset_kinds()), set(model_kinds()), torch.get_num_threads(), threading.active_count()
    main = sys.modules["__main__"]
    known = getattr(main, "__file__", None), main.__spec__
    bench.run(suite(), results=tmp_path / "good", **objects(frame))
    with pytest.raises(bench.BenchError):
        bench.run(suite(), results=tmp_path / "bad", datasets={"north": frame.load * np.inf}, models={"net": Net})
    after = set(dataset_kinds()), set(model_kinds()), torch.get_num_threads(), threading.active_count()
    assert after == before
    assert (getattr(main, "__file__", None), main.__spec__) == known
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "bad").exists()


def test_a_wrong_shape_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(bench.BenchError) as caught:
        bench.run(suite(models=["persistence"]), results=tmp_path / "none", models={"flat": Flat})
    said = "suite: flat: models: flat: shapes: expected outputs [4, 1, 1] of inputs [4, 4, 1], got [4, 1]"
    assert str(caught.value).startswith(said)
    assert not (tmp_path / "none").exists()


SCRIPT = """
import bench
results = bench.run({suite!r}, results="results", jobs=2)
print(results.runs.rmse.tolist())
"""


def test_a_script_without_a_guard_runs_cells_in_processes(tmp_path, capfd):
    small = suite(models=["persistence", "mean"])
    (tmp_path / "script.py").write_text(SCRIPT.format(suite=small))
    code = f"import runpy; runpy.run_path({str(tmp_path / 'script.py')!r}, run_name='__main__')"
    reported = python(code, tmp_path)
    inline = bench.run({**small, "name": "other"}, results=tmp_path / "inline", datasets={"n": pd.Series(range(60))})
    expected = inline.runs.query("dataset == 'wave'").sort_values(["model", "seed"]).rmse
    assert sorted(ast.literal_eval(reported)) == sorted(expected)


def test_the_leaderboard_is_the_report_s(results, tmp_path):
    page = bench.report(results, tmp_path)
    table = page.with_name("report.md").read_text().split("| Model | Average (rank) |")[1]
    shown = re.findall(r"^\| ([a-z]+)(?: ◆)? \| ([\d.]+) \|", table, re.MULTILINE)[: len(model_names())]
    board = results.leaderboard()
    assert [name for name, _ in shown] == board.model.tolist()
    assert [float(rank) for _, rank in shown] == pytest.approx(board["rank"].tolist(), abs=0.051)
    assert board.loc[board.model == "persistence", "error"].item() == pytest.approx(1.0)
    counted = board.smallest_error.sum()
    assert counted == results.runs.dataset.nunique()


def model_names() -> set[str]:
    return {"persistence", "narrow", "net", "copy", "ols", "forest", "ridge"}


def test_the_verdicts_are_the_report_s(results, tmp_path):
    plain = " ".join(html.unescape(bench.report(results, tmp_path).read_text()).split())
    found = results.verdicts()
    assert set(found.claim) == {"persistence", "best"}
    assert all(" ".join(sentence.split()) in plain for sentence in found.sentence)
    against = found[found.claim == "persistence"]
    assert len(against) == 2 * (len(model_names()) - 1)
    mean = results.runs.assign(mse=results.runs.rmse**2).groupby(["dataset", "model"]).mse.mean()
    for row in against.itertuples():
        expected = mean[row.dataset, row.model] / mean[row.dataset, "persistence"] - 1
        assert row.effect == pytest.approx(expected, rel=1e-6, abs=1e-9)
    for row in found.itertuples():
        more = re.search(r"about (\d+) more seeds? ", row.sentence)
        assert not more or row.further_seeds == int(more[1])
        assert not row.decided or (pd.isna(row.further_seeds) and not more)


def test_the_pictures_show_the_stored_numbers(results):
    axes = results.plot.errors("north")
    lines = {float(line.get_xdata()[0]) for line in axes.get_lines()}
    assert any(value == pytest.approx(rmse(results, "persistence").iloc[0]) for value in lines)
    drawn = results.plot.predictions(dataset="north", model="ols").get_lines()[0].get_ydata()
    np.testing.assert_allclose(drawn, prediction(results, "ols"))
    board = results.leaderboard()
    offsets = [point[0] for dots in results.plot.ranking().collections for point in dots.get_offsets()]
    assert sorted(offsets) == pytest.approx(sorted(board["rank"]))
    _, mine = plt.subplots()
    assert results.plot.errors("north", ax=mine) is mine
    plt.close("all")


def test_a_notebook_shows_the_answers(results):
    page = results._repr_html_()
    assert "<table" in page
    assert all(name in page for name in model_names())
    assert "8 of" not in repr(results)
    assert "14 of 14 cells complete" in repr(results)


def test_results_compare(results, tmp_path):
    found = bench.compare(results, results.folder)
    assert found.verdict == "equivalent"
    with pytest.raises(bench.BenchError, match="expected"):
        bench.compare(results, tmp_path)


def test_a_suite_comes_from_a_file_a_name_a_mapping_or_a_suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mapping = suite(models=["persistence", {"kind": "gru", "hidden_size": [8, 16]}])
    known = bench.load(mapping)
    assert isinstance(known, bench.Suite)
    assert bench.load(known) == known
    assert [entry.id for entry in known.models] == ["persistence", "gru-hidden_size=8", "gru-hidden_size=16"]
    for name in ("quick", "full", "ci", "tutorials"):
        shipped = bench.load(name)
        assert bench.load(ROOT / "suites" / f"{name}.yaml") == shipped == bench.load(shipped)


WRONG = [
    (
        lambda frame: {"datasets": {"mine": frame.assign(other=1.0)}},
        "expected one column of numbers, got 2 (load, other)",
    ),
    (lambda frame: {"datasets": {"mine": frame[["station"]]}}, "expected one column of numbers, got none"),
    (lambda frame: {"datasets": {"mine": (frame, "lode")}}, "unknown column 'lode'; did you mean 'load'?"),
    (lambda frame: {"datasets": {"mine": (frame, "station")}}, "column 'station': expected numbers, got"),
    (
        lambda frame: {"datasets": {"mine": [1.0, 2.0]}},
        "expected a DataFrame, a Series or (DataFrame, column), got list",
    ),
    (lambda frame: {"datasets": {"sine": frame}}, "datasets: 'sine' is a kind that bench has"),
    (lambda frame: {"datasets": {"mine": frame[::-1]}}, "sort the rows by time"),
    (
        lambda frame: {"datasets": {"mine": frame.replace(frame.load.iloc[7], np.nan)}},
        "row 8, column 'load': expected a",
    ),
    (lambda frame: {"datasets": {"mine": frame[:5]}}, "load"),
    (lambda frame: {"models": {"mine": 3}}, "predict(history, origins, horizon), got an object of int"),
    (lambda frame: {"models": {"mine": LinearRegression}}, "got the class LinearRegression"),
    (lambda frame: {"models": {"mine": Copy()}}, "give the class, so that every replicate begins anew"),
    (lambda frame: {"models": {"mine": WithRoom}}, "or with a default, got 'room' without one"),
    (lambda frame: {"models": {"gru": Net}}, "models: 'gru' is a kind that bench has"),
    (lambda frame: {"models": {"mine": taking_a_learning_rate}}, "'learning_rate' is a setting of every model"),
    (lambda frame: {"datasets": frame}, "datasets: expected a mapping of names to objects, got DataFrame"),
    (lambda frame: {"models": [Net]}, "models: expected a mapping of names to objects, got list"),
    (lambda frame: {"results": 5}, "results: expected the path of a folder, got 5"),
    (lambda frame: {"device": 5}, "device: expected auto, cpu, cuda or cuda:INDEX, got 5"),
    (lambda frame: {"suite": suite(models=["ltsm"])}, "unknown model 'ltsm'; did you mean 'lstm'?"),
    (
        lambda frame: {"suite": suite(seeds=0, models=["persistence"])},
        "suite: seeds: expected a whole number ≥ 1 or a mapping, got 0",
    ),
    (lambda frame: {"suite": suite(name={1})}, "suite: expected text, numbers, lists and mappings"),
    (lambda frame: {"suite": "qick"}, "unknown suite 'qick'; did you mean 'quick'?"),
    (lambda frame: {"suite": 3}, "suite: expected a path, a name, a mapping or a Suite, got int"),
    (lambda frame: {"jobs": 0}, "jobs: expected a whole number ≥ 1, got 0"),
    (lambda frame: {"device": "tpu"}, "expected auto, cpu, cuda or cuda:INDEX"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_one_line(given, said, frame, tmp_path, capfd):
    call = {"suite": suite(models=["persistence"]), "results": tmp_path / "mine", **given(frame)}
    with pytest.raises(bench.BenchError) as caught:
        bench.run(**call)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "mine").exists()


def test_a_folder_of_another_suite_is_refused(results):
    with pytest.raises(bench.BenchError, match="expected results of the suite 'other', got those of 'mine'"):
        bench.run(suite(name="other", models=["persistence"]), results=results.folder)


def test_what_is_no_results_folder_is_refused(tmp_path):
    with pytest.raises(bench.BenchError, match="expected a results folder with runs/ in it"):
        bench.read(tmp_path)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda plot: plot.errors("nort"), "unknown dataset 'nort'; did you mean 'north'?"),
        (lambda plot: plot.errors(), "expected dataset= and horizon= to name one of north, wave, got 2 of them"),
        (lambda plot: plot.errors("north", horizon=5), "no horizon 5 (there is: 1)"),
        (lambda plot: plot.predictions("north", "nett"), "unknown model 'nett'; did you mean 'net'?"),
    ],
)
def test_a_picture_of_nothing_is_refused(results, draw, said):
    with pytest.raises(bench.BenchError, match=re.escape(said)):
        draw(results.plot)


def test_kinds_and_plain_estimators_are_objects_too(tmp_path):
    steps = bench.DatasetKind("steps", Nothing, load_steps)
    models = {"last": MODELS["persistence"], "window": MeanOfWindow()}
    wanted = suite(models=["persistence"], datasets=[])
    found = bench.run(wanted, results=tmp_path, datasets={"steps": steps}, models=models).runs
    values = np.arange(80.0) ** 1.5
    last = float(np.sqrt(np.mean(np.diff(values)[-16:] ** 2)))
    train, test = (np.array(list(part)) for part in (range(LENGTH, 56), range(64, 80)))
    windows = {name: lags(values, part).mean(axis=1) for name, part in (("train", train), ("test", test))}
    offset = np.mean(values[train] - windows["train"])
    window = float(np.sqrt(np.mean((windows["test"] + offset - values[test]) ** 2)))
    by_model = found.groupby("model").rmse.first()
    assert by_model[["persistence", "last", "window"]].tolist() == pytest.approx([last, last, window])
    plugins = {model: json.loads(spec)["plugins"] for model, spec in zip(found.model, found.spec, strict=True)}
    assert plugins["persistence"].keys() == {"dataset steps"}
    assert plugins["window"].keys() == {"dataset steps", "model window"}


CELL = """
class Typed:
    def fit(self, x, y):
        self.level = {level}
    def predict(self, x):
        return x[:, -1] * 0 + self.level
"""


def typed(level: float, file: str, *, known: bool) -> Any:
    """An estimator of a class that no file holds: as in a notebook where its lines are `known`, else as at a prompt."""
    text = CELL.format(level=level)
    space: dict[str, Any] = {"__name__": "notebook"}
    exec(compile(text, file, "exec"), space)
    if known:
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return space["Typed"]()


def test_a_class_of_a_notebook_is_known_by_its_functions(tmp_path):
    files = [str(tmp_path / f"cell-{number}.py") for number in range(3)]
    levels = (1.0, 2.0, 1.0)
    given = [typed(level, file, known=True) for level, file in zip(levels, files, strict=True)]
    found = [ids(tmp_path / "results", models={"mine": each}) for each in given]
    assert found[0] == found[2] != found[1]


def test_what_is_typed_at_a_prompt_has_no_source(tmp_path):
    wanted = suite(models=["persistence"])
    with pytest.raises(bench.BenchError, match="got none of Typed; define it in a file or in a notebook"):
        bench.run(wanted, results=tmp_path, models={"mine": typed(1.0, "<stdin>", known=False)})


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_documentation_uses_nothing_but_the_names(page):
    found = blocks(ROOT / page)
    assert found
    for node in (node for block in found for node in ast.walk(ast.parse(block))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert all(not name.startswith("bench.") for name in names)
        assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench"))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "bench":
            assert node.attr in NAMES


def test_the_documentation_runs(tmp_path):
    (tmp_path / "script.py").write_text("\n".join(blocks(ROOT / "docs" / "api.md")))
    code = f"import runpy; runpy.run_path({str(tmp_path / 'script.py')!r}, run_name='__main__')"
    reported = python(code, tmp_path)
    assert "suite: unknown model 'ltsm'; did you mean 'lstm'?" in reported
    assert (tmp_path / "reports" / "first" / "index.html").is_file()


def test_a_kind_whose_builder_is_an_address_is_known_by_its_source_and_its_search_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "addressed_builder.py"
    module.write_text("def build(parameters, shape): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    kind = replace(MODELS["gru"], builder="addressed_builder:build")
    first = model_kind("mine", kind).identity
    assert model_kind("mine", kind).identity == first
    assert model_kind("mine", replace(kind, search={})).identity != first
    module.write_text("def build(parameters, shape): return None\n")
    assert model_kind("mine", kind).identity != first
