"""What a page prints works as printed, and no page carries an absolute path."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """\
name: own
datasets: [{id: mine, kind: file, path: my data/closes.csv, column: close}]
models: [persistence, linear-ar]
sequence_lengths: [4]
training: {epochs: 1}
tuning: false
"""


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a suite in another one, run into a results folder that lies elsewhere too."""
    place = tmp_path_factory.mktemp("own")
    work, data = place / "work", place / "suites" / "my data"
    work.mkdir()
    data.mkdir(parents=True)
    lines = "\n".join(f"{100 + (7 * step) % 13 + step / 10}" for step in range(120))
    (data / "closes.csv").write_text(f"close\n{lines}\n")
    (place / "suites" / "own.yaml").write_text(SUITE)
    results = place / "kept results" / "own"
    ran = bench(work, "run", str(place / "suites" / "own.yaml"), "--results", str(results), "--jobs", "1")
    assert ran.returncode == 0, ran.stderr
    return work


def printed(place: Path) -> list[str]:
    text = (place / "reports/own/report.md").read_text()
    return re.findall(r"^ {4}(bench .*)$", text, re.MULTILINE)


def test_the_commands_of_a_page_work_as_printed(place: Path) -> None:
    commands = printed(place)
    assert [shlex.split(command)[1] for command in commands] == ["run", "report"]
    for command in commands:
        again = bench(place, *shlex.split(command)[1:])
        assert again.returncode == 0, again.stderr
        assert "suite.json" not in again.stderr
    assert "2 stored" in bench(place, *shlex.split(commands[0])[1:], "--dry-run").stdout, "nothing was run anew"


def test_so_do_those_that_print_the_rows(place: Path) -> None:
    text = (place / "reports/own/report.md").read_text()
    options = re.search(r"with --results (.*?); --csv", text).group(1)
    (show, *_) = re.findall(r"bench show [0-9a-f]+", text)
    shown = bench(place, *shlex.split(f"{show} --results {options}")[1:])
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("name", ["report.md", "index.html", "cells.csv"])
def test_no_page_carries_an_absolute_path(place: Path, name: str) -> None:
    text = (place / "reports/own" / name).read_text()
    assert str(place.parent) not in text
    assert "closes.csv" in text or name == "cells.csv"


def test_a_suite_that_is_damaged_is_refused_in_one_line(place: Path, tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps({"datasets": 3}))
    refused = bench(place, "run", str(tmp_path))
    assert refused.returncode == 2
    assert "expected a suite as this version of bench keeps it" in refused.stderr
    assert "Traceback" not in refused.stderr
