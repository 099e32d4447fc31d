"""A disk that is full, files that may not grow, and a folder that is read-only: one line, and the next run goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import store
from bench.errors import StoreError
from bench.store.packing import compact
from bench.store.schema import SCHEMAS, Rows

MakeRows = Callable[..., Rows]
resource = pytest.importorskip("resource")


@contextmanager
def _no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _mounted(folder: Path, *options: str) -> Iterator[None]:
    """A file system of its own at `folder`; a user who may not mount skips the test."""
    folder.mkdir()
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _is_whole(folder: Path, cells: Rows) -> bool:
    return {name: store.read(folder, name) for name in SCHEMAS} == cells and not store.unsettled(folder)


def _put(folder: Path, rows: Rows) -> None:
    with store.writing(folder) as writer:
        writer.put(rows)


def test_a_file_that_may_not_grow_is_one_line_and_the_next_writer_goes_on(tmp_path: Path, make_rows: MakeRows) -> None:
    kept = make_rows("a")
    with store.writing(tmp_path) as writer:
        writer.put(kept)
        with (
            _no_file_larger_than(4000),
            pytest.raises(StoreError, match=r"cannot be written \(.*\); make room .* what was stored before is kept"),
        ):
            writer.put(make_rows("b", curves=2000))
    assert list(store.stored(tmp_path)) == ["a"]
    with store.writing(tmp_path) as writer:
        assert _is_whole(tmp_path, kept)
        writer.put(make_rows("b", curves=2000))
    assert list(store.stored(tmp_path)) == ["a", "b"]


def test_a_full_disk_loses_nothing(tmp_path: Path, make_rows: MakeRows) -> None:
    with _mounted(tmp_path / "small", "-o", "size=400k"):
        folder, written = tmp_path / "small" / "results", 0
        with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\); make room") as caught:  # noqa: PT012 - how many fit is not known
            for written in range(100):
                _put(folder, make_rows(f"c{written:02}", curves=500))
        assert "\n" not in str(caught.value)
        assert 2 <= written < 100
        assert len(store.stored(folder)) == written
        with store.writing(folder) as writer:  # moving needs no room
            writer.supersede("c00")
            assert len(store.stored(folder)) == written - 1
        with pytest.raises(StoreError, match="No space left on device"):
            compact(folder)
        assert store.gather(folder).unreadable == ()
        assert sorted(store.stored(folder)) == [f"c{number:02}" for number in range(1, written)]


def test_a_folder_that_became_read_only_is_one_line_and_still_read(tmp_path: Path, make_rows: MakeRows) -> None:
    with _mounted(tmp_path / "disk"):
        folder = tmp_path / "disk" / "results"
        with store.writing(folder) as writer:
            writer.put(make_rows("a"))
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with pytest.raises(StoreError, match="Read-only file system") as caught, store.writing(folder):
            pass
        assert "\n" not in str(caught.value)
        assert list(store.stored(folder)) == ["a"]
