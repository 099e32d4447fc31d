"""The documents say what the program does."""

import re
from pathlib import Path

import pytest

from bench.data import DATASETS
from bench.models import MODELS
from bench.schema import SCHEMAS, Status

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_every_column_is_described(table):
    text = (ROOT / "docs" / "results.md").read_text()
    section = text.split(f"## {table}:")[1].split("\n## ")[0]
    described = set(re.findall(r"`([a-z0-9_]+)`", section + text.split("## runs:")[0]))
    assert set(SCHEMAS[table].names) <= described


def test_every_status_is_described():
    text = (ROOT / "docs" / "results.md").read_text()
    assert all(f"`{status}`" in text for status in Status)


@pytest.mark.parametrize("name", [*DATASETS, *MODELS])
def test_every_kind_is_described(name):
    assert f"`{name}`" in (ROOT / "docs" / "suites.md").read_text()


def test_every_setting_is_described():
    from bench.suite.spec import Exclusion, Gate, Split, Suite, Thresholds, Training, Tuning

    text = (ROOT / "docs" / "suites.md").read_text()
    for part in (Suite, Split, Training, Tuning, Exclusion, Gate, Thresholds):
        assert [name for name in part.model_fields if f"`{name}`" not in text] == []
