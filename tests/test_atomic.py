"""A file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import atomic
from bench.atomic import write_atomically


def test_text_and_bytes_take_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    write_atomically(path, "old")
    write_atomically(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    write_atomically(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["sync", "replace"])
def test_what_cannot_be_completed_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "page.md"
    write_atomically(path, "old")
    monkeypatch.setattr(*((atomic, "sync") if step == "sync" else (Path, "replace")), refuse)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(atomic, "sync", lambda path: synced.append((path.name, (tmp_path / "page.md").exists())))
    write_atomically(tmp_path / "page.md", "new")
    assert synced == [(".page.md.tmp", False), (tmp_path.name, True)]
