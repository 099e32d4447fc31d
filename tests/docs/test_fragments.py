"""Every piece of a suite that the README and the pages on suites show is accepted as it stands."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import bench
from bench.models.from_source import allowing_plug_ins
from bench.replication.systems import ReplicationSuite

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/suites.md", "docs/published.md")
KEYS = set(ReplicationSuite.model_fields)

OWN_NET = """
from torch import nn

class MyNet(nn.Module):
    def __init__(self, sequence_length, horizon, channels, outputs, hidden_size=8):
        super().__init__()
        self.map, self.target = nn.Linear(sequence_length * channels, horizon * outputs), (horizon, outputs)

    def forward(self, x):
        return self.map(x.flatten(1)).unflatten(-1, self.target)
"""
OWN_FORECASTER = """
import numpy as np

class MyForecaster:
    def __init__(self, period=24):
        self.period = period

    def fit(self, history, validation, *, seed, budget):
        pass

    def predict(self, history, origins, horizon):
        return np.stack([np.repeat(history[origin - 1][None], horizon, axis=0) for origin in origins])
"""


def fragments(page: str) -> list[dict[str, Any]]:
    """Blocks of a page, indented or fenced as YAML, that are mappings with keys of a suite alone."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = [match[0] for match in re.finditer(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)]
    blocks += re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    read = [parsed(textwrap.dedent(block)) for block in blocks]
    return [content for content in read if isinstance(content, dict) and set(content) <= KEYS]


def parsed(block: str) -> Any:
    try:
        return YAML(typ="safe").load(block)
    except YAMLError:
        return None  # a program, or what one prints


@pytest.mark.parametrize("page", PAGES)
def test_every_fragment_is_a_part_of_a_suite(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(OWN_NET)
    (tmp_path / "myforecaster.py").write_text(OWN_FORECASTER)
    found = fragments(page)
    assert found
    with allowing_plug_ins(allowed=True):
        for content in found:
            assert bench.load(completed(content)).name


def completed(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with what else a suite needs; a library that is not installed here is left out."""
    entries = [entry for entry in content.get("models", ()) if "lightgbm" not in str(entry)]
    models = {"models": entries} if entries else {}
    if "systems" in content:
        return {"name": "part", **content}
    tuned = any(isinstance(entry, dict) and "search" in entry for entry in entries)
    rest = {"datasets": [{"kind": "sine", "length": 2000}], "models": ["persistence"], "tuning": {} if tuned else False}
    return {"name": "part", **rest, **content, **models}
