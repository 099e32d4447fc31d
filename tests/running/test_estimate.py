"""Estimates: proportional to the work, and corrected by the most similar cells that were observed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from bench.cells import Cell
from bench.running.plan import Estimator, left_s, rest_s
from bench.spec import Entry, Training, Tuning

MakeCell = Callable[..., Cell]


@pytest.fixture
def lstm(make_cell: MakeCell) -> Cell:
    parameters = {"hidden_size": 32, "layers": 1}
    return dataclasses.replace(make_cell(), model=Entry(id="my-lstm", kind="lstm", parameters=parameters))


def _changed(cell: Cell, **changes: object) -> Cell:
    return dataclasses.replace(cell, **changes)


def test_closed_forms_cost_next_to_nothing(make_cell: MakeCell, lstm: Cell) -> None:
    estimator = Estimator()
    assert estimator.seconds(make_cell("persistence"), 100_000) < 0.1
    assert estimator.seconds(lstm, 100_000) > 1


def test_twice_the_work_takes_twice_as_long(lstm: Cell) -> None:
    def work(cell: Cell, train_windows: int = 1000) -> float:
        estimator = Estimator()
        return estimator.seconds(cell, train_windows) - estimator.seconds(cell, 0)

    one = work(lstm)
    assert work(lstm, 2000) == pytest.approx(2 * one)
    assert work(_changed(lstm, sequence_length=6)) == pytest.approx(2 * one)  # from 3
    assert work(_changed(lstm, seeds=4)) == pytest.approx(2 * one)  # from 2
    assert work(_changed(lstm, training=Training(epochs=200))) == pytest.approx(2 * one)  # from 100
    assert work(_changed(lstm, tuning=Tuning(trials=20, epochs=10))) == pytest.approx(2 * one)  # 200 epochs more
    steps = _changed(lstm, training=Training(steps=800, batch_size=25))
    assert work(steps) == work(steps, 500) == pytest.approx(one / 5)  # 20 000 windows, from 100 000
    assert work(steps, 10) == pytest.approx(work(steps, 25) * 10 / 25)  # no batch is larger than the train part
    assert work(_changed(lstm, tuning=Tuning(trials=20, steps=200))) == pytest.approx(
        one * 1.0 + 20 * work(_changed(lstm, seeds=1, training=Training(steps=200)))
    )
    halved = _changed(lstm, tuning=Tuning(trials=20, steps=3200, pruner="halving"))
    sums = 20 * 200 + 10 * 200 + 5 * 400 + 3 * 800 + 2 * 1600  # steps up to each rung, times those that reach it
    steps = _changed(lstm, seeds=1, training=Training(steps=sums))
    stops_at = 0.6  # early stopping leaves so much of what is not halved
    assert work(halved) - work(lstm) == pytest.approx(work(steps) / stops_at, rel=0.1)
    wider = Entry(id="wide", kind="lstm", parameters={"hidden_size": 64, "layers": 2})
    assert work(_changed(lstm, model=wider)) > work(_changed(lstm, model=Entry(id="a", kind="rnn", parameters={})))


def test_the_most_similar_cells_correct_the_estimate(make_cell: MakeCell, lstm: Cell) -> None:
    estimator = Estimator()
    default = estimator.seconds(lstm, 1000)
    elsewhere = _changed(lstm, dataset=Entry(id="other", kind="random", parameters={}))
    estimator.observe(make_cell("persistence"), 1000, 1e-6)
    assert estimator.seconds(lstm, 1000) == default  # a closed form says nothing about networks
    estimator.observe(_changed(elsewhere, model=Entry(id="g", kind="gru", parameters={})), 1000, 1e6)
    assert estimator.seconds(lstm, 1000) > default
    estimator.observe(elsewhere, 1000, 5 * default)
    assert estimator.seconds(lstm, 1000) == pytest.approx(5 * default)
    estimator.observe(lstm, 1000, 2 * default)
    assert estimator.seconds(lstm, 1000) == pytest.approx(2 * default)
    assert estimator.seconds(elsewhere, 1000) == pytest.approx(5 * default)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 64))
def test_what_is_left_lies_between_its_bounds(cells: list[float], jobs: int) -> None:
    left = left_s(cells, jobs)
    assert left >= max(cells)
    assert left <= sum(cells) * (1 + 1e-12)
    assert left * jobs >= sum(cells) * (1 - 1e-12)


def test_what_passed_its_estimate_is_not_at_its_end() -> None:
    assert rest_s(10.0, took=4.0) == 6.0
    assert rest_s(3.0, took=180.0) == 45.0
    assert rest_s(3.0, took=0.0) == 3.0


def test_nothing_is_left_of_nothing() -> None:
    assert left_s([], 4) == 0
