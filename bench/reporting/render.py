"""A results folder → its report: one self-contained HTML file, Markdown with its figures, and the values as CSV."""

from collections.abc import Callable
from pathlib import Path

from bench.reporting.export import series_csv, to_csv
from bench.reporting.folder import Files, name_of, put, report_folder
from bench.reporting.page import draw, html, markdown
from bench.reporting.source import Source, read
from bench.reporting.summary import summarise
from bench.reporting.values import Summary
from bench.spec import Suite


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
        The report: ``index.html``. Next to it are ``report.md`` with ``figures/``, and ``cells.csv``; of several
        series, ``series.csv``.

    Raises
    ------
    StoreError
        The folder holds no results, or none that can be read; or the report cannot be written.
    InputError
        The rows hold two results for one replicate, or a suite's name that is not one for a folder.
    """
    source = read(results, parse)
    folder = report_folder(reports, name_of(source.suites, results), results)
    put(folder, pages(source), results)
    return folder / "index.html"


def render(summary: Summary) -> Files:
    """The files of the report that shows `summary`."""
    pictures = draw(summary)
    csv, by_series = to_csv(summary), series_csv(summary)
    return {
        **{f"figures/{picture.name}.svg": picture.file() for picture in pictures},
        **{f"figures/{picture.name}.pdf": picture.pdf for picture in pictures},
        "cells.csv": csv,
        **({"series.csv": by_series} if by_series else {}),
        "report.md": markdown(summary, pictures),
        "index.html": html(summary, pictures, csv=csv),
    }
