"""Forecasts of anybody: what is said of them is what a run's report says of the same numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import bench
from bench.api.judged import judgement, source_of
from bench.api.results import Results
from bench.cells import expand
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.running.cell import run_cell

POINTS = 240


def series(points: int = POINTS) -> np.ndarray:
    return np.sin(np.arange(points) / 4) + np.random.default_rng(0).normal(0, 0.1, points)


def forecasts(**spread: float) -> pd.DataFrame:
    """One-step forecasts of the last 140 points by models that add so much noise to the sine."""
    truth, rows = series(), []
    for number, (model, scale) in enumerate(spread.items()):
        noise = np.random.default_rng(number + 1).normal(0, scale, POINTS)
        sine = np.sin(np.arange(POINTS) / 4)
        rows += [(i, 1, truth[i], sine[i] + noise[i], model) for i in range(100, POINTS)]
    return pd.DataFrame(rows, columns=["index", "step", "truth", "prediction", "model"])


def whole() -> pd.DataFrame:
    return pd.DataFrame({"index": range(POINTS), "load": series()})


NUMBERS = ["effect", "low", "high", "p", "seeds", "targets", "family", "test", "verdict"]


@pytest.mark.parametrize("horizon", [1, 3])
def test_what_a_run_stored_is_judged_as_its_report_judges_it(horizon: int) -> None:
    content = {
        "name": "same",
        "datasets": [{"id": "wave", "kind": "noisy-sine", "length": 300}],
        "models": ["persistence", "linear-ar", "mean", {"id": "forest", "kind": "sklearn", "n_estimators": 3}],
        "sequence_lengths": [6],
        "horizons": [horizon],
        "seeds": 3,
        "tuning": False,
    }
    parts = [run_cell(cell) for cell in expand(bench.load(content))]
    rows = {name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]}
    for column in ("noise_floor_mse", "learnable_fraction"):  # nobody knows it of a table
        at = rows["runs"].schema.get_field_index(column)
        rows["runs"] = rows["runs"].set_column(at, column, pa.nulls(rows["runs"].num_rows, pa.float64()))
    expected = Results(Path("same"), Source(rows=rows, folder="same")).verdicts()
    stored = rows["predictions"].to_pandas()
    table = stored[stored.model != "persistence"][
        ["index", "step", "truth", "prediction", "model", "seed", "persistence"]
    ]
    results = bench.judge(table)
    found = results.verdicts()
    key = ["model", "claim", "other"]
    pd.testing.assert_frame_equal(
        found.sort_values(key)[[*key, *NUMBERS]].reset_index(drop=True),
        expected.sort_values(key)[[*key, *NUMBERS]].reset_index(drop=True),
    )
    assert len(found) >= 6
    assert list(results.leaderboard().model)[:1] == list(expected[expected.claim == "best"].other)[:1]


def test_errors_and_persistence_are_those_of_numpy() -> None:
    table, truth = forecasts(good=0.1), series()
    runs = bench.judge(table, whole()).runs.set_index("model")
    mine = table["prediction"].to_numpy()
    last, now = truth[99:-1], truth[100:]
    assert runs.rmse["good"] == pytest.approx(math.sqrt(np.mean((mine - now) ** 2)))
    assert runs.mae["good"] == pytest.approx(np.mean(np.abs(mine - now)))
    assert runs.mse["persistence"] == pytest.approx(np.mean((last - now) ** 2))
    assert runs.skill["good"] == pytest.approx(1 - np.mean((mine - now) ** 2) / np.mean((last - now) ** 2))


def test_without_the_series_the_first_targets_are_left_out_and_that_is_said() -> None:
    table = forecasts(good=0.1).assign(step=2)
    source, notes = source_of(table)
    assert notes == (
        "2 of 140 targets left out, since the truth before them is not there to be repeated: --truth gives the whole "
        "series",
    )
    predictions = source.rows["predictions"].to_pandas()
    assert predictions["index"].min() == 102
    assert (predictions.persistence.to_numpy() == series()[predictions["index"] - 2]).all()
    assert source_of(table, whole())[1] == ()


def test_times_stand_for_positions(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=POINTS, freq="h")
    table = forecasts(good=0.1)
    dated = table.assign(time=hours[table["index"]].astype(str)).drop(columns="index")
    dated.to_csv(tmp_path / "mine.csv", index=False)
    whole().assign(time=hours.astype(str)).drop(columns="index").to_parquet(tmp_path / "load.parquet")
    found = bench.judge(tmp_path / "mine.csv", tmp_path / "load.parquet").verdicts()
    expected = bench.judge(table, whole()).verdicts()
    pd.testing.assert_frame_equal(found[NUMBERS], expected[NUMBERS])


def test_points_that_are_forecast_from_several_origins_are_judged_step_by_step() -> None:
    one = forecasts(good=0.1)
    rolling = pd.concat([one.assign(step=step) for step in (1, 2)])
    sections = summarise(source_of(rolling, whole())[0]).sections
    assert [section.horizon for section in sections] == [1, 2]
    truth = series()
    for section in sections:
        last, now = truth[100 - section.horizon : -section.horizon], truth[100:]
        assert section.persistence_rmse == pytest.approx(math.sqrt(np.mean((last - now) ** 2)))


def test_a_forecast_that_copies_the_last_value_is_late_and_no_better() -> None:
    truth = series()
    table = forecasts(copy=0.0).assign(prediction=truth[99:-1])
    source, _ = source_of(table, whole())
    from bench.api.judged import delays

    late = {key.model: delay for key, delay in delays(source).items()}
    assert late["copy"] is not None
    assert (late["copy"].steps, late["copy"].late) == (1, True)
    verdicts = bench.judge(table, whole()).verdicts()
    (claim,) = verdicts[(verdicts.model == "copy") & (verdicts.claim == "persistence")].verdict
    assert claim.startswith("equivalent")


WRONG = [
    (
        lambda table: table.rename(columns={"prediction": "predicted"}),
        "truth, prediction; got none that is called 'prediction'; did you mean 'predicted'? (known: ",
    ),
    (lambda table: table.drop(columns="step"), "expected the columns step, truth, prediction"),
    (lambda table: table.drop(columns="index"), "expected a column time or index"),
    (lambda table: table.head(0), "expected at least one forecast, got none"),
    (lambda table: table.assign(step=0), "row 1: step: expected a whole number ≥ 1, got 0"),
    (
        lambda table: table.assign(prediction=table.prediction.where(table.index != 7)),
        "row 8: prediction: expected a finite",
    ),
    (lambda table: table.drop(columns="model"), "row 141: expected one forecast of each target, got a second one"),
    (lambda table: table.drop(index=150), "got b, seed 0, without 1 of 140, such as step 1 of point 110"),
    (lambda table: table.assign(truth=table.truth + (table.index == 3)), "expected one truth at index 103"),
    (lambda table: table.assign(model="persistence"), "persistence is judged in any case"),
    (
        lambda table: table.assign(step=500),
        "expected the truth before each target, which persistence is, got it for none",
    ),
    (
        lambda table: table.rename(columns={"index": "time"}).assign(time=lambda t: t.time**2),
        "expected times at even steps",
    ),
    (
        lambda table: table.rename(columns={"index": "time"}).assign(time=lambda t: "noon " + t.time.astype(str)),
        "time: expected numbers, or dates",
    ),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_with_a_table_is_one_line(change: Any, said: str) -> None:
    with pytest.raises(bench.BenchError) as caught:
        bench.judge(change(forecasts(a=0.1, b=0.2)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda series: series.rename(columns={"index": "at"}), "expected a column index, as the forecasts have"),
        (lambda series: series.assign(other=1.0), "expected one column of values, or one that is called truth"),
        (lambda series: pd.concat([series, series.head(1)]), "expected each index once, got 0 again"),
        (lambda series: series.head(120), "row 21: index 120 is not in the truth that is given"),
    ],
)
def test_what_is_wrong_with_the_series_is_one_line(change: Any, said: str) -> None:
    with pytest.raises(bench.BenchError, match=said):
        bench.judge(forecasts(a=0.1), change(whole()))


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    for name in ("a.parquet", "nowhere.csv"):
        with pytest.raises(bench.BenchError, match=f"{name}: expected a (Parquet file|file)"):
            bench.judge(tmp_path / name)


@pytest.mark.filterwarnings("error")
def test_forecasts_whose_squares_overflow_are_judged_without_a_warning() -> None:
    frame = pd.DataFrame({"index": range(1, 41), "step": 1, "truth": np.arange(40) * 1e200, "prediction": 1e200})
    said = "\n".join(map(str, judgement(source_of(frame)[0])))
    assert "mse of the test predictions exceeds float64" in said
    assert "learning_rate" not in said  # nothing was trained


def european(values: np.ndarray) -> list[str]:
    return [f"{value:.3f}".replace(".", ",") for value in values]


def test_files_are_read_as_datasets_are(tmp_path: Path) -> None:
    table, own = forecasts(a=0.1, b=0.3).round(3), whole().round(3)
    moments = pd.date_range("2024-01-20", periods=POINTS, freq="h")
    for frame, name in ((table, "f"), (own, "s")):
        plain = frame.rename(columns={"index": "time"}).assign(time=moments[frame["index"]])
        plain.to_csv(tmp_path / f"{name}.csv", index=False)
        plain["time"] = plain["time"].dt.strftime("%d.%m.%Y %H:%M")
        texts = {each: european(plain[each]) for each in {"truth", "prediction", "load"} & {*plain}}
        plain.assign(**texts).to_csv(tmp_path / f"{name}.txt", index=False, sep=";")
    judged = [bench.judge(tmp_path / f"f.{each}", tmp_path / f"s.{each}").runs for each in ("csv", "txt")]
    pd.testing.assert_frame_equal(*(each[["model", "mse", "persistence_mse"]] for each in judged))
    assert judged[0]["test_points"].tolist() == [140] * 3


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_best_possible_forecast_is_the_noise_floor(*, elsewhere: bool) -> None:
    table, sine = forecasts(a=0.1, b=0.02), np.sin(np.arange(POINTS) / 4)
    best = {"best": sine}
    given = (table, whole().assign(**best)) if elsewhere else (table.assign(best=sine[table["index"]]), whole())
    runs = bench.judge(*given).runs.set_index("model")
    floor = np.mean((series()[100:] - sine[100:]) ** 2)
    np.testing.assert_allclose(runs["noise_floor_mse"], floor, rtol=1e-12)
    learnt = (runs["persistence_mse"] - runs["mse"]) / (runs["persistence_mse"] - floor)
    np.testing.assert_allclose(runs["learnable_fraction"], learnt, rtol=1e-12)
    assert f"has RMSE {math.sqrt(floor):.4g}." in "\n".join(map(str, judgement(source_of(*given)[0])))
