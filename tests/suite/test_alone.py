"""A cell as a suite of its own is the same cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cells import alone, expand
from bench.data import dataset_kinds
from bench.models import model_kinds
from bench.replication.suite_files import load

SUITES = Path(__file__).parents[2] / "suites"


def cells(path: Path) -> list:
    return list(expand(load(path, datasets=dataset_kinds(), models=model_kinds())))


@pytest.mark.parametrize("suite", ["ci", "tutorials"])
def test_it_says_the_same(suite: str, tmp_path: Path) -> None:
    for cell in cells(SUITES / f"{suite}.yaml"):
        file = tmp_path / "alone.yaml"
        file.write_text(alone(cell), encoding="utf-8")
        assert cells(file) == [cell]


def test_what_is_not_stated_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("name: a\ndatasets: [{kind: file, path: x.csv, column: y}]\nmodels: [gru]\n")
    (cell,) = cells(tmp_path / "tiny.yaml")
    assert "hidden_size" not in alone(cell)
    assert "epochs" not in alone(cell)
    assert f'"path": "{tmp_path / "x.csv"}"' in alone(cell)
