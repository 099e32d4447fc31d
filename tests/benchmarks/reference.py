"""Run a random share of the cells of the reference results again, and compare them with what is stored.

    python tests/benchmarks/reference.py [FOLDER …] [--sample 5%:17] [--jobs 2]

Each folder is a results folder that keeps its suite, by default those in ``results/reference``. The sample is printed,
so that it can be taken again. Datasets that are not on this machine (`BENCH_DATA` names a folder of them) are left out,
which is said; where seeds are added until claims are decided, those that every cell begins with are run. The exit
status is the highest of the gates of ``bench compare --gate --partial``: 0 nothing got worse, 1 something did, 2 cells
cannot be compared.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import store
from bench.api.folders import loaded
from bench.cli.terminal import say
from bench.data import dataset_kinds
from bench.errors import DataError, DataUnavailable
from bench.spec import Entry, SeedPlan, Suite

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, help="results folders [default: those in results/reference]")
    parser.add_argument("--sample", default=f"5%:{secrets.randbelow(10**6)}", help="as of bench run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="as of bench run")
    given = parser.parse_args(arguments)
    folders = given.folders or sorted(path.parent for path in REFERENCE.glob("*/suite.json"))
    if not folders:
        sys.exit(f"{REFERENCE}: expected results folders in it, found none; `bench compact --into` makes one")
    return max(check(folder, given.sample, given.jobs) for folder in folders)


def check(folder: Path, sample: str, jobs: int) -> int:
    """The exit status of the gate between `folder` and a new run of a `sample` of its cells."""
    say(f"{folder}: --sample {sample}")
    suite, absent = available(loaded(str(folder)))
    for name, reason in absent.items():
        say(f"left out: {name}: {reason}")
    with tempfile.TemporaryDirectory() as made:
        store.write_suite(Path(made), suite.model_dump_json())
        bench("run", made, "--sample", sample, "--jobs", str(jobs), "--no-report", "--progress", "plain")
        return bench("compare", str(folder), made, "--gate", "--partial")


def available(suite: Suite) -> tuple[Suite, dict[str, str]]:
    """`suite` with the datasets that can be loaded here and its first seeds, and why others cannot."""
    absent: dict[str, str] = {}
    for entry in suite.datasets:
        if reason := missing(entry):
            absent[entry.id] = reason
    kept = tuple(entry for entry in suite.datasets if entry.id not in absent)
    if not kept:
        sys.exit(
            f"suite {suite.name}: expected a dataset that can be loaded, got none; name their folder in BENCH_DATA"
        )
    excluded = tuple(rule for rule in suite.exclude if rule.dataset not in absent)
    seeds = suite.seeds.first if isinstance(suite.seeds, SeedPlan) else suite.seeds
    return suite.model_copy(update={"datasets": kept, "exclude": excluded, "seeds": seeds}), absent


def missing(entry: Entry) -> str:
    """Why a dataset cannot be loaded; empty where it can."""
    kind = dataset_kinds()[entry.kind]
    try:
        kind.load(kind.parameters(**entry.parameters), 0)
    except (DataError, DataUnavailable) as error:
        return str(error)
    return ""


def bench(*arguments: str) -> int:
    """The exit status of a command."""
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "bench", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
