"""Seasons: detected on the train part, repeated as a second reference, and the unit of MASE; against plain loops."""

from pathlib import Path

import numpy as np
import pytest

import bench
from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.errors import InputError
from bench.models import MODELS
from bench.protocol.metrics import mase
from bench.protocol.seasons import detected_period, naive_scale, one_season_ago
from bench.reporting import tables
from bench.running.cell import run_cell
from bench.suite.load import load


def seasonal(count: int, *, period: int = 24, noise: float = 0.3, seed: int = 0) -> np.ndarray:
    random, time = np.random.default_rng(seed), np.arange(count)
    return np.sin(2 * np.pi * time / period) + 0.003 * time + noise * random.normal(size=count)


def cell(more: str, *, horizon: int = 5, model: str = "linear-ar") -> Cell:
    text = f"name: s\ndatasets: [{{id: two, kind: two-tone, length: 600}}]\nmodels: [{model}]\nhorizons: [{horizon}]\n"
    text += f"sequence_lengths: [8]\nseeds: 1\ntuning: false\nsplit: {{validation: 60, test: 120}}\n{more}"
    (one,) = expand(load(Path("s.yaml"), datasets=DATASETS, models=MODELS, text=text))
    return one


@pytest.mark.parametrize("period", [7, 12, 24, 52])
def test_a_season_is_detected_under_a_trend_and_noise(period: int) -> None:
    detected = [detected_period(seasonal(900, period=period, seed=seed)[:, None]) for seed in range(5)]
    assert all(abs((each or 0) - period) <= (period > 24) for each in detected)  # the top of a long wave is flat


@pytest.mark.parametrize(("count", "period"), [(60, 20), (98, 24), (98, 30), (140, 24), (140, 46)])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_three_clean_seasons_are_enough(count: int, period: int, noise: float) -> None:
    time, random = np.arange(count), np.random.default_rng(6)
    values = 50 + 0.02 * time + np.sin(2 * np.pi * time / period) + noise * random.normal(size=count)
    assert detected_period(values[:, None]) == pytest.approx(period, abs=2 * (noise > 0))


@pytest.mark.parametrize("count", [30, 98, 140])
@pytest.mark.parametrize("sums", [0, 1, 2])
def test_few_points_without_a_season_have_none(count: int, sums: int) -> None:
    random, found = np.random.default_rng(5), 0
    for _ in range(100):
        values = random.normal(size=(count, 1))
        for _ in range(sums):
            values = values.cumsum(axis=0)
        found += detected_period(values) is not None
    assert found <= 5


@pytest.mark.parametrize("memory", [0.0, 0.8, 1.0])
def test_where_there_is_no_season_none_is_detected(memory: float) -> None:
    random = np.random.default_rng(4)
    made = []
    for _ in range(100):
        values = [0.0]
        for shock in random.normal(size=500):
            values.append(memory * values[-1] + shock)
        made.append(detected_period(np.array(values)[:, None]))
    assert sum(each is not None for each in made) <= 5


def test_of_a_series_that_never_changes_or_is_short_nothing_is_detected() -> None:
    assert detected_period(np.full((50, 1), 3.0)) is None
    assert detected_period(np.arange(8.0)[:, None]) is None
    assert detected_period((2.5 * np.arange(90.0) + 7)[:, None]) is None  # a trend alone


def test_the_value_one_season_ago_is_never_after_the_origin() -> None:
    values, origin, period = np.arange(100.0)[:, None], 60, 4
    steps = np.arange(1, 12)
    naive = one_season_ago(values, origin + steps, steps, period)[:, 0]
    season = values[origin - period + 1 : origin + 1, 0]
    assert naive.tolist() == [season[(step - 1) % period] for step in range(1, 12)]


@pytest.mark.parametrize("period", [1, 3, 7])
@pytest.mark.parametrize("breaks", [[], [20, 33]])
def test_the_unit_of_mase_is_that_of_a_loop(period: int, breaks: list[int]) -> None:
    train = np.random.default_rng(0).normal(size=(50, 2))
    changes: list[list[float]] = [[], []]
    for t in range(period, 50):
        if not any(t - period < gap <= t for gap in breaks):
            for channel in range(2):
                changes[channel].append(abs(train[t, channel] - train[t - period, channel]))
    expected = [sum(own) / len(own) for own in changes]
    np.testing.assert_allclose(naive_scale(train, period, np.array(breaks, np.int64)), expected, rtol=1e-12)


@pytest.mark.parametrize(("line", "season"), [("", None), ("season: 19\n", 19), ("season: detect\n", 15)])
def test_stored_numbers_are_those_of_a_hand_written_loop(line: str, season: int | None) -> None:
    one = cell(line)
    rows = run_cell(one)
    (run,) = rows["runs"].to_pylist()
    series = DATASETS["two-tone"].load(one.dataset.parsed(DATASETS["two-tone"].parameters), 0).values[:, 0].tolist()
    unit = season or 1
    train = series[: 600 - 60 - 120]
    scale = sum(abs(train[t] - train[t - unit]) for t in range(unit, len(train))) / (len(train) - unit)
    errors, squares = [], []
    for row in rows["predictions"].to_pylist():
        errors.append(abs(row["truth"] - row["prediction"]))
        origin = row["index"] - row["step"]
        if season:
            squares.append((series[origin - season + 1 + (row["step"] - 1) % season] - row["truth"]) ** 2)
    assert run["season"] == season
    assert run["mase"] == pytest.approx(sum(errors) / len(errors) / scale, rel=1e-12)
    if season:
        assert run["seasonal_mse"] == pytest.approx(sum(squares) / len(squares), rel=1e-12)
    else:
        assert run["seasonal_mse"] is None


def test_the_test_part_has_no_say_in_the_season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train = seasonal(400, period=12)
    later = np.concatenate([train, seasonal(100, period=30)])
    path = "x.csv"
    text = f"name: s\ndatasets: [{{kind: file, path: {path}, column: x}}]\nmodels: [mean]\nseason: detect\nseeds: 1\n"
    text += "tuning: false\nsplit: {validation: 50, test: 100}\nsequence_lengths: [5]\n"
    seasons = []
    for values in (later, np.concatenate([later[:350], np.random.default_rng(9).normal(size=150)])):
        Path(path).write_text("x\n" + "".join(f"{value!r}\n" for value in values.tolist()))
        (one,) = expand(load(Path("s.yaml"), datasets=DATASETS, models=MODELS, text=text))
        seasons.append(run_cell(one)["runs"]["season"].to_pylist())
    assert seasons == [[12], [12]]


def test_a_train_part_that_never_changes_has_no_mase() -> None:
    unit = naive_scale(np.ones((20, 1)), 1, np.array([], np.int64))
    assert np.isnan(mase(np.ones(3), np.zeros(3), unit))
    with np.errstate(over="ignore"):
        assert np.isnan(mase(np.ones(3), np.full(3, 1e300), np.array([1e-300])))
    assert mase(np.ones((3, 1)), np.zeros((3, 1)), np.array([0.5])) == 2


def test_a_model_that_is_shown_true_values_is_compared_with_the_value_one_season_ago() -> None:
    one = cell("season: 3\ntraining: {epochs: 1}\n", model="{kind: encoder-decoder, prediction: teacher-forced}")
    rows = run_cell(one)
    series = DATASETS["two-tone"].load(one.dataset.parsed(DATASETS["two-tone"].parameters), 0).values[:, 0]
    index = rows["predictions"]["index"].to_numpy()
    expected = np.mean((series[index] - series[index - 3]) ** 2)
    assert rows["runs"]["seasonal_mse"][0].as_py() == pytest.approx(expected, rel=1e-12)


def written(folder: Path, line: str, dataset: str = "{id: two, kind: two-tone, length: 600}") -> Path:
    path = folder / "s.yaml"
    text = f"name: s\ndatasets: [{dataset}]\nmodels: [persistence, mean]\n{line}\ntuning: false\nseeds: 1\n"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("season: 1", "expected at least 2 points in a season, got 1: with 1 this is persistence; leave it out"),
        ("season: 0", "expected at least 2 points in a season, got 0"),
        ("season: weekly", "season"),
    ],
)
def test_other_seasons_are_refused(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"s\.yaml:4:") as caught:
        bench.load(written(tmp_path, line))
    assert said in str(caught.value)


def test_a_season_needs_a_series_that_is_longer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"season: expected a series, .* got adding"):
        bench.load(written(tmp_path, "season: 5", "adding"))
    with pytest.raises(InputError, match=r"a season within the train part, which has 420 points, got season: 420"):
        bench.run(written(tmp_path, "season: 420"), results=tmp_path / "results", jobs=1)


def test_a_season_is_part_of_a_cell_where_it_is_stated() -> None:
    assert "season" not in cell("").spec
    assert len({cell(line).id for line in ("", "season: 5\n", "season: 6\n", "season: detect\n")}) == 4


def test_the_report_has_both(tmp_path: Path) -> None:
    results = bench.run(written(tmp_path, "season: 38\nhorizons: [4]"), results=tmp_path / "results", jobs=1)
    (section,) = results.summary.sections
    runs = results.runs.set_index("model")
    assert section.season == 38
    assert section.seasonal_rmse == pytest.approx(np.sqrt(runs["seasonal_mse"]["mean"]))
    table = tables.errors(section, name="e")
    titles = [f"{column.title} {column.unit}".strip() for column in table.columns]
    for row in table.rows:
        own = runs.loc[row[0].text]
        assert row[titles.index("MASE")].order == pytest.approx(own["mase"])
        assert row[titles.index("Skill against season 38")].order == pytest.approx(1 - own.mse / own.seasonal_mse)
