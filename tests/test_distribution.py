"""What pip calls the project is one name, wherever it is written."""

import re
import tomllib
from pathlib import Path

from bench.errors import DISTRIBUTION, pip_install

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_name_that_is_advised_is_that_of_the_project():
    assert PROJECT["name"] == DISTRIBUTION
    assert pip_install("stats") == f'pip install "{PROJECT["name"]}[stats]"'


def test_no_other_name_is_advised():
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.py")):
        text = path.read_text()
        assert re.findall(r"(?<![\w-])bench\[\w+\]|pip install bench\b", text) == [], path
        extras = re.findall(r"pip_install\([\"'](\w+)[\"']\)|sequence-bench\[(\w+)\]", text)
        assert {one or other for one, other in extras} <= PROJECT["optional-dependencies"].keys(), path
