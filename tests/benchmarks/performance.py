"""Measure everything that `reports/performance.md` tells, and write it there.

``python tests/benchmarks/performance.py [SECTION …]`` measures the sections named, or all but ``gpu``, and puts each
between its two marks in the file; what stands outside of the marks is left as it is. No time is asserted: every one
is reported next to a reference that was timed in the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from passes import HERE, ROOT, CannotMeasure, one_pass
from ratios import Pair, pairs

REPORT = ROOT / "reports" / "performance.md"


def engine() -> str:
    """Banks against torch: what ``engine.py`` prints."""
    return _output(str(HERE / "engine.py"))


def parts() -> str:
    """Banks, windows, store, report and start-up, each against its reference."""
    try:
        found = pairs(one_pass(str(HERE)))
    except CannotMeasure as error:
        sys.exit(str(error))
    lines = ["| what | ms | reference | its ms | ratio |", "|---|---|---|---|---|"]
    lines += [_line(pair) for pair in found]
    return "\n".join([machine(), "", *lines])


def shapes() -> str:
    """Every shape that the shipped suites use: what ``shapes.py`` prints."""
    return _output(str(HERE / "shapes.py"))


def run() -> str:
    """Where the time of a run goes, before and after: what ``run_parts.py`` prints."""
    return _output(str(HERE / "run_parts.py"))


def gpu() -> str:
    """A bank on a GPU against cuDNN: what ``gpu_bank.py`` prints; it refuses where there is none."""
    return _output(str(HERE / "gpu_bank.py"))


SECTIONS: Mapping[str, Callable[[], str]] = {
    "engine": engine,
    "shapes": shapes,
    "parts": parts,
    "run": run,
    "gpu": gpu,
}
NAMED_ALONE = {"gpu"}
"""Sections that are measured only where they are named: not every machine can."""


def main(names: list[str]) -> None:
    """Measure the sections `names` and write them; all that every machine can measure where none is named."""
    unknown = set(names) - SECTIONS.keys()
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: expected sections of {', '.join(SECTIONS)}")
    for name in names or [each for each in SECTIONS if each not in NAMED_ALONE]:
        content = SECTIONS[name]()
        REPORT.write_text(placed(REPORT.read_text(encoding="utf-8"), name, content), encoding="utf-8")


def placed(text: str, name: str, content: str) -> str:
    """`text` with `content` between the marks of `name`."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"expected one {begin.strip()} and one {end.strip()}")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content.strip()}\n\n{end}{rest.split(end)[1]}"


def _line(pair: Pair) -> str:
    return f"| {pair.name} | {_ms(pair.own_s)} | {pair.reference} | {_ms(pair.reference_s)} | {pair.ratio:.2f} |"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.{2 if seconds < 0.1 else 0}f}"


def machine() -> str:
    from bench.store.environment import environment

    found = environment("cpu")
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    place = f"{found['cpu']}, {cores} cores, Python {found['python']}, commit {found['git_commit']}"
    return f"{place}; load of the machine while it was measured: {load:.1f}"


def _output(*arguments: str) -> str:
    ended = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{ended.stdout}\n{' '.join(arguments)}: exit status {ended.returncode}")
    return ended.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
