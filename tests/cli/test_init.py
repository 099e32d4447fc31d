"""``bench init``: a suite for a file, which loads as it is written and says why it says what it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bench as api

Bench = Callable[..., Any]


@pytest.fixture
def hourly(folder: Path) -> Path:
    """Twenty days of a load with a daily season, its temperature, and a hole."""
    hours = np.arange(480)
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"when (time)": pd.date_range("2024-01-01", periods=480, freq="h")})
    frame["temperature"] = 10 + random.normal(size=480)
    frame["load"] = 50 + 10 * np.sin(2 * np.pi * hours / 24) + random.normal(size=480)
    frame["remark"] = "ok"
    path = folder / "my load 2024.csv"
    frame.to_csv(path, index=False)
    return path


def test_it_proposes_the_likeliest_column_the_season_and_lengths_that_fit(bench: Bench, hourly: Path) -> None:
    ended = bench("init", str(hourly))
    assert (ended.status, ended.err) == (0, "")
    assert "480 points of the column 'load'; temperature can be read too" in ended.out
    assert "a season of 24 points" in ended.out
    suite = api.load("my-load-2024.yaml")
    (dataset,) = suite.datasets
    assert dataset.parameters["column"] == "load"
    assert dataset.parameters["time"] == "when (time)"
    assert suite.sequence_lengths == (10, 24, 30, 100)
    assert suite.season == 24
    assert [model.id for model in suite.models] == ["persistence", "linear-ar", "lstm", "gru"]


def test_what_it_writes_runs(bench: Bench, hourly: Path) -> None:
    bench("init", str(hourly))
    ended = bench(
        "run", "my-load-2024.yaml", "--only", "model=linear-ar", "--only", "sequence_length=24", "--no-report"
    )
    assert ended.status == 0, ended.err
    assert bench("show", "linear-ar").out.splitlines()[1].split()[:3] == ["my-load-2024", "linear-ar", "24"]


def test_a_walk_has_no_season_and_a_column_may_be_named(bench: Bench, folder: Path) -> None:
    walk = pd.DataFrame({"a": np.random.default_rng(2).normal(size=300).cumsum(), "b": np.arange(300.0) ** 1.5})
    walk.to_csv(folder / "walk.csv", index=False)
    out = bench("init", "walk.csv", "--column", "a").out
    assert "no column of times was recognised: by order" in out
    assert "no season shows" in out
    assert api.load("walk.yaml").season is None
    assert "did you mean 'a'?" in bench("init", "walk.csv", "--column", "aa", "--folder", "other").err


def test_holes_are_filled_from_before_and_that_is_said(bench: Bench, folder: Path) -> None:
    values = np.random.default_rng(3).normal(size=300)
    values[40] = np.nan
    pd.DataFrame({"value": values}).to_csv(folder / "holes.csv", index=False)
    assert "missing values: the one before them" in bench("init", "holes.csv").out
    assert api.load("holes.yaml").datasets[0].parameters["missing"] == "forward-fill"


def test_nothing_is_overwritten_and_what_cannot_be_used_is_refused(bench: Bench, folder: Path, hourly: Path) -> None:
    bench("init", str(hourly))
    before = (folder / "my-load-2024.yaml").read_text()
    again = bench("init", str(hourly))
    assert again.status == 2
    assert "expected no file of that name" in again.err
    assert (folder / "my-load-2024.yaml").read_text() == before
    pd.DataFrame({"value": range(50)}).to_csv(folder / "short.csv", index=False)
    assert "expected a series of at least 157 points" in bench("init", "short.csv").err
    pd.DataFrame({"name": ["a", "b", "c"]}).to_csv(folder / "words.csv", index=False)
    assert "expected a number" in bench("init", "words.csv").err


def test_a_column_of_times_is_recognised_by_its_values(bench: Bench, folder: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=300, freq="h")
    values = np.random.default_rng(4).normal(size=300)
    pd.DataFrame({"when": hours, "kw": values, "place": "here"}).to_csv(folder / "kw.csv", index=False)
    assert "times: the column 'when'" in bench("init", "kw.csv").out
    assert api.load("kw.yaml").datasets[0].parameters["time"] == "when"


def test_a_file_of_semicolons_and_decimal_commas(bench: Bench, hourly: Path) -> None:
    frame = pd.read_csv(hourly, parse_dates=["when (time)"])
    frame["when (time)"] = frame["when (time)"].dt.strftime("%d.%m.%Y %H:%M")
    frame.to_csv("german.csv", sep=";", decimal=",", index=False)
    ended = bench("init", "german.csv")
    assert (ended.status, ended.err) == (0, "")
    assert "480 points of the column 'load'; temperature can be read too" in ended.out
    assert 'separator: ";"' in ended.out
    assert api.load("german.yaml").season == 24
