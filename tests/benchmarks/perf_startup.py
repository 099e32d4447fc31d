"""How long the program takes to say something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = str(Path(__file__).parents[2] / "suites" / "quick.yaml")


def started(benchmark, *arguments: str, folder: Path) -> None:
    def call() -> None:
        subprocess.run([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True)

    benchmark(call)


@pytest.mark.benchmark(group="bench --help")
def test_help_bench(benchmark, tmp_path):
    started(benchmark, "-m", "bench", "--help", folder=tmp_path)


@pytest.mark.benchmark(group="bench --help")
def test_help_reference_python_that_does_nothing(benchmark, tmp_path):
    started(benchmark, "-c", "pass", folder=tmp_path)


@pytest.mark.benchmark(group="bench run quick --dry-run")
def test_dry_run_bench(benchmark, tmp_path):
    started(benchmark, "-m", "bench", "run", SUITE, "--dry-run", folder=tmp_path)


@pytest.mark.benchmark(group="bench run quick --dry-run")
def test_dry_run_reference_python_that_imports_numpy_and_pyarrow(benchmark, tmp_path):
    started(benchmark, "-c", "import numpy, pyarrow.parquet", folder=tmp_path)
