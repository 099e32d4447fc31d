"""Where a suite file names its datasets."""

from __future__ import annotations

from bench.data import DATASETS
from bench.models import MODELS
from bench.suite.load import dataset_places

TEXT = """\
name: s
tuning: false
models: [mean]
datasets:
- sine
- {kind: random, id: noise}
systems:
- id: S01
  title: one
  models: [rnn]
  datasets: [sine]
- id: S02
  title: two
  datasets: [sine, random]
  models: [rnn]
"""


def test_each_dataset_has_its_line(tmp_path):
    (tmp_path / "x.yaml").write_text(TEXT)
    found = dataset_places(tmp_path / "x.yaml", datasets=DATASETS, models=MODELS)
    assert found == {"sine": (5, 3), "noise": (6, 22), "S01": (11, 3), "S02 sine": (14, 3), "S02 random": (14, 3)}
