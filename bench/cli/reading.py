"""``bench report``, which needs no torch."""

from __future__ import annotations

from pathlib import Path

import bench

REPORTS = Path("reports")
_STAMP = ".stamp"


def write_report(results: Path, reports: Path = REPORTS) -> Path:
    """Make the report of `results` in a folder within `reports`, and return its page."""
    from bench.report.render import write

    stamp = _stamp(results)
    page = write(results, reports)
    page.with_name(_STAMP).write_text(stamp, encoding="utf-8")
    return page


def up_to_date(page: Path, results: Path) -> bool:
    """Whether `page` was made from `results` as they are now."""
    stamp = page.with_name(_STAMP)
    return page.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == _stamp(results)


def _stamp(results: Path) -> str:
    """Which results a report is of, and their state: every change moves a part into or out of runs/ or probes/."""
    folders = [results / name for name in ("runs", "probes")]
    changed = max((folder.stat().st_mtime_ns for folder in folders if folder.is_dir()), default=0)
    return f"bench {bench.__version__}, {results.resolve()}, changed {changed}\n"
