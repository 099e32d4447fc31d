"""Several series of one file: one model of all of them, or one of each, from the file to the stored rows."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from bench import store
from bench.array_types import FloatArray
from bench.canary.base import CheckVerdict
from bench.canary.pieces import CheckBudget
from bench.canary.watch import CANARIES, watch
from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.errors import InputError, SuiteError
from bench.models import MODELS
from bench.protocol import several
from bench.protocol.prepare import arranged, load_data, prepare
from bench.protocol.several import ArrangedSeries
from bench.protocol.windows import Windows
from bench.reporting.by_series import series_errors
from bench.reporting.evidence import trace
from bench.reporting.forecasts import losses
from bench.reporting.render import pages
from bench.reporting.source import read
from bench.reporting.summary import summarise
from bench.running.cell import run_cell
from bench.stats.window_tests import over_window
from bench.suite.load import load

LENGTHS = {"north": 160, "south": 90, "east": 120}
T, H = 6, 3


def laws() -> dict[str, FloatArray]:
    """Autoregressions of one law at levels and in units of their own, and of unequal lengths."""
    random = np.random.default_rng(7)
    series = {}
    for (name, count), level, unit in zip(LENGTHS.items(), (10.0, 1000.0, -5.0), (1.0, 50.0, 0.2), strict=True):
        values = np.zeros(count)
        for t in range(1, count):
            values[t] = 0.8 * values[t - 1] + random.normal()
        series[name] = level + unit * values
    return series


def written(path: Path, series: dict[str, FloatArray], *, mixed: bool = True) -> Path:
    """The series in one long file, their rows in turn or one series after another."""
    rows = [(t, name, value) for name, values in series.items() for t, value in enumerate(values.tolist())]
    rows.sort(key=lambda row: row[0] if mixed else 0)
    path.write_text("time,region,load\n" + "".join(f"{t},{name},{value!r}\n" for t, name, value in rows))
    return path


def suite_of(folder: Path, dataset: str, **changes: Any) -> list[Cell]:
    keys = {"sequence_lengths": f"[{T}]", "horizons": f"[{H}]", "models": "[linear-ar]"} | changes
    text = f"name: several\ndatasets: [{{kind: file, column: load, {dataset}}}]\nseeds: 1\ntuning: false\n"
    text += "".join(f"{key}: {value}\n" for key, value in keys.items())
    return list(expand(load(folder / "suite.yaml", datasets=DATASETS, models=MODELS, text=text)))


def run(cell: Cell) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """The row of `runs`, and the columns of `predictions`."""
    rows = run_cell(cell)
    (row,) = rows["runs"].to_pylist()
    assert row["status"] == "ok", row["reason"]
    return row, {
        name: rows["predictions"][name].to_numpy(zero_copy_only=False) for name in rows["predictions"].schema.names
    }


def by_hand(series: dict[str, FloatArray]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Truth and forecast of the test part of each series, by least squares on the windows of all train parts."""
    inputs, targets, scales = [], [], {}
    for name, values in series.items():
        train = values[: len(values) - round(0.1 * len(values)) - round(0.2 * len(values))]
        scales[name] = (train.min(), np.ptp(train))
        scaled = (train - train.min()) / np.ptp(train)
        windows = sliding_window_view(scaled, T + H)
        inputs.append(windows[:, :T])
        targets.append(windows[:, T:])
    x = np.hstack([np.vstack(inputs), np.ones((sum(map(len, inputs)), 1))])
    weights = np.linalg.lstsq(x, np.vstack(targets), rcond=None)[0]
    found = {}
    for name, values in series.items():
        low, size = scales[name]
        start = len(values) - round(0.2 * len(values))
        forecast = []
        for first in range(start, len(values), H):
            window = (values[first - T : first] - low) / size
            forecast.append((np.append(window, 1.0) @ weights * size + low)[: len(values) - first])
        found[name] = values[start:], np.concatenate(forecast)
    return found


def by_target(stored: dict[str, FloatArray]) -> dict[tuple[int, int], float]:
    return dict(zip(zip(stored["index"], stored["step"], strict=True), stored["prediction"], strict=True))


@pytest.mark.parametrize(("stride", "origins"), [(1, None), (2, 5), (5, 3), (None, 4)])
@pytest.mark.parametrize("transform", ["", ", transform: difference"])
def test_every_series_is_forecast_from_origins_of_its_own(
    tmp_path: Path, stride: int | None, origins: int | None, transform: str
) -> None:
    series, split = laws(), f"{{validation: 0.1, test: 0.2, stride: {stride or 'null'}, origins: {origins or 'null'}}}"
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, f"path: loads.csv, time: time, series: region{transform}", split=split)
    row, stored = run(cell)
    (whole,) = suite_of(tmp_path, f"path: loads.csv, time: time, series: region{transform}")
    known = by_target(run(whole)[1])  # by the same model, from origins one horizon apart
    start, errors = 0, []
    for name, values in series.items():
        own = stored["series"] == name
        first = len(values) - round(0.2 * len(values))
        firsts = [at for at in range(first, len(values) - H + 1) if (at - first) % (stride or H) == 0]
        firsts = firsts[-(origins or len(firsts)) :]
        targets = (np.array(firsts)[:, None] + np.arange(H)).ravel()
        steps = np.tile(np.arange(H) + 1, len(firsts))
        np.testing.assert_array_equal(stored["index"][own], start + targets)
        np.testing.assert_array_equal(stored["step"][own], steps)
        np.testing.assert_allclose(stored["persistence"][own], values[targets - steps], rtol=1e-12)
        errors.append(stored["prediction"][own] - values[targets])
        start += len(values)
    assert row["mse"] == pytest.approx(np.mean(np.concatenate(errors) ** 2), rel=1e-12)
    shared = {key: value for key, value in by_target(stored).items() if key in known}
    assert len(shared) >= 9
    np.testing.assert_allclose([*shared.values()], [known[key] for key in shared], rtol=1e-6)


def test_more_origins_than_a_series_has_are_refused_by_its_name(tmp_path: Path) -> None:
    written(tmp_path / "loads.csv", laws())
    split = "{validation: 0.1, test: 0.2, stride: 1, origins: 17}"
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region", split=split)
    (row,) = run_cell(cell)["runs"].to_pylist()
    assert row["status"] == "invalid_data"
    assert "'south': 18 test points have 16 origins for a horizon of 3 at a stride of 1" in row["reason"]


@pytest.mark.parametrize("mixed", [True, False])
def test_one_linear_model_of_all_series_is_least_squares_on_the_windows_of_all(tmp_path: Path, mixed: bool) -> None:
    series = laws()
    written(tmp_path / "loads.csv", series, mixed=mixed)
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")
    row, stored = run(cell)
    expected = by_hand(series)
    for name, (truth, forecast) in expected.items():
        own = stored["series"] == name
        np.testing.assert_array_equal(stored["truth"][own], truth)
        np.testing.assert_allclose(stored["prediction"][own], forecast, rtol=1e-6)
    errors = np.concatenate([truth - forecast for truth, forecast in expected.values()])
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
    assert row["test_points"] == len(errors) == len(stored["index"])
    assert row["train_windows"] == sum(n - round(0.1 * n) - round(0.2 * n) - T - H + 1 for n in LENGTHS.values())


def test_references_are_of_the_same_series_and_pooled_over_all_targets(tmp_path: Path) -> None:
    series = laws()
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region", season="5")
    row, stored = run(cell)
    lasts, seasons, scaled, ranges = [], [], [], []
    for name, values in series.items():
        count, own = len(values), stored["series"] == name
        start, train = count - round(0.2 * count), count - round(0.1 * count) - round(0.2 * count)
        points = np.arange(start, count)
        steps = (points - start) % H + 1
        np.testing.assert_array_equal(stored["persistence"][own], values[points - steps])
        lasts.append(values[points] - values[points - steps])
        seasons.append(values[points] - values[points - 5])
        error = np.abs(values[points] - stored["prediction"][own])
        scaled.append(error / np.abs(values[5:train] - values[: train - 5]).mean())
        ranges.append(error / np.ptp(values[:start]))
    assert row["persistence_mse"] == pytest.approx(np.mean(np.concatenate(lasts) ** 2), rel=1e-12)
    assert row["seasonal_mse"] == pytest.approx(np.mean(np.concatenate(seasons) ** 2), rel=1e-12)
    assert row["skill"] == pytest.approx(1 - row["mse"] / row["persistence_mse"], rel=1e-12)
    assert row["mase"] == pytest.approx(np.mean(np.concatenate(scaled)), rel=1e-12)
    assert row["rmse_scaled"] == pytest.approx(np.sqrt(np.mean(np.concatenate(ranges) ** 2)), rel=1e-12)


def test_places_are_those_of_the_series_one_after_the_other(tmp_path: Path) -> None:
    series = laws()
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")
    _, stored = run(cell)
    whole = np.concatenate([*series.values()])
    np.testing.assert_array_equal(stored["truth"], whole[stored["index"]])
    assert len(np.unique(stored["index"])) == len(stored["index"])
    assert stored["time"][0] == "128.0"  # of north, which has 160 points


def test_no_window_reaches_from_one_series_into_another(tmp_path: Path) -> None:
    """Values say which series and point they are: every window is a run of one series, and lies in its part."""
    series = {name: 1000.0 * k + np.arange(count) for k, (name, count) in enumerate(LENGTHS.items())}
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region", training="{scaler: none}")
    prepared = prepare(cell, load_data(cell))
    ends: dict[str, list[float]] = {}
    for name, part in (
        ("train", prepared.data.train),
        ("validation", prepared.data.validation),
        ("test", prepared.test),
    ):
        assert isinstance(part, Windows)
        every = np.arange(len(part))
        rows = np.hstack([part.inputs(every)[:, :, 0], part.targets(every)[:, :, 0]])
        steps = np.diff(rows, axis=1)
        assert set(np.unique(steps)) <= {0.0, 1.0}  # 0 where a window overruns its end, and its last target is repeated
        assert (steps[:, :T] == 1).all()
        ends[name] = part.truth()[:, 0].tolist() if name != "train" else rows[:, -1].tolist()
    for k, count in enumerate(LENGTHS.values()):
        test, validation = round(0.2 * count), round(0.1 * count)
        of_test = [value for value in ends["test"] if value // 1000 == k]
        of_validation = [value for value in ends["validation"] if value // 1000 == k]
        assert of_test == [1000 * k + point for point in range(count - test, count)]
        assert of_validation == [1000 * k + point for point in range(count - test - validation, count - test)]
        assert max(v for v in ends["train"] if v // 1000 == k) == 1000 * k + count - test - validation - 1


def test_one_model_of_each_is_what_a_file_of_each_gives(tmp_path: Path) -> None:
    series = laws()
    written(tmp_path / "loads.csv", series)
    local = suite_of(tmp_path, "id: load, path: loads.csv, time: time, series: region, fit: local")
    assert [cell.dataset.id for cell in local] == ["load@north", "load@south", "load@east"]
    for cell, (name, values) in zip(local, series.items(), strict=True):
        written(tmp_path / f"{name}.csv", {name: values})
        (alone,) = suite_of(tmp_path, f"path: {name}.csv, time: time")
        (row, stored), (other, own) = run(cell), run(alone)
        assert row["rmse"] == pytest.approx(other["rmse"], rel=1e-9)
        np.testing.assert_allclose(stored["prediction"], own["prediction"], rtol=1e-9)
        assert row["mase"] == pytest.approx(other["mase"], rel=1e-9)


def test_a_dataset_of_each_series_is_the_one_that_where_states(tmp_path: Path) -> None:
    written(tmp_path / "loads.csv", laws())
    local = suite_of(tmp_path, "id: load, path: loads.csv, time: time, series: region, fit: local")
    (stated,) = suite_of(tmp_path, "id: it, path: loads.csv, time: time, where: {region: south}")
    assert local[1].dataset.parameters == stated.dataset.parameters
    assert len({cell.id for cell in local}) == 3


@pytest.mark.parametrize("dataset", ["transform: difference", "known_future: hour"])
def test_one_series_under_its_name_is_the_series(tmp_path: Path, dataset: str) -> None:
    """Two copies of one series have its windows twice: what is fitted by least squares is the same."""
    random = np.random.default_rng(3)
    values = 20 + np.sin(np.arange(120) / 4) + random.normal(size=120) / 4
    lines = [f"2024-01-{1 + t // 24:02}T{t % 24:02}:00:00" for t in range(120)]
    text = "time,region,load\n"
    both = [f"{line},{name},{value!r}\n" for name in "ab" for line, value in zip(lines, values.tolist(), strict=True)]
    (tmp_path / "both.csv").write_text(text + "".join(both))
    (tmp_path / "one.csv").write_text(text + "".join(both[:120]))
    (of_both,) = suite_of(tmp_path, f"path: both.csv, time: time, series: region, {dataset}")
    (of_one,) = suite_of(tmp_path, f"path: one.csv, time: time, {dataset}")
    (row, stored), (single, own) = run(of_both), run(of_one)
    assert row["test_points"] == 2 * single["test_points"] == 48
    for name in "ab":
        chosen = stored["series"] == name
        np.testing.assert_array_equal(stored["truth"][chosen], own["truth"])
        whole = own["step"] <= 24 // H * H
        np.testing.assert_allclose(stored["prediction"][chosen][whole], own["prediction"][whole], rtol=1e-6)


def test_other_values_in_one_test_part_leave_all_that_is_trained_on(tmp_path: Path) -> None:
    series = laws()
    written(tmp_path / "a.csv", series)
    changed = {name: values.copy() for name, values in series.items()}
    changed["north"][-20:] += 100
    written(tmp_path / "b.csv", changed)
    pairs = [suite_of(tmp_path, f"path: {name}.csv, time: time, series: region")[0] for name in "ab"]
    one, other = (prepare(cell, load_data(cell)) for cell in pairs)
    every = slice(None)
    np.testing.assert_array_equal(
        one.data.train.inputs(np.arange(len(one.data.train))), other.data.train.inputs(np.arange(len(one.data.train)))
    )
    assert one.data.validation is not None
    assert other.data.validation is not None
    np.testing.assert_array_equal(one.data.validation.targets(every), other.data.validation.targets(every))
    assert not np.array_equal(one.test.truth(), other.test.truth())


def test_what_is_arranged_is_not_arranged_again(tmp_path: Path) -> None:
    written(tmp_path / "loads.csv", laws())
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")
    once = arranged(cell, load_data(cell))
    assert isinstance(once, ArrangedSeries)
    assert arranged(cell, once) is once


def test_a_series_that_is_too_short_is_named_with_its_length(tmp_path: Path) -> None:
    series = laws()
    series["south"] = series["south"][:11]
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")
    (row,) = run_cell(cell)["runs"].to_pylist()
    assert row["status"] == "invalid_data"
    assert "'south': 11 points leave 8 for train" in row["reason"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": "[ets]"}, "does not apply: it reads the whole history of one series"),
        ({"models": "[{kind: gru, carries_state: true}]"}, "does not apply: carries_state"),
        ({"split": "{test: 0.2, refit: true}"}, "expected one series, which split: refit is about, got several"),
        ({"as_published": "{split: apart}"}, "expected one series, which as_published: split: apart is about"),
    ],
)
def test_what_is_about_one_series_is_refused_in_one_line(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    written(tmp_path / "loads.csv", laws())
    with pytest.raises(SuiteError, match=message):
        suite_of(tmp_path, "path: loads.csv, time: time, series: region", **changes)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("series: regoin", "unknown column 'regoin'"),
        ("series: time", "expected series to be a column of its own, got 'time' twice"),
        ("fit: local", "fit: local is about several series; state series"),
    ],
)
def test_a_column_of_names_that_is_none_is_refused(tmp_path: Path, dataset: str, message: str) -> None:
    written(tmp_path / "loads.csv", laws())
    with pytest.raises(InputError, match=message):
        load_data(suite_of(tmp_path, f"path: loads.csv, time: time, {dataset}")[0])


def test_a_row_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loads.csv").write_text(
        "time,region,load\n" + "".join(f"{t},{'' if t == 7 else 'a'},{t}\n" for t in range(40))
    )
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")
    (row,) = run_cell(cell)["runs"].to_pylist()
    assert row["reason"].endswith("expected the name of a series, got ''; name it, or leave the row out")


@pytest.mark.parametrize(
    "dataset", ["", ", transform: difference", ", known_future: pace", ", columns: [load, pace], target: load"]
)
def test_leaks_are_looked_for_in_several_series(tmp_path: Path, dataset: str) -> None:
    random = np.random.default_rng(5)
    lines = [f"{t},{name},{random.normal()!r},{random.normal()!r}\n" for name in ("a", "b") for t in range(150)]
    (tmp_path / "loads.csv").write_text("time,region,load,pace\n" + "".join(lines))
    column = "" if "columns" in dataset else "column: load, "
    text = f"name: several\ndatasets: [{{kind: file, {column}path: loads.csv, time: time, series: region{dataset}}}]\n"
    text += f"models: [linear-ar]\nseeds: 1\ntuning: false\nsequence_lengths: [{T}]\nhorizons: [{H}]\n"
    (cell,) = expand(load(tmp_path / "suite.yaml", datasets=DATASETS, models=MODELS, text=text))
    found = {each.canary.name: each.outcome for each in watch([cell], CANARIES.values(), CheckBudget(rounds=1))}
    end_to_end = found.pop("end-to-end")
    assert end_to_end.verdict is CheckVerdict.DOES_NOT_APPLY
    assert "several series" in end_to_end.words
    assert {name: each.verdict for name, each in found.items()} == dict.fromkeys(found, CheckVerdict.QUIET), found


def test_a_scaler_that_sees_the_test_part_of_one_series_raises_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "loads.csv", laws())
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")

    def of_all(series: ArrangedSeries, fit: Any, inputs: FloatArray) -> Any:
        return several._by_member([fit(inputs[own]) for own in series.each(slice(0, len(series)))], series.member)

    monkeypatch.setattr(several, "scaler_of_each", of_all)
    (result,) = watch([cell], [CANARIES["scaler"]], CheckBudget())
    assert result.outcome.verdict is CheckVerdict.ALARM


def test_the_report_has_the_errors_of_each_series(tmp_path: Path) -> None:
    series = laws()
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region")
    _, stored = run(cell)
    own = series_errors(run_cell(cell)["predictions"])
    assert own is not None
    for name, rmse, persistence, targets in zip(own.series, own.rmse, own.persistence, own.targets, strict=True):
        truth, forecast = by_hand(series)[name]
        chosen = stored["series"] == name
        last = np.sqrt(np.mean((stored["persistence"][chosen] - truth) ** 2))
        assert (rmse, persistence) == pytest.approx((np.sqrt(np.mean((truth - forecast) ** 2)), last), rel=1e-6)
        assert targets == len(truth)
    assert (np.diff(own.skill) >= 0).all()
    errors = np.concatenate([truth - forecast for truth, forecast in by_hand(series).values()])
    assert own.pooled[0] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)


@pytest.mark.parametrize("timed", ["time: time, ", ""])
def test_tests_over_the_window_take_what_happens_at_one_moment_together(tmp_path: Path, timed: str) -> None:
    series = laws()
    written(tmp_path / "loads.csv", series, mixed=False)
    (cell,) = suite_of(tmp_path, f"path: loads.csv, {timed}series: region")
    row, stored = run(cell)
    own = losses(run_cell(cell)["predictions"])
    assert own is not None
    squares = (stored["truth"] - stored["prediction"]) ** 2
    if timed:
        moments = stored["time"].astype(float)
    else:
        begins = dict(zip(LENGTHS, np.cumsum([0, *LENGTHS.values()]), strict=False))
        ends = np.array([begins[name] + LENGTHS[name] for name in stored["series"]])
        moments = stored["index"] - ends
    by_hand = np.array([squares[moments == each].sum() for each in np.unique(moments)])
    np.testing.assert_allclose(own.model, by_hand / by_hand.mean() * row["mse"], rtol=1e-9)
    assert len(own.index) == len(np.unique(own.index)) == len(by_hand)
    assert (len(own.model), own.unit) == (32 + 18 + 24 if timed else 32, "moment")  # test parts that are apart in time


@pytest.mark.parametrize("common", [0.0, 0.9])
def test_shocks_that_all_series_share_are_seen_once(common: float) -> None:
    """Two forecasts of one skill are called different in about 5 % of the cases, whatever the series share."""
    random = np.random.default_rng(1)
    rejected = 0
    for _ in range(120):
        shared, apart = random.normal(size=(2, 1, 40)), random.normal(size=(2, 10, 40))
        one, other = np.sqrt(common) * shared + np.sqrt(1 - common) * apart
        rows = {
            "index": np.arange(400),
            "series": np.repeat([f"s{k}" for k in range(10)], 40),
            "time": np.tile(np.arange(40.0).astype(str), 10),
            "truth": np.zeros(400),
            "prediction": one.ravel(),
            "persistence": other.ravel(),
            "horizon": np.ones(400, np.int64),
            "seed": np.zeros(400, np.int64),
            "channel": np.zeros(400, np.int64),
            "step": np.ones(400, np.int64),
        }
        own = losses(pa.table(rows))
        assert own is not None
        rejected += bool(over_window(own.model, own.persistence).p < 0.05)
    assert rejected <= 15  # of 120 at 5 %: 6, and more than 15 by chance in 0.03 %; one after another: about 75


def test_no_delay_is_said_where_one_series_follows_another(tmp_path: Path) -> None:
    """Persistence is one point late on each series; the jump from one level to the next would hide it."""
    series = laws()
    written(tmp_path / "loads.csv", series)
    keys = {"models": "[persistence]", "horizons": "[1]"}
    (cell,) = suite_of(tmp_path, "path: loads.csv, time: time, series: region", **keys)
    shown = trace(run_cell(cell)["predictions"])
    assert shown.delay is None
    assert (np.diff(shown.time) > 0).all()  # positions: times would go back
    (alone,) = suite_of(tmp_path, "path: loads.csv, time: time, where: {region: north}", **keys)
    one = trace(run_cell(alone)["predictions"])
    assert one.delay is not None
    assert one.delay.steps == 1


def test_pages_and_csv_list_the_worst_series_first(tmp_path: Path) -> None:
    written(tmp_path / "loads.csv", laws())
    cells = suite_of(tmp_path, "id: it, path: loads.csv, time: time, series: region", models="[persistence, linear-ar]")
    with store.writing(tmp_path / "results") as writer:
        for cell in cells:
            writer.put(run_cell(cell))
    files = pages(read(tmp_path / "results"))
    by_series = list(csv.DictReader(io.StringIO(str(files["series.csv"]))))
    linear = [row for row in by_series if row["model"] == "linear-ar"]
    skills = [float(row["skill"]) for row in linear]
    assert skills == sorted(skills)
    assert {row["series"] for row in linear} == set(LENGTHS)
    for page in (str(files["index.html"]), str(files["report.md"])):
        rows = page[page.index("Errors by series on it") :]
        places = [rows.index(row["series"]) for row in linear]
        assert places == sorted(places)


def test_errors_of_a_model_for_each_series_are_pooled_too(tmp_path: Path) -> None:
    written(tmp_path / "loads.csv", laws())
    local = "id: it, path: loads.csv, time: time, series: region, fit: local"
    cells = suite_of(tmp_path, local, models="[persistence, linear-ar]")
    squares, stored = {}, {}
    with store.writing(tmp_path / "results") as writer:
        for cell in cells:
            writer.put(rows := run_cell(cell))
            errors = rows["predictions"]["prediction"].to_numpy() - rows["predictions"]["truth"].to_numpy()
            squares[cell.dataset.id, cell.model.id] = errors**2
            stored[cell.dataset.id, cell.model.id] = rows["runs"]["rmse"][0].as_py()
    source = read(tmp_path / "results")
    (fits,) = summarise(source).local_fits
    assert (fits.dataset, fits.horizon) == ("it@*", H)
    assert {each.model for each in fits.errors} == {"persistence", "linear-ar"}
    for each in fits.errors:
        own = np.concatenate([squares[f"it@{name}", each.model] for name in LENGTHS])
        assert each.pooled[0] == pytest.approx(np.sqrt(own.mean()), rel=1e-12)
        assert dict(zip(each.series, each.targets.tolist(), strict=True)) == {"north": 32, "south": 18, "east": 24}
        for name, rmse in zip(each.series, each.rmse, strict=True):
            assert rmse == pytest.approx(stored[f"it@{name}", each.model], rel=1e-12)
    files = pages(source)
    assert sum(row["dataset"] == "it@*" for row in csv.DictReader(io.StringIO(str(files["series.csv"])))) == 6
    for page in (str(files["index.html"]), str(files["report.md"])):
        assert "Errors by series on it@" in page.replace("\\", "")


@pytest.mark.parametrize("column", ["region", "2"])
def test_names_may_be_whole_numbers_and_their_column_may_be_given_by_its_number(tmp_path: Path, column: str) -> None:
    series = dict(zip(("7", "12"), laws().values(), strict=False))
    written(tmp_path / "loads.csv", series)
    (cell,) = suite_of(tmp_path, f"path: loads.csv, time: time, series: {column}")
    _, stored = run(cell)
    assert list(dict.fromkeys(stored["series"])) == ["7", "12"]
    local = suite_of(tmp_path, f"id: load, path: loads.csv, time: time, series: {column}, fit: local")
    assert [each.dataset.parameters["where"] for each in local] == [{"region": "7"}, {"region": "12"}]
    assert run(local[1])[0]["test_points"] == 18 == (stored["series"] == "12").sum()
