"""Every command of `examples/README.md` is run, and every file is used."""

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
EXAMPLES = ROOT / "examples"
COMMANDS = re.findall(r"^    bench (.+)$", (EXAMPLES / "README.md").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_runs_as_it_says(command: str, tmp_path: Path) -> None:
    if "zero_shot" in command:
        pytest.importorskip("fracast", reason="its weights come with: pip install fracast")
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    arguments = shlex.split(command)
    more = ["--jobs", "1", "--device", "cpu", "--no-report"] if arguments[0] == "run" else []
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, *more],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if arguments[0] == "run":
        runs = pd.concat([pd.read_parquet(part) for part in tmp_path.glob("results/*/runs/*.parquet")])
        assert set(runs.status) == {"ok"}
        best = runs.groupby("model").rmse.mean().idxmin()
        assert best != "persistence", "an example in which nothing is learnt teaches nothing"
    if arguments[0] == "judge":
        assert "yesterday's change is better than persistence" in ended.stdout


def test_a_suite_says_the_command_that_runs_it() -> None:
    for path in EXAMPLES.glob("*.yaml"):
        said = re.findall(r"^#   bench (.+)$", path.read_text(), flags=re.MULTILINE)
        assert said
        assert set(said) <= set(COMMANDS)


def test_every_file_is_described() -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in EXAMPLES.iterdir() if path.is_file() and path.name not in text] == ["README.md"]
