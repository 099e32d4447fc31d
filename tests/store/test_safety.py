"""Torn parts, other versions, two writers, and writers that die in between: nothing is lost or half read."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.cells import Cell
from bench.errors import StoreError
from bench.running.extension import extended
from bench.spec import Entry, Split, Training
from bench.store import transactions as module, writer
from bench.store.schema import SCHEMAS, Rows, table

MakeRows = Callable[..., Rows]


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def _filled(folder: Path, make_rows: MakeRows, *cell_ids: str) -> Path:
    with store.writing(folder) as writer:
        for cell_id in cell_ids:
            writer.put(make_rows(cell_id))
    return folder


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_torn_part_is_named_and_nothing_is_touched(tmp_path: Path, make_rows: MakeRows, damage: str) -> None:
    _filled(tmp_path, make_rows, "a", "b")
    part = tmp_path / "runs" / "b.parquet"
    whole = part.read_bytes()
    flipped = bytearray(whole)
    flipped[10] ^= 0xFF  # within the first page: its checksum tells
    part.write_bytes({"cut": whole[:-20], "flip": bytes(flipped), "empty": b"", "text": b"hello" * 100}[damage])
    before = _content(tmp_path)
    for use in (
        lambda: store.read(tmp_path, "runs"),
        lambda: store.stored(tmp_path),
    ):
        with pytest.raises(StoreError, match=r"runs/b\.parquet: expected a whole Parquet file.*delete it") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert _content(tmp_path) == before


def test_after_a_torn_part_is_deleted_the_cell_can_be_made_again(tmp_path: Path, make_rows: MakeRows) -> None:
    _filled(tmp_path, make_rows, "a", "b")
    (tmp_path / "runs" / "b.parquet").unlink()
    assert list(store.stored(tmp_path)) == ["a"]
    _filled(tmp_path, make_rows, "b")
    assert list(store.stored(tmp_path)) == ["a", "b"]


def test_another_schema_version_is_refused_with_both_versions(tmp_path: Path, make_rows: MakeRows) -> None:
    _filled(tmp_path, make_rows, "a")
    part = tmp_path / "runs" / "a.parquet"
    old = pq.read_table(part).replace_schema_metadata({"bench_schema_version": "0"})
    pq.write_table(old, part)
    before = _content(tmp_path)
    for use in (
        lambda: store.read(tmp_path, "runs"),
        lambda: store.stored(tmp_path),
        store.writing(tmp_path).__enter__,
    ):
        with pytest.raises(StoreError, match=r"expected schema version 1, found 0; .* --results"):
            use()
    assert _content(tmp_path) == before


def test_foreign_and_copied_parts_are_refused(tmp_path: Path, make_rows: MakeRows) -> None:
    _filled(tmp_path, make_rows, "a")
    copy = tmp_path / "runs" / "a copy.parquet"
    shutil.copy(tmp_path / "runs" / "a.parquet", copy)
    with pytest.raises(StoreError, match=r"a copy\.parquet: expected the rows of cell a copy and of no other"):
        store.stored(tmp_path)
    pq.write_table(pa.table({"x": [1]}), copy)
    with pytest.raises(StoreError, match=r"a copy\.parquet: expected schema version 1, found none"):
        store.read(tmp_path, "runs")
    fewer = table("runs", []).select(["cell_id"])
    pq.write_table(fewer, copy)
    with pytest.raises(StoreError, match=r"a copy\.parquet: expected the columns of 'runs'"):
        store.read(tmp_path, "runs")


class Killed(BaseException):
    """Stands for the end of the process at one system call."""


def _die_at(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end at its `call`-th change of the file system."""
    done = 0

    def counting(function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def wrapped(*args: object, **kwargs: object) -> object:
            nonlocal done
            done += 1
            if done > call:
                raise Killed
            return function(*args, **kwargs)

        return wrapped

    for name in ("rename", "replace", "unlink", "rmdir", "touch", "mkdir"):
        monkeypatch.setattr(Path, name, counting(getattr(Path, name)))
    monkeypatch.setattr(module, "write_part", counting(module.write_part))


def _survives(folder: Path, change: Callable[[store.Writer], None]) -> bool:
    try:
        with store.writing(folder) as writer:
            change(writer)
    except Killed:
        return False
    return True


def test_a_replacement_cut_off_anywhere_leaves_the_old_or_the_new(
    tmp_path: Path, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_rows("a", fit_s=1.0, curves=1), make_rows("a", fit_s=2.0, curves=0)
    seen = []
    for call in itertools.count():
        folder = tmp_path / str(call)
        with store.writing(folder) as writer:
            writer.put(old)
        with monkeypatch.context() as patch:
            _die_at(call, patch)
            finished = _survives(folder, lambda writer: writer.put(new))
        _filled(folder, make_rows)
        found = {name: store.read(folder, name) for name in SCHEMAS}
        assert found in (old, new)
        assert not list((folder / ".pending").iterdir())
        seen.append(found == new)
        if finished:
            break
    assert seen == sorted(seen)  # once the new is final, it stays
    assert 0 < sum(seen) < len(seen)


def test_an_extension_cut_off_anywhere_leaves_what_was_stored_or_all(
    tmp_path: Path, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {name: Entry(id=name[0], kind=name[0], parameters={}) for name in ("dataset", "model")}
    settings: dict[str, Any] = {"seed": 0, "split": Split(), "training": Training(), "tuning": None}
    cell = Cell(suite="s", **entries, sequence_length=3, horizon=1, seeds=4, finished=frozenset([0, 1]), **settings)
    old, whole = make_rows(cell.id), make_rows(cell.id, replicates=4)
    rest = {name: part.filter(pc.greater(part["seed"], 1)) for name, part in whole.items() if name != "trials"}
    seen = []
    for call in itertools.count():
        folder = tmp_path / str(call)
        with store.writing(folder) as writer:
            writer.put(old)
        joined = extended(folder, cell, {"trials": whole["trials"], **rest})
        with monkeypatch.context() as patch:
            _die_at(call, patch)
            finished = _survives(folder, lambda writer, joined=joined: writer.put(joined))
        _filled(folder, make_rows)
        stored = {name: store.read(folder, name) for name in SCHEMAS}
        assert stored in (old, whole)
        seen.append(stored == whole)
        if finished:
            break
    assert seen == sorted(seen)
    assert 0 < sum(seen) < len(seen)


def _whole(archive: Path) -> set[str]:
    """The ids of the cells in a shelf, all of which have their four parts, with nothing pending."""
    cells = set(store.stored(archive))
    for name in SCHEMAS:
        assert {path.stem for path in (archive / name).glob("*")} == cells
    assert not list((archive / ".pending").glob("*"))
    return cells


@pytest.mark.parametrize("back", [False, True])
def test_setting_a_cell_aside_or_bringing_it_back_never_loses_it(
    tmp_path: Path, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    for call in itertools.count():
        folder = _filled(tmp_path / str(call), make_rows, "a")
        if back:
            with store.writing(folder) as writer:
                writer.supersede("a")
        with monkeypatch.context() as patch:
            _die_at(call, patch)
            finished = _survives(
                folder, lambda writer: writer.restore(["a", "unknown"]) if back else writer.supersede("a")
            )
        if finished:
            assert set(store.stored(folder)) == ({"a"} if back else set())
        with store.writing(folder) as writer:
            assert _whole(folder) | _whole(folder / store.ARCHIVE) == {"a"}
            writer.restore(["a"])
        assert {name: store.read(folder, name) for name in SCHEMAS} == make_rows("a")
        if finished:
            break
    assert call > 10


def test_setting_a_cell_aside_twice_is_as_once(tmp_path: Path, make_rows: MakeRows) -> None:
    with store.writing(_filled(tmp_path, make_rows, "a")) as writer:
        writer.supersede("a")
        writer.supersede("a")
        writer.restore(["a"])
    assert store.read(tmp_path, "runs").equals(make_rows("a")["runs"])


def test_a_writer_waits_for_the_change_of_another_and_a_killed_one_leaves_no_lock(
    tmp_path: Path, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = "import sys, time, pathlib\nfrom bench.store.writer import exclusive\n"
    hold += "with exclusive(pathlib.Path(sys.argv[1]) / '.lock'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with monkeypatch.context() as patch:
            patch.setattr(writer, "WAIT_S", 0.05)
            with pytest.raises(StoreError, match=rf"only writer, but process {other.pid} is writing there"):
                _filled(tmp_path, make_rows, "a")
        other.kill()
    _filled(tmp_path, make_rows, "a")
    assert list(store.stored(tmp_path)) == ["a"]


def test_two_writers_take_turns(tmp_path: Path, make_rows: MakeRows) -> None:
    with store.writing(tmp_path) as one, store.writing(tmp_path) as other:
        one.put(make_rows("a"))
        other.put(make_rows("b"))
        one.put(make_rows("b", fit_s=3.0))
        other.supersede("a")
    assert list(store.stored(tmp_path)) == ["b"]
    assert store.read(tmp_path, "runs")["fit_s"].to_pylist() == [3.0, 3.0]
    with store.writing(tmp_path, alone=True), pytest.raises(StoreError, match="only writer"):
        store.writing(tmp_path, alone=True).__enter__()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"), store.writing(tmp_path / "r"):
        pass


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("not a folder")
    with (
        pytest.raises(StoreError, match=r"r.*: cannot be written \(.*\); make room or fix"),
        store.writing(tmp_path / "r"),
    ):
        pass
