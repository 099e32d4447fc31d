"""The trials of a cell whose study goes on: what no study can go on with is set aside, said, and made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.store.schema import SCHEMAS, table

ID = "0123456789abcdef"
KEY = {"cell_id": ID, "suite": "s", "dataset": "d", "model": "m", "sequence_length": 4, "horizon": 1}
TRIAL = {
    "trial": 0,
    "state": "complete",
    "validation_mse_scaled": 0.25,
    "epochs": 2,
    "duration_s": 0.5,
    "parameters": '{"hidden_size": 8}',
    "distributions": "{}",
    "validation_curve": [0.5, 0.25],
}
FAILED = {**TRIAL, "state": "failed", "validation_mse_scaled": None, "validation_curve": [0.5, float("nan")]}
PRUNED = {**TRIAL, "state": "pruned"}
CLOSED_FORM = {**TRIAL, "epochs": 0, "validation_curve": []}


def trials(*rows: dict[str, Any]) -> pa.Table:
    return table("trials", [{**KEY, **row} for row in rows])


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """Where the trials of a cell lie."""
    (tmp_path / "unfinished").mkdir()
    return tmp_path / "unfinished" / f"{ID}.parquet"


@pytest.mark.parametrize("row", [TRIAL, FAILED, PRUNED, CLOSED_FORM])
def test_what_is_kept_is_read_after_the_next_run_began(tmp_path: Path, row: dict[str, Any]) -> None:
    kept = trials(row, {**TRIAL, "trial": 1})
    with store.writing(tmp_path) as writer:
        writer.keep_trials(kept)
    with store.writing(tmp_path) as writer:
        begun = store.read_unfinished(tmp_path, ID)
        assert begun is not None
        assert begun.drop(["validation_curve"]) == kept.drop(["validation_curve"])
        assert str(begun["validation_curve"].to_pylist()) == str(kept["validation_curve"].to_pylist())
        writer.forget_trials(ID)
    assert store.read_unfinished(tmp_path, ID) is None


WRONG = {
    "parameters": ["not json", None, "[]", '{"a": NaN}'],
    "distributions": ['{"a": 1}'],
    "validation_mse_scaled": [None, float("nan"), -1.0, 1e300, 0.125],
    "validation_curve": [None, [], [0.25], [0.25] * 3, [None, 0.25]],
    "epochs": [None, -1, 2**31 - 1],
    "state": ["\x1b[31mred", None],
    "duration_s": [None, float("inf"), -1.0],
    "trial": [None, -1, 1],
    "cell_id": ["another"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_damaged_trial_is_set_aside_and_said(
    tmp_path: Path, part: Path, caplog: pytest.LogCaptureFixture, name: str, value: Any
) -> None:
    pq.write_table(trials({**TRIAL, name: value}, {**TRIAL, "trial": 1}), part)
    is_set_aside(tmp_path, part, caplog)


def empty(part: Path) -> None:
    pq.write_table(SCHEMAS["trials"].empty_table(), part)


def other_columns(part: Path) -> None:
    pq.write_table(trials(TRIAL).drop(["state"]), part)


def other_version(part: Path) -> None:
    pq.write_table(trials(TRIAL).replace_schema_metadata({"bench_schema_version": "999"}), part)


def torn(part: Path) -> None:
    part.write_bytes(b"PAR1")


def link(part: Path) -> None:
    part.symlink_to("/dev/zero")


KINDS = (os.mkfifo, Path.mkdir, link, torn, empty, other_columns, other_version)


@pytest.mark.parametrize("make", KINDS)
def test_what_lies_in_the_place_of_trials_is_set_aside_and_said(
    tmp_path: Path, part: Path, caplog: pytest.LogCaptureFixture, make: Callable[[Path], None]
) -> None:
    make(part)
    is_set_aside(tmp_path, part, caplog)


def is_set_aside(folder: Path, part: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert store.read_unfinished(folder, ID) is None
    with store.writing(folder) as writer:
        writer.keep_trials(trials(TRIAL))
        assert store.read_unfinished(folder, ID) == trials(TRIAL)
    (said,) = caplog.messages
    assert said.startswith(f"{part}: ")
    assert said.endswith(f"moved to {folder / '.strays' / part.name}")
    assert "\n" not in said


@pytest.mark.parametrize("make", KINDS[:3])
def test_what_comes_there_during_a_run_does_not_end_it(
    tmp_path: Path, part: Path, caplog: pytest.LogCaptureFixture, make: Callable[[Path], None]
) -> None:
    with store.writing(tmp_path) as writer:
        make(part)
        writer.forget_trials(ID)
    assert not os.path.lexists(part)
    assert len(caplog.messages) == 1


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder elsewhere with a file that nothing may touch."""
    place = tmp_path / "outside"
    place.mkdir()
    pq.write_table(trials(TRIAL), place / f"{ID}.parquet")
    yield place
    assert pq.read_table(place / f"{ID}.parquet").num_rows == 1


def test_a_link_in_place_of_their_folder_is_set_aside(tmp_path: Path, outside: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "unfinished").symlink_to(outside)
    with store.writing(folder) as writer:
        writer.forget_trials(ID)
        writer.keep_trials(trials(PRUNED))
    assert store.read_unfinished(folder, ID) == trials(PRUNED)
    assert (folder / ".strays" / "unfinished").is_symlink()
