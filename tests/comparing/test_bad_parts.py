"""A part that cannot be read costs its cell: the comparison goes on, and never calls all of it equal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.comparing.decision import compare_folders
from bench.comparing.outcomes import ChangeVerdict
from bench.errors import InputError
from bench.replication.systems import parsed
from bench.store.schema import SCHEMAS, table

Replicates = Callable[..., list[dict[str, Any]]]


def _store(folder: Path, *cells: list[dict[str, Any]]) -> Path:
    with store.writing(folder) as writer:
        for rows in cells:
            writer.put({**{name: table(name, []) for name in SCHEMAS}, "runs": table("runs", rows)})
    return folder


@pytest.mark.parametrize("side", ["old", "new"])
def test_the_other_cells_are_compared_and_the_bad_one_is_named(
    tmp_path: Path, replicates: Replicates, side: str
) -> None:
    cells = [replicates("wave", "gru"), replicates("wave", "lstm")]
    for name in ("old", "new"):
        _store(tmp_path / name, *cells)
    assert compare_folders(tmp_path / "old", tmp_path / "new").verdict is ChangeVerdict.EQUIVALENT
    bad = [{**row, "status": "okay"} for row in cells[1]]
    _store(tmp_path / side, bad)
    changes = compare_folders(tmp_path / "old", tmp_path / "new")
    assert [cell.verdict for cell in changes.cells] == [ChangeVerdict.EQUIVALENT]
    (line,) = changes.unreadable
    assert f"{side}/runs/wave-lstm.parquet: row 1: status: expected one of ok, " in line
    expected = {"old": ChangeVerdict.NOT_COMPARABLE, "new": ChangeVerdict.REGRESSED}  # there the cell vanished
    assert changes.verdict is expected[side]


def test_without_its_suite_nobody_knows_what_is_missing(tmp_path: Path, replicates: Replicates) -> None:
    for name in ("old", "new"):
        _store(tmp_path / name, replicates("wave", "gru"))
    (tmp_path / "new" / "suite.json").write_text("{")
    changes = compare_folders(tmp_path / "old", tmp_path / "new", parse=parsed)
    assert changes.verdict is ChangeVerdict.NOT_COMPARABLE
    assert "new/suite.json: expected a suite as this version of bench writes it" in changes.unreadable[0]


def test_where_nothing_can_be_read_it_is_one_line(tmp_path: Path, replicates: Replicates) -> None:
    _store(tmp_path / "old", replicates("wave", "gru"))
    _store(tmp_path / "new", [{**row, "spec": "[]"} for row in replicates("wave", "gru")])
    with pytest.raises(
        InputError, match=r"new/runs/wave-gru.parquet: row 1: spec: expected the resolved cell"
    ) as caught:
        compare_folders(tmp_path / "old", tmp_path / "new")
    assert "\n" not in str(caught.value)
