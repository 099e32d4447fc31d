"""Links, pipes and strays in a results folder: nothing outside is touched, nothing waits, all is said in one line."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.errors import StoreError
from bench.store.schema import Rows

MakeRows = Callable[..., Rows]
FILES = (".lock", "suite.json", ".suite.json.tmp", "runs/a.parquet", ".pending/a.moved", "superseded/.pending/a.moved")
FOLDERS = (
    *("runs", "trials", "predictions", "probes", ".pending", "superseded", "superseded/runs", "superseded/.pending"),
    *(".pending/a.tmp", ".pending/a", ".strays"),
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody's own: notes, and a folder with files named as a writer's are."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    for name in ("notes.txt", "inner/runs", "inner/a.tmp", "inner/a.parquet", "inner/x.moved"):
        (folder / name).write_text(f"mine: {name}")
    return folder


@pytest.fixture
def filled(tmp_path: Path, make_rows: MakeRows) -> Path:
    folder = tmp_path / "results"
    with store.writing(folder) as writer:
        writer.put(make_rows("a"))
        writer.put(make_rows("b"))
        writer.supersede("b")
    store.write_suite(folder, "{}")
    return folder


def _content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}


def _use(folder: Path, make_rows: MakeRows) -> list[str]:
    """Everything that writes there; what it said."""
    said = []

    def write() -> None:
        with store.writing(folder) as writer:
            writer.put(make_rows("c"))
            writer.supersede("c")
            writer.restore(["b"])
            writer.put(make_rows("a"))

    for use in (write, lambda: store.write_suite(folder, '{"name": "s"}')):
        try:
            use()
        except StoreError as error:
            said.append(str(error))
    return said


def _clear(path: Path) -> None:
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}.before"))
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
@pytest.mark.parametrize("target", ["notes.txt", "inner", "new"])
def test_nothing_is_written_through_a_link(
    filled: Path, outside: Path, make_rows: MakeRows, name: str, target: str
) -> None:
    _clear(filled / name)
    (filled / name).symlink_to(outside / target)
    before = _content(outside)
    said = _use(filled, make_rows)
    assert _content(outside) == before
    assert all("\n" not in line for line in said)


@pytest.mark.parametrize("name", [".lock", "suite.json", "runs/a.parquet", "trials/a.parquet"])
@pytest.mark.parametrize("what", ["a named pipe", "a folder", "a symbolic link"])
def test_what_is_no_file_is_said_and_not_waited_for(
    filled: Path, outside: Path, make_rows: MakeRows, name: str, what: str
) -> None:
    path = filled / name
    path.unlink()
    if what == "a named pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    else:
        path.symlink_to(outside / "notes.txt")
    damaged: dict[str, store.DamagedPart] = {}
    store.stored(filled, damaged)
    (line, *others) = [str(each) for each in damaged.values()] or _use(filled, make_rows)
    assert str(path) in line
    assert f"found {what}" in line
    if damaged:  # its cell is run again, and what is there is moved
        assert _use(filled, make_rows) == others == []


def test_strays_among_what_is_pending_are_set_aside_and_said(
    filled: Path, make_rows: MakeRows, caplog: pytest.LogCaptureFixture
) -> None:
    pending = filled / ".pending"
    (pending / "notes.txt").write_text("mine")
    (pending / "mine.moved").write_text("mine")
    (pending / "folder.tmp").mkdir()
    (pending / "folder.tmp" / "thesis.tex").write_text("mine")
    (pending / "c").write_text("where a cell would be made final")
    with caplog.at_level(logging.WARNING, "bench"):
        assert _use(filled, make_rows) == []
    aside = {path.name for path in (filled / ".strays").iterdir()}
    assert aside == {"notes.txt", "mine.moved", "folder.tmp", "c"}
    assert (filled / ".strays" / "folder.tmp" / "thesis.tex").read_text() == "mine"
    assert sum("moved to" in message for message in caplog.messages) == 4
    assert list(pending.iterdir()) == []
    (pending / "notes.txt").write_text("again")
    _use(filled, make_rows)
    assert (filled / ".strays" / "notes.txt-1").read_text() == "again"
    assert (filled / ".strays" / "notes.txt").read_text() == "mine"


def test_what_lies_in_the_place_of_the_lock_is_to_be_moved_away(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    said = r"\.lock: cannot be written \(expected a file, found a named pipe\); move it away, or give another folder"
    with pytest.raises(StoreError, match=said), store.writing(tmp_path):
        pass
