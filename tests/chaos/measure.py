"""Measure what `reports/chaos.md` tells, row by row, and print and write its table.

``python tests/chaos/measure.py [ROW …]`` (or ``tox -e chaos``) runs the tests behind the rows named, or behind all,
with as many cases as the row is to have, and puts each row in the place of the one before it as soon as it is measured.

    --cases N       so many cases in place of those of the contract
    --minutes M     stop a row after so long; what was measured by then is its row
    --notes FILE    measure nothing: the row is what FILE holds, the notes of a measurement that was stopped

The tests of every change try a few cases of each. ``speed`` needs a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "chaos.md"
STOPPED = "from the notes of a measurement that was stopped"
Notes = Sequence[dict[str, Any]]


@dataclass
class Measured:
    """What a row says: what was done, and what of it went wrong; `None` for what it is not about.

    Parameters
    ----------
    done
        What was tried, counted.
    wrong
        Cases that did not end as they should.
    debris
        Files that were left.
    orphans, stuck
        Processes that outlived their run, and locks or claims that did.
    seconds, megabytes
        The most that one case took.
    """

    done: str
    wrong: int
    debris: int | None = None
    orphans: int | None = None
    stuck: int | None = None
    seconds: float | None = None
    megabytes: float | None = None

    def cells(self) -> list[str]:
        """The cells of the table."""
        numbers = [self.wrong, self.debris, self.orphans, self.stuck]
        sizes = [(self.seconds, ".2f"), (self.megabytes, ".0f")]
        return [
            self.done,
            *("" if number is None else str(number) for number in numbers),
            *("" if size is None else f"{size:{form}}" for size, form in sizes),
        ]


def of_kills(notes: Notes) -> Measured:
    """Each note is of one pass."""
    kinds: Counter[str] = Counter()
    for note in notes:
        kinds.update(note["kills"])
    each = ", ".join(f"{count} of a {kind}" for kind, count in sorted(kinds.items()))
    return Measured(
        f"{kinds.total()} kills ({each}) in {len(notes)} runs; {_sum(notes, 'lost')} rows lost, "
        f"{_sum(notes, 'doubled')} doubled",
        wrong=sum(map(len, (note["wrong"] for note in notes))),
        debris=sum("other files" in text for note in notes for text in note["wrong"]),
        orphans=_sum(notes, "orphans"),
        stuck=_sum(notes, "stuck"),
        seconds=max((note["longest_s"] for note in notes), default=None),
    )


def of_places(notes: Notes) -> Measured:
    """Each note is of one command."""
    tried, there = _sum(notes, "kills"), 2 * _sum(notes, "operations")
    return Measured(
        f"{tried} kills at {there} places of {len(notes)} commands",
        wrong=sum(len(note["wrong"]) + len(note["half"]) for note in notes),
        debris=sum(len(note["debris"]) for note in notes),
        seconds=max((note["longest_s"] for note in notes), default=None),
    )


def of_runners(notes: Notes) -> Measured:
    """Each note is of so many runners of one folder."""
    done = ", ".join(f"{note['runners']} runners: {note['cells']} cells" for note in notes)
    doubled, torn = _sum(notes, "doubled"), _sum(notes, "torn")
    return Measured(f"{done}; {doubled} doubled, {torn} torn", wrong=doubled + torn, stuck=_sum(notes, "unsettled"))


def of_speed(notes: Notes) -> Measured:
    """Each note is of so many runs; the first is of one."""
    done = ", ".join(f"{note['runs']} runs: {notes[0]['seconds'] / note['seconds']:.2f} ×" for note in notes)
    wrong = _sum(notes, "doubled") + _sum(notes, "torn")
    return Measured(done, wrong=wrong, seconds=max(note["seconds"] for note in notes))


def of_bad(notes: Notes) -> Measured:
    """Each note is of one bad cell, and of one that goes well in the same process."""
    kinds = ", ".join(sorted({note["status"] for note in notes}))
    over = [note["seconds"] - note["limit_s"] for note in notes]
    return Measured(
        f"{2 * len(notes)} cells, {len(notes)} of them bad: {kinds}; at most {max(over):+.1f} s beyond the limit",
        wrong=sum(note["wrong"] for note in notes),
        seconds=max(note["seconds"] for note in notes),
    )


def of_files(notes: Notes) -> Measured:
    """Each note is of one damaged file, or of one command on damaged results."""
    refused = [note["refused"] for note in notes if "refused" in note]
    return Measured(
        f"{len(notes)}" + (f", {len(notes) - sum(refused)} of them accepted" if refused else ""),
        wrong=sum(bool(note.get("wrong")) for note in notes),
        seconds=max((note["seconds"] for note in notes), default=None),
        megabytes=max((note["mb"] for note in notes), default=None),
    )


def of_dask(notes: Notes) -> Measured:
    """One note."""
    (note,) = notes
    kills = ", ".join(f"{count} of a {kind}" for kind, count in note["killed"].items())
    done = f"{note['rows']} rows of 40 cells; kills: {kills}"
    return Measured(done, wrong=int(not note["equal"]), seconds=note["seconds"])


def _sum(notes: Notes, name: str) -> int:
    return sum(note[name] for note in notes)


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Parameters
    ----------
    title, goal
        As the table has them.
    command
        What runs the cases.
    cases
        The contract's number of them, as the tests count.
    measured
        What the notes of the tests amount to.
    """

    title: str
    goal: str
    command: tuple[str, ...]
    cases: int
    measured: Callable[[Notes], Measured]


def _tests(*arguments: str) -> tuple[str, ...]:
    return ("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)


_FILES = "accepted and right, or refused by file and line; ≤ 2 s, ≤ 500 MB each"
_DATA = "tests/chaos/test_mutated_data_files.py"
ROWS = {
    "kills": Row(
        "SIGKILL at random of the whole run, its parent or one worker: 40 cells in rounds, then extended",
        "≥ 500 kills; 0 lost, 0 doubled, equal to an uninterrupted run; 0 orphans, 0 stuck locks",
        _tests("tests/chaos/test_random_kills.py"),
        500,
        of_kills,
    ),
    "places": Row(
        "SIGKILL before and after every file operation",
        "every place; 0 end wrong, 0 debris after the next run",
        _tests("tests/chaos/test_kills.py", "-k", "anywhere"),
        10**6,
        of_places,
    ),
    "runners": Row(
        "two, four and eight runners on one folder",
        "0 doubled, 0 torn",
        _tests("tests/store/test_claims.py", "-k", "runners"),
        8,
        of_runners,
    ),
    "speed": Row(
        "runs on one folder, against one run",
        "two on two cores ≥ 1.8 ×",
        ("tests/benchmarks/shared_folder.py", "1", "2", "4", "8"),
        1,
        of_speed,
    ),
    "bad": Row(
        "hung, crashing, exiting, 100-GB and NaN models among 20 cells",
        "each a typed row within its limit + 2 s; the others ok",
        _tests("tests/running/test_isolation.py", "-k", "twenty"),
        1,
        of_bad,
    ),
    "suites": Row(
        "damaged suites", f"≥ 10 000; {_FILES}", _tests("tests/chaos/test_mutated_suites.py"), 10_500, of_files
    ),
    "csv": Row("damaged CSV files", f"≥ 5 000; {_FILES}", _tests(_DATA, "-k", "csv or shape"), 1300, of_files),
    "parquet": Row("damaged Parquet files", f"≥ 2 000; {_FILES}", _tests(_DATA, "-k", "parquet"), 700, of_files),
    "results": Row(
        "commands on damaged results",
        f"≥ 2 000; {_FILES}",
        _tests("tests/chaos/test_results_of_strangers.py"),
        2000,
        of_files,
    ),
    "dask": Row(
        "Dask: a worker or its machine killed every 4 s during 40 cells, the scheduler once",
        "all rows, equal to a local run",
        _tests("tests/running/test_dask.py", "-k", "lost_scheduler"),
        1,
        of_dask,
    ),
}


def noted(name: str, file: Path) -> list[dict[str, Any]]:
    """What the tests have noted for the row `name`."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [note for note in map(json.loads, lines) if note.pop("row") == name]


def run(name: str, file: Path, *, cases: int | None, minutes: float | None) -> int:
    """Run the tests behind a row, which note in `file` what they measure; how many failed."""
    row = ROWS[name]
    environment = {**os.environ, "BENCH_CHAOS": str(cases or row.cases), "BENCH_CHAOS_NOTES": str(file)}
    with tempfile.TemporaryFile("w+") as output:
        started = subprocess.Popen([sys.executable, *row.command], cwd=ROOT, env=environment, stdout=output)
        try:
            started.wait(None if minutes is None else 60 * minutes)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            started.send_signal(signal.SIGINT)
            started.wait()
            return 0
        output.seek(0)
        said = output.read()
    if started.returncode:
        sys.stderr.write(said)
    failed = re.search(r"(\d+) (failed|error)", said)
    return int(failed[1]) if failed else int(started.returncode != 0)


def line_of(name: str, measured: Measured, how: str) -> str:
    """The line of the table for one row."""
    from bench.store.environment import environment

    here = environment("cpu")
    dirty = " and changes" if here["git_dirty"] else ""
    place = f"{here['cpu']}, {len(os.sched_getaffinity(0))} cores, commit {here['git_commit'][:8]}{dirty}, {how}"
    return f"| {' | '.join([ROWS[name].title, ROWS[name].goal, *measured.cells(), place])} |"


def placed(text: str, line: str) -> str:
    """`text` with `line` of a table in the place of the one that has the same first cell."""
    begin = line[: line.index(" | ")] + " | "
    lines = text.splitlines()
    at = [number for number, old in enumerate(lines) if old.startswith(begin)]
    if len(at) != 1:
        raise SystemExit(f"{REPORT}: expected one line that begins with {begin!r}, got {len(at)}")
    lines[at[0]] = line
    return "\n".join(lines) + "\n"


def write(name: str, notes: Notes, failed: int, how: str) -> None:
    """Print the row and put it into the page, with the lines of its commands."""
    measured = ROWS[name].measured(notes)
    measured.wrong = measured.wrong or failed
    lines = [line_of(name, measured, how)]
    if name == "places":
        for note in notes:
            counts = (note["operations"], note["kills"], *(len(note[key]) for key in ("wrong", "debris", "half")))
            lines.append(f"| {' | '.join([note['command'], *map(str, counts)])} |")
    for line in lines:
        sys.stdout.write(f"{line}\n")
        REPORT.write_text(placed(REPORT.read_text(encoding="utf-8"), line), encoding="utf-8")
    sys.stdout.flush()


def main() -> int:
    """Measure the rows that are named, or all; the exit status is 1 where something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--cases", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--notes", type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests inherit it, also where a shell has ignored it
    status = 0
    for name in options.rows or ROWS:
        with tempfile.TemporaryDirectory() as folder:
            file = options.notes or Path(folder) / "notes.jsonl"
            began, failed = time.monotonic(), 0
            if options.notes is None:
                failed = run(name, file, cases=options.cases, minutes=options.minutes)
            if notes := noted(name, file):
                took = f"{time.monotonic() - began:.0f} s"
                write(name, notes, failed, STOPPED if options.notes else took)
            else:
                sys.stdout.write(f"{name}: nothing was measured\n")
            status |= bool(failed or not notes)
    return status


if __name__ == "__main__":
    sys.exit(main())
