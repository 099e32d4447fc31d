"""Compare this project's own benchmarks with the stored ratios, or store them.

``python tests/benchmarks/compare_ratios.py`` runs the small ones of ``perf_*.py`` in `PASSES` fresh processes, every
second one backwards, so that what drifts falls on both sides of a ratio. They count processor time, which other
processes disturb less than the clock. Exit status: 0 nothing is slower; 1 something is, by more than the threshold;
2 it cannot be compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from passes import HERE, ROOT, CannotMeasure, one_pass
from ratio_table import table
from ratio_verdicts import THRESHOLD, compared
from ratios import CannotCompare, Ratios, gathered, read, written

STORED = ROOT / "results/benchmarks.json"
PASSES = 5
QUICK = ("--benchmark-timer=processor.seconds", "--benchmark-min-rounds=1", "--benchmark-max-time=0.1")


def main(words: list[str]) -> int:
    """Carry out the command and return its exit status."""
    options = _options(words)
    try:
        stored = None if options.store else read(STORED)
        now = measured(options.passes)
        if stored is None:
            STORED.write_text(written(now), encoding="utf-8")
            sys.stdout.write(f"{STORED}: {len(now.ratios)} benchmarks, {options.passes} passes\n")
            return 0
        found = compared(stored, now, threshold=options.threshold)
    except (CannotCompare, CannotMeasure) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    text = table(found, threshold=options.threshold)
    sys.stdout.write(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with options.output.open("a", encoding="utf-8") as file:
            file.write(text)
    return found.status


def measured(passes: int) -> Ratios:
    """The ratios of so many passes."""
    from bench.store.environment import libraries

    found = [one_pass(*QUICK, "-k", "not large", str(HERE))]
    forwards = [each["fullname"] for each in found[0]["benchmarks"]]
    while len(found) < passes:
        sys.stderr.write(f"pass {len(found)} of {passes} is over\n")
        found.append(one_pass(*QUICK, *(forwards[::-1] if len(found) % 2 else forwards)))
    return gathered(found, libraries=libraries())


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tox -e benchmarks --", description=__doc__.partition("\n")[0])
    parser.add_argument("--store", action="store_true", help="write results/benchmarks.json instead")
    parser.add_argument("--passes", type=int, default=PASSES, help="fresh processes, 2 or more; more tell more")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="growth of a ratio that is reported")
    parser.add_argument("--output", type=Path, help="also write the table to this file, at its end")
    options = parser.parse_args(words)
    if options.passes < 2 or options.threshold <= 0:
        parser.error(f"expected 2 passes or more and a threshold above 0, came {options.passes}, {options.threshold}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
