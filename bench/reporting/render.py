"""A results folder → its report: one self-contained HTML file, Markdown with its figures, and the values as CSV."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.atomic import real_folder, write_atomically
from bench.errors import InputError, StoreError, one_line
from bench.reporting.export import to_csv
from bench.reporting.page import draw, html, markdown
from bench.reporting.source import Source, read
from bench.reporting.summary import summarise
from bench.reporting.values import Summary
from bench.spec import Suite

Files = dict[str, str | bytes]
"""Path within the folder of a report → content."""


def pages(source: Source) -> Files:
    """The files of the report on all that `source` holds."""
    return render(summarise(source))


def write(
    results: Path,
    reports: Path,
    *,
    parse: Callable[[str], Suite] = Suite.model_validate_json,
    pages: Callable[[Source], Files] = pages,
) -> Path:
    """Read the result set in the folder `results` and write its report.

    Parameters
    ----------
    results
        A results folder.
    reports
        Where reports go: this one into `report_folder`, by the suite's name, or by the name of `results` where the
        rows name no suite or several.
    parse
        Reads the suite that the folder keeps, see `bench.reporting.source.read`.
    pages
        What makes the files of the report; a caller that shows some of the rows on a page of their own gives its own.

    Returns
    -------
    Path
        The report: ``index.html``. Next to it are ``report.md`` with ``figures/``, and ``cells.csv``.

    Raises
    ------
    StoreError
        The folder holds no results, or none that can be read; or the report cannot be written.
    InputError
        The rows hold two results for one replicate, or a suite's name that is not one for a folder.
    """
    source = read(results, parse)
    folder = report_folder(reports, _name(source.suites, results), results)
    files = pages(source)
    try:
        _put(folder, files)
        write_atomically(folder / ORIGIN, _origin(results, reports))
    except OSError as error:
        reason = error.strerror or one_line(error)
        place = f"{error.filename}: " if error.filename else ""  # a full disk names no file
        raise StoreError(
            f"{folder}: expected a folder to write to, got {place}{reason}; make room, or name another folder"
        ) from error
    return folder / "index.html"


def render(summary: Summary) -> Files:
    """The files of the report that shows `summary`."""
    pictures = draw(summary)
    csv = to_csv(summary)
    return {
        **{f"figures/{picture.name}.svg": picture.file() for picture in pictures},
        **{f"figures/{picture.name}.pdf": picture.pdf for picture in pictures},
        "cells.csv": csv,
        "report.md": markdown(summary, pictures),
        "index.html": html(summary, pictures, csv=csv),
    }


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


def _name(suites: Sequence[str], results: Path) -> str:
    name = suites[0] if len(suites) == 1 else results.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InputError(f"{results}: expected a suite's name of letters, digits, '.', '_' and '-', got {name!r}")
    return name


def _put(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write `files` into `folder`, and remove the figures of an earlier report whose suite had other datasets."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for inner in (folder, folder / "figures"):
        real_folder(inner)
    for name, content in files.items():
        write_atomically(folder / name, content)
    for path in (folder / "figures").iterdir():
        if path.suffix in {".svg", ".pdf"} and f"figures/{path.name}" not in files:
            path.unlink()
