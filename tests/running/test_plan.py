"""What is pending: cells minus stored, data looked at beforehand, and what `--fresh` and `--failed-only` change."""

from __future__ import annotations

import dataclasses
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import store
from bench.cells import Cell
from bench.data.base import DatasetKind, Parameters, Provenance, Series
from bench.errors import DataError, DataUnavailable, InputError
from bench.running import plan
from bench.running.plan import Plan, prepare
from bench.running.rows import failed
from bench.spec import Entry
from bench.store.schema import Rows, Status, table

MakeCell = Callable[..., Cell]


class Sources:
    """Invented kinds of datasets; what they do is set by test."""

    def __init__(self) -> None:
        self.sha256: str | Exception | None = None
        self.points: int | Exception = 50
        self.loads = 0
        self.made: list[weakref.ref[Series]] = []

    def kind(self) -> DatasetKind:
        return DatasetKind("", Parameters, self.load, self.fingerprint)

    def fingerprint(self, _: Any) -> str:
        if isinstance(self.sha256, Exception):
            raise self.sha256
        return str(self.sha256)

    def load(self, _: Any, _seed: int) -> Series:
        self.loads += 1
        if isinstance(self.points, Exception):
            raise self.points
        series = Series(np.zeros((self.points, 1)), Provenance("", "abc"))
        self.made.append(weakref.ref(series))
        return series


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sources]:
    made = {"one": Sources(), "two": Sources()}
    monkeypatch.setattr(plan, "dataset_kinds", lambda: {name: source.kind() for name, source in made.items()})
    return made


@pytest.fixture
def cells(make_cell: MakeCell) -> list[Cell]:
    return [
        dataclasses.replace(make_cell(length=length), dataset=Entry(id=f"my-{kind}", kind=kind, parameters={}))
        for kind in ("one", "two")
        for length in (3, 7)
    ]


def _store(folder: Path, cell: Cell, status: Status) -> None:
    with store.writing(folder) as writer:
        writer.put(_finished(cell) if status is Status.OK else failed(cell, status, ""))


def _finished(cell: Cell, **columns: Any) -> Rows:
    """Rows of replicates that are ok; each of `columns` has a value for each."""
    rows = failed(cell, Status.DIVERGED, "")
    own = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    runs = [{**row, "status": "ok", "mse": 1.0, "rmse": 1.0} for row in rows["runs"].to_pylist()]
    runs = [{**row, **values} for row, values in zip(runs, own or [{}] * len(runs), strict=True)]
    return {**rows, "runs": table("runs", runs)}


@pytest.mark.usefixtures("sources")
def test_a_limit_that_is_raised_keeps_what_finished_and_runs_what_had_too_little_time(
    tmp_path: Path, cells: list[Cell]
) -> None:
    def limited(seconds: float | None) -> list[Cell]:
        return [dataclasses.replace(cell, time_limit_s=seconds) for cell in cells]

    ok, late, diverged, new = prepare(limited(5.0), tmp_path).cells
    _store(tmp_path, ok, Status.OK)
    _store(tmp_path, late, Status.TIMEOUT)
    _store(tmp_path, diverged, Status.DIVERGED)
    for seconds, waiting in ((5.0, [new]), (4.0, [new]), (6.0, [late, new]), (None, [late, new])):
        plan = prepare(limited(seconds), tmp_path)
        assert [cell.id for cell in plan.pending] == [cell.id for cell in waiting]
        assert plan.outdated == []


@pytest.mark.usefixtures("sources")
def test_each_status_decides_whether_a_cell_runs_again(tmp_path: Path, cells: list[Cell]) -> None:
    ok, diverged, unavailable, new = prepare(cells, tmp_path).cells
    _store(tmp_path, ok, Status.OK)
    _store(tmp_path, diverged, Status.DIVERGED)
    _store(tmp_path, unavailable, Status.UNAVAILABLE)
    assert prepare(cells, tmp_path).pending == (unavailable, new)
    assert prepare(cells, tmp_path, failed_only=True).pending == (diverged, unavailable)
    assert prepare(cells, tmp_path, fresh=True).pending == (ok, diverged, unavailable, new)


def test_the_fingerprint_of_the_data_is_part_of_the_identity(
    tmp_path: Path, cells: list[Cell], sources: dict[str, Sources]
) -> None:
    sources["one"].sha256 = "aaa"
    first = prepare(cells, tmp_path)
    assert [cell.data_sha256 for cell in first.cells] == ["aaa", "aaa", "None", "None"]
    for cell in first.cells:
        _store(tmp_path, cell, Status.OK)
    sources["one"].sha256 = "bbb"
    second = prepare(cells, tmp_path)
    assert second.pending == second.cells[:2]
    assert second.outdated == []  # until the new ones are stored
    _store(tmp_path, second.cells[0], Status.OK)
    assert prepare(cells, tmp_path).outdated == [first.cells[0].id]


def test_each_dataset_is_loaded_once_and_only_where_something_is_pending(
    tmp_path: Path, cells: list[Cell], sources: dict[str, Sources]
) -> None:
    for cell in prepare(cells, tmp_path).cells[:2]:
        _store(tmp_path, cell, Status.OK)
    before = {name: source.loads for name, source in sources.items()}
    prepare(cells, tmp_path)
    assert {name: source.loads - before[name] for name, source in sources.items()} == {"one": 0, "two": 1}


def test_everything_wrong_with_the_data_is_said_at_once_and_nothing_is_written(
    tmp_path: Path, cells: list[Cell], sources: dict[str, Sources]
) -> None:
    sources["one"].points = DataError("x.csv:7: expected a number, got 'abc'")
    sources["two"].points = 9
    with pytest.raises(InputError) as caught:
        prepare(cells, tmp_path / "results")
    first, second = str(caught.value).splitlines()
    assert first == "my-one: x.csv:7: expected a number, got 'abc'"
    assert second.startswith("my-two: 9 points leave 6 for train")
    assert not (tmp_path / "results").exists()


def _reasons(plan: Plan) -> list[str | None]:
    blocked = [plan.blocked(cell) for cell in plan.pending]
    return [each and each.reason for each in blocked]


@pytest.mark.parametrize("where", ["sha256", "points"])
def test_a_source_that_raises_stops_only_its_own_cells(
    tmp_path: Path, cells: list[Cell], sources: dict[str, Sources], where: str
) -> None:
    setattr(sources["one"], where, ValueError("no\ngood"))
    plan = prepare(cells, tmp_path)
    first, second, *others = [plan.blocked(cell) for cell in plan.pending]
    assert first == second is not None
    assert first.status is Status.FAILED
    assert re.fullmatch(
        r"ValueError at test_plan.py:\d+: no good; that was raised by code that was given to bench, .*", first.reason
    )
    assert others == [None, None]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("7 PiB"), "expected a series that fits into memory and float64, got MemoryError: 7 PiB; lower"),
        (OverflowError("inf"), "expected a series that fits into memory and float64, got OverflowError: inf; lower"),
        (OSError(36, "File name too long", "x.csv"), "x.csv: expected a file that can be read: File name too long;"),
    ],
)
def test_a_series_that_cannot_be_made_or_read_is_one_line(
    tmp_path: Path, cells: list[Cell], sources: dict[str, Sources], error: Exception, said: str
) -> None:
    sources["one"].points = error
    with pytest.raises(InputError) as caught:
        prepare(cells, tmp_path)
    assert str(caught.value).startswith(f"my-one: {said}")
    assert "\n" not in str(caught.value)


def test_no_series_is_kept_after_the_check(tmp_path: Path, cells: list[Cell], sources: dict[str, Sources]) -> None:
    sources["one"].points = sources["two"].points = 60
    plan = prepare(cells, tmp_path)
    assert [made() for source in sources.values() for made in source.made] == [None, None]
    assert set(plan.preflight.outlines) == {cell.id for cell in plan.cells}


def test_data_that_cannot_be_had_stops_only_its_own_cells(
    tmp_path: Path, cells: list[Cell], sources: dict[str, Sources]
) -> None:
    sources["one"].sha256 = DataUnavailable("not here")
    sources["two"].points = DataUnavailable("not there")
    plan = prepare(cells, tmp_path)
    assert _reasons(plan) == ["not here"] * 2 + ["not there"] * 2
    assert plan.estimate_s(2) == 0
    sources["two"].points = 50
    plan = prepare(cells, tmp_path)
    assert _reasons(plan) == ["not here"] * 2 + [None] * 2
    assert plan.estimate_s(2) > 0


@pytest.mark.usefixtures("sources")
def test_estimates_follow_what_stored_cells_took(tmp_path: Path, cells: list[Cell]) -> None:
    slow, similar, _, _ = prepare(cells, tmp_path).cells
    with store.writing(tmp_path) as writer:
        writer.put(_finished(slow, fit_s=[500.0, 700.0], train_windows=[30, 30]))
    # Persistence is fitted in closed form: its default does not depend on the length.
    assert prepare(cells, tmp_path).seconds(similar) == pytest.approx(1200.0)
