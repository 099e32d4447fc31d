"""One pass of pytest-benchmark over ``perf_*.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}


class CannotMeasure(Exception):
    """A benchmark failed; the message is what pytest said."""


def one_pass(*arguments: str) -> dict[str, Any]:
    """What ``--benchmark-json`` tells of one fresh process of pytest, given these arguments too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "benchmarks.json")
        options = ["-q", "-p", "no:cacheprovider", "-o", "python_files=perf_*.py", f"--benchmark-json={path}"]
        before = os.environ.get("PYTHONPATH")
        modules = os.pathsep.join([str(HERE), *([before] if before else [])])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": modules},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotMeasure(f"{done.stdout}\nthe benchmarks ended with exit status {done.returncode}")
        return dict(json.loads(path.read_text(encoding="utf-8")))
