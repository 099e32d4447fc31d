"""Where the modules of a side must come from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.ab.worktree import Side, external, git
from bench.errors import InputError


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Side]:
    """Two trees that both hold ``src/tides/model.py``, and `winds` in a folder that is on no path."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("base", "head"):
        for file in ("src/tides/__init__.py", "src/tides/model.py", "packages/winds/winds.py"):
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        git(tmp_path / name, "init", "--quiet")
    head = tmp_path / "head"
    return {name: Side(name, sys.executable, tmp_path / name, head, "c") for name in ("base", "head")}


def test_modules_of_the_own_tree_are_fine(sides: dict[str, Side]) -> None:
    for side in sides.values():
        assert external(side, {"tides.model": str(side.root / "src/tides/model.py")}, ["tides.model"]) == {}


@pytest.mark.parametrize(("name", "advice"), [("base", "--environment own"), ("head", "pip install --editable .")])
@pytest.mark.parametrize("module", ["tides.model", "winds"])
def test_an_installed_copy_of_the_own_code_is_refused(
    sides: dict[str, Side], name: str, advice: str, module: str
) -> None:
    inside = sides[name].root / ".venv/lib/site-packages/x.py"  # an environment in the tree is not of the tree
    for file in (inside, Path("/usr/lib/python3/site-packages/x.py")):
        with pytest.raises(InputError) as caught:
            external(sides[name], {module: str(file)}, [module])
        assert str(caught.value).startswith(f"{name}: expected the module {module} of {sides[name].root}, got {file}; ")
        assert str(caught.value).endswith(advice)


def test_whatever_the_base_takes_from_the_working_tree_is_refused(sides: dict[str, Side]) -> None:
    file = str(sides["head"].root / "src/helper.py")
    with pytest.raises(InputError, match=r"base: expected the module helper of .*--environment own"):
        external(sides["base"], {"helper": file}, [])
    assert external(sides["head"], {"helper": file}, []) == {}


def test_code_of_nobody_here_is_told_by_its_package(sides: dict[str, Side]) -> None:
    modules = {"ocean": "/site/ocean/__init__.py", "ocean.model": "/site/ocean/model.py", "numpy": "/site/numpy.py"}
    assert external(sides["base"], modules, ["ocean.model"]) == {"ocean": "/site/ocean/__init__.py"}


def test_what_was_installed_from_the_base_is_its_own(sides: dict[str, Side], tmp_path: Path) -> None:
    base = sides["base"]
    own = Side("base", base.python, base.root, base.repository, "c", tmp_path / "environment")
    assert external(own, {"winds": str(tmp_path / "environment/lib/site-packages/winds.py")}, ["winds"]) == {}
