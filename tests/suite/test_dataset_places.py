"""Where a suite file names its datasets."""

from __future__ import annotations

from bench.data import DATASETS
from bench.models import MODELS
from bench.replication.suite_files import load
from bench.replication.systems import parsed

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
    suite = load(tmp_path / "x.yaml", datasets=DATASETS, models=MODELS)
    assert suite.origin.file == str(tmp_path / "x.yaml")
    assert suite.origin.datasets == {
        "sine": (5, 3),
        "noise": (6, 22),
        "S01": (11, 3),
        "S02 sine": (14, 3),
        "S02 random": (14, 3),
    }


def test_where_a_suite_comes_from_is_no_part_of_it(tmp_path):
    (tmp_path / "x.yaml").write_text(TEXT)
    suite = load(tmp_path / "x.yaml", datasets=DATASETS, models=MODELS)
    again = parsed(suite.model_dump_json())
    assert (again, again.origin) == (suite, None)
    assert again.model_copy(update={"seed": 1}) != suite
    assert suite.model_copy(update={"seed": 1}).origin == suite.origin
