"""Where the report of a results folder is, and how its files get there; nothing here draws."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.atomic import real_folder, write_atomically
from bench.errors import InputError, StoreError, one_line

Files = dict[str, str | bytes]
"""Path within the folder of a report → content."""

ORIGIN = ".results"
"""The file in a report's folder that says which results folder it is of, as a path from where reports are."""


def report_folder(reports: Path, name: str, results: Path) -> Path:
    """Where the report of `results` belongs: ``reports/<name>/``, unless that is the report of another results folder.

    Then it has a folder of its own next to it, whose name ends in eight digits that stand for its results folder. A
    report that does not say what it is of, being older, is taken for that of the results folder of its name.
    """
    folder, own = reports / name, _origin(results, reports)
    kept = folder / ORIGIN
    if kept.is_file():
        free = kept.read_text(encoding="utf-8", errors="surrogateescape") == own
    else:
        free = not (folder / "index.html").exists() or results.resolve().name == name
    digits = hashlib.sha256(own.encode(errors="surrogateescape")).hexdigest()[:8]
    return folder if free else folder.with_name(f"{name}-{digits}")


def _origin(results: Path, reports: Path) -> str:
    """The path from `reports` to `results`: it stays the same where both move together."""
    return os.path.relpath(results.resolve(), reports.resolve()) + "\n"


def name_of(suites: Sequence[str], results: Path) -> str:
    """What the report of `results`, whose rows name `suites`, is called."""
    name = suites[0] if len(suites) == 1 else results.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(f"{results}: expected a suite's name of letters, digits, '.', '_' and '-', got {name!r}")
    return name


def put(folder: Path, files: Files, results: Path) -> None:
    """Write the `files` of the report of `results`, and remove the figures of an earlier one with other datasets.

    Raises
    ------
    StoreError
        The folder cannot be written to.
    """
    with _saying_what_is_wrong(folder):
        _put(folder, files)
        write_atomically(folder / ORIGIN, _origin(results, folder.parent))


def put_files(folder: Path, files: Files) -> None:
    """Write `files` into `folder`, next to what lies there.

    Raises
    ------
    StoreError
        The folder cannot be written to.
    """
    with _saying_what_is_wrong(folder):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, content)


@contextmanager
def _saying_what_is_wrong(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or one_line(error)
        place = f"{error.filename}: " if error.filename else ""  # a full disk names no file
        raise StoreError(
            f"{folder}: expected a folder to write to, got {place}{reason}; make room, or name another folder"
        ) from error


def _put(folder: Path, files: Files) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for inner in (folder, folder / "figures"):
        real_folder(inner)
    for name, content in files.items():
        write_atomically(folder / name, content)
    for path in (folder / "figures").iterdir():
        if path.suffix in {".svg", ".pdf"} and f"figures/{path.name}" not in files:
            path.unlink()
