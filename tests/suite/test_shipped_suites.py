"""The suites that come with the project."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.cells import expand
from bench.data import DATASETS
from bench.models import MODELS
from bench.replication.suite_files import json_schema, load
from bench.suite.yaml import Problems, read

FOLDER = Path(__file__).parents[2] / "suites"
FILES = sorted(FOLDER.glob("*.yaml"))


def shipped(name):
    return load(FOLDER / f"{name}.yaml", datasets=DATASETS, models=MODELS)


def test_there_are_these():
    assert {path.stem for path in FILES} >= {"quick", "full", "stocks"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_loads_under_the_name_of_its_file(path):
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert shipped(path.stem).name == path.stem


def test_the_schema_is_current():
    """Fix with: ``python -m bench schema > suites/schema.json``."""
    expected = json.dumps(json_schema(DATASETS, MODELS), indent=2, ensure_ascii=False) + "\n"
    assert (FOLDER / "schema.json").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_valid_by_the_schema(path):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    content = read(path, Problems(str(path))).plain()
    assert not list(jsonschema.Draft202012Validator(schema).iter_errors(content))


def test_quick_needs_no_file():
    assert all(DATASETS[entry.kind].fingerprint is None for entry in shipped("quick").datasets)


def test_quick_takes_few_steps_of_gradient_descent():
    """At 5 ms for a step of a small recurrent bank member, all of it is 30 s on each of two cores."""
    suite = shipped("quick")
    epochs = suite.tuning.trials * suite.tuning.epochs + suite.seeds * suite.training.epochs
    steps = sum(
        epochs * math.ceil(cell.dataset.parameters["length"] * 0.7 / suite.training.batch_size)
        for cell in expand(suite)
        if MODELS[cell.model.kind].gradient
    )
    assert 0 < steps * 0.005 / 2 < 30


def test_full_has_every_kind_of_series_and_model():
    suite = shipped("full")
    assert len(list(expand(suite))) == 9 * 9 * 3 - 9
    assert suite.seeds == 10
    assert {"random", "noisy-sine", "damped-multisine", "oscillator", "gbm", "TSLA", "GOOGL", "DJI"} <= {
        entry.kind for entry in suite.datasets
    }


def test_ci_has_a_cell_of_a_file_of_sequences_and_with_a_study():
    cells = list(expand(shipped("ci")))
    of_kind = {cell.dataset.kind for cell in cells}
    assert {"file", "denoise-sine"} <= of_kind
    assert [cell.model.id for cell in cells if cell.tuning] == ["tuned-gru"]


def test_the_tide_of_ci_is_that_of_its_formula():
    """Two tides and a swell, an autoregression of a linear congruential generator; hours, and metres."""
    state, swell, lines = 1, 0, ["hour,level"]
    for hour in range(400):
        state = (1103515245 * state + 12345) % 2**31
        swell = 7 * swell // 10 + state // 2**16 % 401 - 200
        moon, sun = (math.sin(2 * math.pi * hour / period) for period in (12.42, 12))
        lines.append(f"{hour},{(4000 + round(1500 * moon + 400 * sun) + swell) / 1000:.3f}")
    assert (FOLDER / "ci-tide.csv").read_text() == "\n".join([*lines, ""])


def test_stocks_holds_out_the_last_100_days():
    suite = shipped("stocks")
    assert [entry.kind for entry in suite.datasets] == ["TSLA", "GOOGL", "DJI"]
    assert suite.split.test == 100
    assert isinstance(suite.split.test, int)
    assert suite.seeds >= 5
    assert {"persistence", "encoder-decoder"} <= {entry.kind for entry in suite.models}
