"""The report of a results folder: written, shown in the browser, and whether it is up to date."""

import hashlib
import os
from pathlib import Path

import bench
from bench.api.folders import suites_of
from bench.atomic import open_file, write_atomically
from bench.reporting.folder import name_of, report_folder
from bench.store.parts import MANIFEST
from bench.store.reader import NAME as SUITE
from bench.store.renewal import FRESH

REPORTS = Path("reports")

_STAMP = ".stamp"


def write_report(results: Path, reports: Path = REPORTS) -> Path:
    """Make the report of `results` in a folder within `reports`, and return its page."""
    from bench.replication.card_page import write

    state = stamp(results)
    page = write(results, reports)
    write_atomically(page.with_name(_STAMP), state)
    return page


def up_to_date(page: Path, results: Path) -> bool:
    """Whether `page` was made from `results` as they are now."""
    kept = page.with_name(_STAMP)
    try:
        with open_file(kept) as file:
            return page.exists() and file.read() == stamp(results).encode()
    except OSError:  # there is none, or something else lies there, which the next one takes the place of
        return False


def stamp(results: Path) -> str:
    """Which results a report is of, and their state: parts that came or went, the suite, what is to be run again."""
    folders = [results / name for name in ("runs", "probes")]
    changed = max((folder.stat().st_mtime_ns for folder in folders if folder.is_dir()), default=0)
    files = [path for name in (SUITE, FRESH, MANIFEST) if (path := results / name).is_file()]
    parts = [os.fsencode(results.resolve()), *(path.read_bytes() for path in files)]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    return f"bench {bench.__version__}, changed {changed}, folder and suite {digest}\n"


def open_report(results: Path, reports: Path = REPORTS) -> Path:
    """Show the report of `results` in the browser, written first where it is not up to date; its page."""
    import webbrowser

    page = report_folder(reports, name_of(suites_of(results), results), results) / "index.html"
    if not up_to_date(page, results):
        page = write_report(results, reports)
    webbrowser.open(page.resolve().as_uri())
    return page
