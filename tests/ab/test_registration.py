"""The plug-ins of the base, in an environment that was made for the head."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.ab.worktree import registered
from bench.registry import third_party

PROJECT = '[project]\nname = "sea-models"\nversion = "{}"\n[project.entry-points."bench.models"]\n{}\n'


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The base registers one model, the head another; the head is installed."""
    for name, point in {"base": 'tide = "sea.old:TIDE"', "head": 'wind = "sea:WIND"', "site": ""}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(PROJECT.format(1, point))
    info = tmp_path / "site/Sea_Models-2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Sea_Models\nVersion: 2\n")
    (info / "entry_points.txt").write_text("[bench.models]\nwind = sea:WIND\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "base", tmp_path / "head"


def test_the_base_has_its_own_and_not_the_installed_ones(
    trees: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert third_party("bench.models")["wind"].value == "sea:WIND"
    folder = registered(*trees, tmp_path / "registration")
    monkeypatch.syspath_prepend(str(folder))
    found = third_party("bench.models")
    assert found["tide"].value == "sea.old:TIDE"
    assert "wind" not in found


def test_a_base_that_has_no_project_registers_none(
    trees: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trees[0] / "pyproject.toml").unlink()
    monkeypatch.syspath_prepend(str(registered(*trees, tmp_path / "registration")))
    assert "wind" not in third_party("bench.models")


def test_what_is_the_same_or_not_told_is_left_alone(trees: tuple[Path, Path], tmp_path: Path) -> None:
    base, head = trees
    assert registered(head, head, tmp_path / "none") is None
    (head / "pyproject.toml").write_text("[tool.x]\n")
    assert registered(base, head, tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
