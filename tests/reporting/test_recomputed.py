"""What reports compute again: honest cells agree, and what changed on the way to the store does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.linear_model import Ridge

import bench
from bench.cells import Cell
from bench.data import DATASETS
from bench.data.base import Series
from bench.models import MODELS
from bench.protocol.scoring import SeriesScorer
from bench.reporting.recomputed import differences, linear_forecasts, uncompared
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.running.cell import run_cell
from bench.spec import Entry, Split, Training
from bench.store.schema import Rows

COUNT = 240


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    values = 5 + np.sin(0.3 * np.arange(COUNT)) + 0.2 * random.normal(size=COUNT)
    path = tmp_path_factory.mktemp("levels") / "levels.csv"
    path.write_text("hour, level\n" + "".join(f"{hour},{value!r}\n" for hour, value in enumerate(values.tolist())))
    return path


@pytest.fixture
def cell(levels: Path) -> Callable[..., Cell]:
    def make(dataset: str = "file", model: str = "linear-ar", *, data: Any = None, **changes: Any) -> Cell:
        given = data or ({"path": str(levels), "column": "level"} if dataset == "file" else {})
        settings = {"hidden_size": 4} if "hidden_size" in MODELS[model].parameters.model_fields else {}
        values: dict[str, Any] = {
            "suite": "t",
            "dataset": Entry.of(dataset, dataset, DATASETS[dataset].parameters(**given), tuple(given)),
            "model": Entry.of(model, model, MODELS[model].parameters(**settings), tuple(settings)),
            "sequence_length": 6,
            "horizon": 1,
            "seeds": 2,
            "seed": 0,
            "split": Split(validation=0.1, test=60),
            "training": Training(epochs=2),
            "tuning": None,
        }
        return Cell(**values | changes)

    return make


def found(rows: Rows) -> list[str]:
    """The cautions, each without its cell and its advice."""
    key = {"x": rows["runs"]}, {"x": rows["predictions"]}
    return [text.partition(": ")[2].rpartition("; look for a leak")[0] for text in differences(*key)]


@pytest.mark.parametrize("model", ["persistence", "linear-ar", "mean", "gru", "encoder-decoder"])
@pytest.mark.parametrize("horizon", [1, 7])
def test_honest_cells_agree(model: str, horizon: int, cell: Callable[..., Cell]) -> None:
    for dataset in ("file", "noisy-sine"):
        assert found(run_cell(cell(dataset, model, horizon=horizon))) == []


@pytest.mark.parametrize(
    ("dataset", "data"),
    [("adding", {"count": 160, "length": 6}), ("denoise-sine", {"count": 900, "length": 6}), ("digits", {})],
)
def test_independent_sequences_have_no_past(dataset: str, data: Any, cell: Callable[..., Cell]) -> None:
    made = cell(dataset, "gru", data=data, sequence_length=8 if dataset == "digits" else 6)
    assert found(run_cell(made)) == []


def test_a_true_past_that_a_decoder_is_fed_is_no_difference(cell: Callable[..., Cell]) -> None:
    made = cell(model="encoder-decoder", horizon=4)
    parameters = {**made.model.parameters, "prediction": "teacher-forced"}
    fed = replace(made, model=made.model.model_copy(update={"parameters": parameters}))
    assert found(run_cell(fed)) == []


def test_fresh_data_are_no_difference(cell: Callable[..., Cell]) -> None:
    assert found(run_cell(cell("noisy-sine", "persistence", fresh_data=True))) == []


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_regression_is_that_of_scikit_learn(horizon: int, levels: Path, cell: Callable[..., Cell]) -> None:
    made = cell(horizon=horizon)
    made = replace(made, model=Entry.of("a", "linear-ar", MODELS["linear-ar"].parameters(alpha=0.3), ("alpha",)))
    raw = np.loadtxt(levels, delimiter=",", skiprows=1)[:, 1]
    (row, _) = run_cell(made)["runs"].to_pylist()
    train_end, length = COUNT - 24 - 60, 6
    starts = np.arange(length, train_end - horizon + 1)
    x = np.array([raw[start - length : start] for start in starts])
    y = np.array([raw[start : start + horizon] for start in starts])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    fitted = Ridge(alpha=0.3 * len(x), tol=1e-12).fit((x - mean) / scale, y)
    expected = [
        step
        for start in range(COUNT - 60, COUNT, horizon)
        for step in np.ravel(fitted.predict(((raw[start - length : start] - mean) / scale)[None]))
    ]
    index = np.arange(COUNT - 60, COUNT)
    step = (index - index[0]) % horizon + 1
    np.testing.assert_allclose(linear_forecasts(row, raw, index, step), expected[:60], rtol=1e-9)


def changed(rows: Rows, name: str, change: Callable[[Any], Any]) -> Rows:
    """The rows with another column `name` of `predictions`."""
    table = rows["predictions"]
    place = table.schema.get_field_index(name)
    column = pa.array(change(table[name].to_numpy()))
    return {**rows, "predictions": table.set_column(place, table.schema.field(name), column)}


@pytest.mark.parametrize(
    ("dataset", "model", "name", "texts"),
    [
        (
            "file",
            "gru",
            "prediction",
            ["the stored mse is not that of its stored predictions: they differ by "],
        ),
        (
            "file",
            "linear-ar",
            "prediction",
            [
                "the stored mse is not that of its stored predictions: they differ by ",
                "the stored predictions are not those of a linear regression on column 'level' of levels.csv: by ",
            ],
        ),
        (
            "noisy-sine",
            "persistence",
            "prediction",
            [
                "the stored mse is not that of its stored predictions: they differ by ",
                "the stored predictions are not those of persistence: by up to ",
            ],
        ),
        (
            "noisy-sine",
            "gru",
            "persistence",
            [
                "the stored persistence_mse is not that of the stored values of persistence: they differ by ",
                "the stored persistence is not the truth of earlier targets: by up to ",
            ],
        ),
        (
            "file",
            "mean",
            "truth",
            [
                "the stored mse is not that of its stored predictions: they differ by ",
                "the stored persistence_mse is not that of the stored values of persistence: they differ by ",
                "the stored truth is not column 'level' of levels.csv: by up to ",
            ],
        ),
    ],
)
def test_what_changed_in_the_store_is_named(
    dataset: str, model: str, name: str, texts: list[str], cell: Callable[..., Cell]
) -> None:
    rows = changed(run_cell(cell(dataset, model)), name, lambda values: values + 1e-3 * np.sin(np.arange(len(values))))
    texts_found = found(rows)
    assert len(texts_found) == len(texts)
    for text, expected in zip(texts_found, texts, strict=True):
        assert text.startswith(expected)


def test_what_changes_predictions_and_their_errors_is_named(
    cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step before storing: rows agree with each other, and not with the column."""
    for method in ("errors", "columns"):
        honest = getattr(SeriesScorer, method)
        monkeypatch.setattr(
            SeriesScorer,
            method,
            lambda self, prediction, honest=honest: honest(self, 0.9 * prediction + 0.1 * self.truth),
        )
    for model, what in (("persistence", "persistence"), ("linear-ar", "a linear regression on column 'level'")):
        (text,) = found(run_cell(cell(model=model)))
        assert text.startswith(f"the stored predictions are not those of {what}")


def test_a_loader_that_looks_ahead_is_named(cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = DATASETS["file"]

    def smoothed(parameters: Any, seed: int) -> Series:
        series = honest.load(parameters, seed)
        padded = np.pad(series.values, ((1, 1), (0, 0)), mode="edge")
        return replace(series, values=(padded[:-2] + padded[1:-1] + padded[2:]) / 3)

    monkeypatch.setitem(DATASETS, "file", replace(honest, load=smoothed))
    assert [text.partition(":")[0] for text in found(run_cell(cell()))] == [
        "the stored truth is not column 'level' of levels.csv",
        "the stored persistence is not made of earlier values of column 'level' of levels.csv",
        "the stored predictions are not those of a linear regression on column 'level' of levels.csv",
    ]


def test_a_file_of_other_bytes_or_none_is_not_compared(levels: Path, cell: Callable[..., Cell], tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(levels.read_text())
    rows = run_cell(cell(data={"path": str(path), "column": "level"}))
    assert found(rows) == []
    path.write_text(levels.read_text().replace("5.", "4."))
    assert found(rows) == []
    path.unlink()
    assert found(rows) == []


def test_stored_settings_that_cannot_be_read_are_passed_over(cell: Callable[..., Cell]) -> None:
    rows = run_cell(cell())
    for name, value in (("spec", json.dumps({"model": {"kind": "linear-ar"}})), ("data_source", "x, column 'y")):
        place = rows["runs"].schema.get_field_index(name)
        column = pa.array([value] * rows["runs"].num_rows)
        runs = rows["runs"].set_column(place, rows["runs"].schema.field(name), column)
        assert found({**rows, "runs": runs}) == []


def test_the_report_says_it_among_its_cautions(cell: Callable[..., Cell]) -> None:
    rows = changed(run_cell(cell()), "prediction", lambda values: values + 0.5)
    cautions = summarise(Source(rows, "results/t")).cautions
    (said,) = (text for text in cautions if "linear regression" in text)
    assert said.startswith("file × linear-ar, L=6, h=1: the stored predictions are not those of a linear regression")
    assert said.endswith("; look for a leak with `bench canary`, or run the cell again.")
    assert not pc.any(pc.is_null(rows["runs"]["mse"])).as_py()


FILES = Path(__file__).parents[1] / "data" / "files"


@pytest.mark.parametrize("model", ["persistence", "linear-ar"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("thousands-and-suffixes.csv", {"column": "Price", "time": "Date"}),  # newest first
        ("gaps-below-max-gap.csv", {"column": "load", "time": "time"}),
        ("long-format-two-series.csv", {"column": "y", "time": "ds", "where": {"unique_id": "south"}}),
        ("dot-as-thousands.csv", {"column": "units", "time": "day", "decimal": ",", "thousands": "."}),
        ("missing-marks-null.csv", {"column": "Close", "time": "Date", "missing": "forward-fill"}),
    ],
)
def test_files_that_are_not_simply_read_are_no_difference(
    name: str, options: dict[str, Any], model: str, cell: Callable[..., Cell]
) -> None:
    rows = run_cell(
        cell(model=model, data={"path": str(FILES / name), **options}, split=Split(validation=0.1, test=20))
    )
    assert set(rows["runs"]["status"].to_pylist()) == {"ok"}
    assert found(rows) == []
    said = uncompared({"x": rows["runs"]}, {"x": rows["predictions"]})
    assert said == (
        "Truth and persistence were not compared with the raw column of file (read with options, or with what was "
        "detected).",
    )


def test_a_column_that_was_not_compared_is_named(
    levels: Path, tmp_path: Path, cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "mine.csv"
    moved.write_bytes(levels.read_bytes())
    rows = run_cell(cell(data={"path": str(moved), "column": "level"}))
    tables = {"x": rows["runs"]}, {"x": rows["predictions"]}
    assert uncompared(*tables) == ()
    moved.unlink()
    assert "raw column of file (its file is not at hand)." in uncompared(*tables)[0]
    monkeypatch.setenv("BENCH_DATA", "\udcff")
    assert "raw column of file (its rows, or the file, cannot be read" in uncompared(*tables)[0]
    monkeypatch.delenv("BENCH_DATA")
    at = rows["runs"].schema.get_field_index("spec")
    for spec in ('{"dataset": {}, "model": {}}', '{"dataset": {"parameters": 3}, "model": {"kind": "gru"}}'):
        column = pa.array([spec] * rows["runs"].num_rows, rows["runs"].schema.field(at).type)
        foreign = rows["runs"].set_column(at, rows["runs"].schema.field(at), column)
        assert "cannot be read as this version writes them" in uncompared({"x": foreign}, {"x": rows["predictions"]})[0]
    generated = run_cell(cell("noisy-sine", "persistence"))
    assert uncompared({"x": generated["runs"]}, {"x": generated["predictions"]}) == ()


def test_a_report_from_another_working_folder_has_the_file_at_hand(
    levels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    data = tmp_path / "here" / "mine.csv"
    data.write_bytes(levels.read_bytes())
    suite = "name: m\ndatasets: [{id: mine, kind: file, path: mine.csv, column: level}]\nmodels: [persistence]\n"
    (tmp_path / "here" / "m.yaml").write_text(suite + "seeds: 1\ntuning: false\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    results = bench.run("../here/m.yaml", results="results", jobs=1)
    assert not [each for each in results.summary.cautions if "raw column" in each]
    data.rename(tmp_path / "mine.csv")
    (moved,) = [each for each in bench.read("results").summary.cautions if "raw column" in each]
    assert "of mine (its file is not at hand)." in moved
    (tmp_path / "m.yaml").write_text((tmp_path / "here" / "m.yaml").read_text())
    again = bench.run("../m.yaml", results="results", jobs=1)  # nothing runs, and the record names the new place
    assert not [each for each in again.summary.cautions if "raw column" in each]
