"""Which device a cell needs: the rule, from the size of a step and the number of GPUs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.api.folders import from_mapping
from bench.cells import Cell, expand
from bench.errors import InputError
from bench.running.devices import LAUNCH_S, LAUNCHES, chosen, for_cells, of_cell, resolved
from bench.running.estimates import TrainingStep, step_of


def cell_of(model: dict[str, Any] | str, *, length: int = 50, seeds: int = 64, **suite: Any) -> Cell:
    """One cell with batches of 32 windows."""
    datasets = [{"id": "wave", "kind": "noisy-sine", "length": 500}]
    (cell,) = expand(
        from_mapping(
            {
                "name": "one",
                "datasets": datasets,
                "models": [model],
                "sequence_lengths": [length],
                "seeds": seeds,
                "training": {"epochs": 1, "batch_size": 32},
                "tuning": False,
                **suite,
            }
        )
    )
    return cell


def lstm(hidden: int, **parameters: Any) -> dict[str, Any]:
    return {"id": "net", "kind": "lstm", "hidden_size": hidden, **parameters}


def test_a_step_grows_with_members_rows_points_layers_and_the_square_of_units() -> None:
    one = step_of(cell_of(lstm(64), seeds=1))
    assert one is not None
    assert one.points == 50
    assert step_of(cell_of(lstm(64))) == TrainingStep(pytest.approx(64 * one.core_s), 50)
    assert step_of(cell_of(lstm(64), length=100, seeds=1)) == TrainingStep(pytest.approx(2 * one.core_s), 100)
    deep = step_of(cell_of(lstm(64, layers=2), seeds=1))
    assert deep is not None
    assert deep.points == 100
    assert deep.core_s > 2 * one.core_s
    wide = step_of(cell_of(lstm(640), seeds=1))
    assert wide is not None
    assert 90 < wide.core_s / one.core_s < 100
    assert step_of(cell_of(lstm(64), seeds=1, fresh_data=True)) == one


def test_a_study_counts_by_the_batch_of_its_trials() -> None:
    tuned = cell_of(lstm(64), seeds=2, tuning={"trials": 20, "batch": 5})
    alone = cell_of(lstm(64), seeds=1, tuning={"trials": 1})
    assert step_of(tuned).core_s == pytest.approx(5 * step_of(alone).core_s)
    assert step_of(replace(tuned, untuned=True)).core_s < step_of(tuned).core_s


def test_only_what_takes_a_core_longer_than_a_gpu_takes_to_launch_it_goes_there() -> None:
    least = LAUNCH_S * LAUNCHES * 50
    assert chosen(TrainingStep(least * 0.99, 50), 1, place=0) == "cpu"
    assert chosen(TrainingStep(least * 1.01, 50), 1, place=0) == "cuda"
    assert chosen(TrainingStep(least * 1.01, 100), 1, place=0) == "cpu"  # a longer chain
    assert chosen(TrainingStep(1e9, 1), 0, place=0) == "cpu"
    assert chosen(None, 8, place=0) == "cpu"


def test_large_banks_go_to_the_gpu_and_small_or_closed_forms_stay() -> None:
    assert chosen(step_of(cell_of(lstm(64))), 1, place=0) == "cuda"
    assert chosen(step_of(cell_of(lstm(8), seeds=3)), 1, place=0) == "cpu"
    assert chosen(step_of(cell_of("linear-ar")), 1, place=0) == "cpu"


def test_several_gpus_are_dealt_by_the_cell() -> None:
    assert [chosen(TrainingStep(1.0, 1), 3, place=place) for place in range(5)] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:0",
        "cuda:1",
    ]


def test_a_device_that_is_named_is_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of("persistence", seeds=1)
    assert of_cell(cell, "cuda:1") == "cuda:1"
    assert of_cell(cell, "cpu") == "cpu"
    assert of_cell(cell, "auto") == "cpu"


def test_auto_is_left_to_the_cells_where_there_is_a_gpu() -> None:
    assert for_cells("auto") == ("auto" if resolved("auto") == "cuda" else "cpu")
    assert for_cells("cpu") == "cpu"
    with pytest.raises(InputError, match="device 'tpu': expected auto, cpu, cuda or cuda:INDEX"):
        for_cells("tpu")
