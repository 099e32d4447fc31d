"""Every file of `examples/` is run as its first lines say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def commands(path: Path) -> list[list[str]]:
    lines = re.findall(r"^#   bench (.+)$", path.read_text(), flags=re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_as_it_says(path: Path, folder: Path) -> None:
    said = commands(path)
    assert said, f"{path.name} says no command"
    for arguments in said:
        more = ["--jobs", "1", "--device", "cpu", "--no-report"] if arguments[0] == "run" else []
        ended = subprocess.run(
            [sys.executable, "-m", "bench", *arguments, *more],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    runs = pd.concat([pd.read_parquet(part) for part in (folder / "results").glob("*/runs/*.parquet")])
    assert set(runs.status) == {"ok"}
    best = runs.groupby("model").rmse.mean().idxmin()
    assert best != "persistence", "an example in which nothing is learnt teaches nothing"


def test_every_file_is_used_by_an_example() -> None:
    text = "".join(path.read_text() for path in EXAMPLES)
    others = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".csv")]
    assert others
    assert [name for name in others if name not in text] == []
