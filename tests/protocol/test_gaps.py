"""Windows over a series with gaps, constant parts, and moments: from a file to the stored rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from pyarrow import parquet

from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.models import MODELS
from bench.protocol.prepare import load_data, prepare
from bench.protocol.windows import Parts, Scaler, Windows, evaluation_windows, train_windows
from bench.running.cell import run_cell
from bench.suite.load import load

FILES = Path(__file__).parents[1] / "data" / "files"


def cell(dataset: str, **changes: Any) -> Cell:
    """A cell of the persistence forecast on a file; `changes` are keys of the suite."""
    text = f"name: gaps\ndatasets: [{{kind: file, {dataset}}}]\nseeds: 1\ntuning: false\n"
    text += "".join(
        f"{key}: {value}\n" for key, value in ({"models": "[persistence]", "sequence_lengths": "[5]"} | changes).items()
    )
    (one,) = expand(load(FILES / "suite.yaml", datasets=DATASETS, models=MODELS, text=text))
    return one


breaks = st.lists(st.integers(1, 59), max_size=4, unique=True).map(sorted)


@given(breaks, st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_no_train_window_reaches_across_a_gap_and_none_is_left_out(at: list[int], length: int, horizon: int) -> None:
    windows = train_windows(np.arange(60.0)[:, None], Parts(40, 50, 60), length, horizon).between(at)
    whole = [
        first
        for first in range(length, 40 - horizon + 1)
        if not any(first - length < gap < first + horizon for gap in at)
    ]
    assert list(windows.places) == whole
    if whole:
        every = np.arange(len(whole))
        np.testing.assert_array_equal(windows.inputs(every)[:, -1, 0], np.array(whole) - 1.0)
        np.testing.assert_array_equal(windows.inputs(slice(None)), windows.inputs(every))
        np.testing.assert_array_equal(windows.targets(every)[:, :, 0], np.array(whole)[:, None] + np.arange(horizon))


@given(breaks, st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_every_point_that_has_a_whole_window_before_it_is_predicted_once(
    at: list[int], length: int, horizon: int
) -> None:
    windows = evaluation_windows(np.arange(60.0)[:, None], slice(30, 60), length, horizon).between(at)
    after = [max((gap for gap in at if gap <= point), default=-length) for point in range(60)]
    reachable = [point for point in range(30, 60) if point - after[point] >= length]
    if not reachable:
        assert len(windows) == 0
        return
    assert windows.index.tolist() == reachable
    assert windows.points == len(reachable)
    np.testing.assert_array_equal(windows.truth()[:, 0], reachable)
    np.testing.assert_array_equal(windows.assemble(windows.targets(slice(None)))[:, 0], reachable)
    np.testing.assert_array_equal(windows.inputs(slice(None))[:, -1, 0], windows.first_targets(slice(None)) - 1)
    for first, inputs in zip(windows.first_targets(slice(None)), windows.inputs(slice(None)), strict=True):
        assert not any(inputs[0, 0] < gap <= first for gap in at)


def test_a_file_with_gaps_is_forecast_between_them() -> None:
    one = cell("path: gaps-below-max-gap.csv, column: load, time: time")
    rows = run_cell(one)
    run = rows["runs"].to_pylist()[0]
    assert run["data_notes"] == "3 gaps among 176 points: no window reaches across one"
    raw = np.loadtxt(FILES / "gaps-below-max-gap.csv", delimiter=",", skiprows=1, usecols=1)
    targets = [point for point in range(141, 176) if not 154 <= point < 159]  # a gap before 154, windows of 5 points
    assert run["test_points"] == len(targets) == 30
    assert rows["predictions"]["index"].to_pylist() == targets
    moves = raw[targets] - raw[np.array(targets) - 1]
    assert run["rmse"] == pytest.approx(np.sqrt(np.mean(moves**2)), rel=1e-12)


def test_windows_reach_across_gaps_where_that_is_requested() -> None:
    one = cell("path: gaps-below-max-gap.csv, column: load, time: time, across_gaps: true")
    run = run_cell(one)["runs"].to_pylist()[0]
    assert run["test_points"] == 35
    assert run["data_notes"] == "3 gaps among 176 points: windows reach across them (across_gaps)"


def test_parts_without_a_window_between_gaps_are_refused() -> None:
    one = cell("path: gaps-below-max-gap.csv, column: load, time: time", sequence_lengths="[30]", split="{test: 20}")
    run = run_cell(one)["runs"].to_pylist()[0]
    assert run["status"] == "invalid_data"
    assert "expected a window of 30 + 1 points without a gap in the test part, got none" in run["reason"]


def test_moments_are_stored_with_their_zone() -> None:
    one = cell("path: offset-times-lose-zone.csv, column: x, time: t", sequence_lengths="[3]")
    times = run_cell(one)["predictions"]["time"].to_pylist()
    assert times == ["2024-01-01T02:30:00.000000Z", "2024-01-01T03:30:00.000000Z"]  # 08:00 and 09:00 at +05:30


def test_large_integers_are_right_once_an_offset_is_subtracted(tmp_path: Path) -> None:
    table = parquet.read_table(FILES / "integers-beyond-2-53-parquet.parquet")
    exact = table["x"].to_pylist()
    assert (exact[0], exact[-1], len(exact)) == (1600000000000000140, 1600000000000012446, 100)
    path = tmp_path / "mine.parquet"
    parquet.write_table(pa.table({"t": table["t"], "x": [value - exact[0] for value in exact]}), path)
    run = run_cell(cell(f"path: {path}, column: x, time: t"))["runs"].to_pylist()[0]
    squares = [(exact[at] - exact[at - 1]) ** 2 for at in range(80, 100)]
    assert run["rmse"] == pytest.approx((sum(squares) / 20) ** 0.5, rel=1e-12)
    assert f"{run['rmse']:.2f}" == "129.48"


def test_times_without_a_zone_are_stored_without_one() -> None:
    one = cell("path: month-only-dates.csv, column: Passengers, time: Month")
    assert run_cell(one)["predictions"]["time"].to_pylist()[-1] == "1960-12-01T00:00:00.000000"


@pytest.mark.parametrize("kind", ["minmax", "symmetric", "standard"])
@pytest.mark.parametrize("level", [14.62, -1e9 / 3, 1e-12, 0.0])
def test_a_part_of_equal_values_has_scale_1(kind: str, level: float) -> None:
    values = np.full((100, 1), level)
    assert Scaler.fit(kind, values).scale.tolist() == [1.0]
    values[::2] = np.nextafter(level, np.inf) if level else 0.0  # rounding alone
    assert Scaler.fit(kind, values).scale.tolist() == [1.0]


@pytest.mark.parametrize("kind", ["minmax", "symmetric", "standard"])
def test_small_changes_of_a_high_level_are_no_rounding(kind: str) -> None:
    values = 1e6 + np.arange(10.0)[:, None] * 1e-6
    assert Scaler.fit(kind, values).scale[0] < 1e-5


def test_a_constant_train_part_is_scaled_by_1() -> None:
    one = cell(
        "path: constant-train-standard-scaler.csv, column: x",
        split="{validation: 40, test: 60}",
        training="{scaler: standard}",
    )
    prepared = prepare(one, load_data(one))
    assert prepared.scaler.scale.tolist() == [1.0]
    assert prepared.scaler.offset == pytest.approx(14.62, rel=1e-15)
    assert np.abs(prepared.test.truth()).max() < 100


def test_a_view_stays_a_view_where_there_is_no_gap() -> None:
    windows = Windows(np.arange(20.0)[:, None], range(5, 20), 20, 5, 1).between((25,))
    assert np.shares_memory(windows.inputs(slice(None)), windows.values)


@pytest.mark.parametrize("carries", [True, False])
def test_state_is_not_carried_across_gaps(carries: bool) -> None:
    one = cell(
        "path: gaps-below-max-gap.csv, column: load, time: time",
        models=f"[{{kind: lstm, hidden_size: 2, carries_state: {str(carries).lower()}}}]",
        training="{epochs: 1}",
    )
    run = run_cell(one)["runs"].to_pylist()[0]
    assert run["status"] == ("invalid_data" if carries else "ok")
    assert not carries or "expected a train part without gaps in time, since carries_state" in run["reason"]
