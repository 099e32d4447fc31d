"""The suite that a results folder belongs to, beside its rows: what was asked, and what was published."""

from __future__ import annotations

from pathlib import Path

from bench.errors import StoreError

NAME = "suite.json"


def write_suite(folder: Path, text: str) -> None:
    """Keep `text`, a suite as JSON, in the results folder `folder`; nothing is written where it holds that already.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    if read_suite(folder) == text:
        return
    beside = folder / f".{NAME}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(folder / NAME)
    except OSError as error:
        raise StoreError(f"{folder / NAME}: expected a file that can be written: {error.strerror}") from error


def read_suite(folder: Path) -> str | None:
    """The suite as JSON; `None` where the folder has none, as those of earlier versions.

    Raises
    ------
    StoreError
        It cannot be read.
    """
    try:
        return (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{folder / NAME}: expected a text file that can be read: {error}") from error
