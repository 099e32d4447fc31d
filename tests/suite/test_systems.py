"""Published systems in a suite file: which cells they become, with what settings, and what may not be written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cells import expand
from bench.data import dataset_kinds
from bench.models import model_kinds
from bench.replication.suite_files import load
from bench.replication.systems import Overrides, parsed

SUITES = Path(__file__).parents[2] / "suites"

TEXT = """\
name: tutorials
seeds: 3
tuning: {trials: 4}
training: {epochs: 7, learning_rate: 0.02}
references: [last]
sequence_lengths: [10]
systems:
  - id: T01
    title: one
    datasets: [noise]
    models: [net]
    settings:
      seeds: 20
      training: {epochs: 100, batch_size: all}
      as_published: {scaler: series, order: in-order}
    protocol: {training: {epochs: 9}}
    published: {test_rmse: 0.1128, train_loss: {10: 0.0342, 20: 0.0150}, first_target: 0.5, shapes: {h_n: [2, 3]}}
  - id: T02
    title: two
    datasets: [noise, {id: loud, kind: noise, noise: 0.5}]
    models: [net, last]
    sequence_lengths: [5, 6]
    protocol: false
"""


def test_a_system_becomes_cells_as_published_and_under_the_protocol(load_text):
    found = [(c.dataset.id, c.model.id, c.sequence_length, c.seeds, bool(c.tuning)) for c in expand(load_text(TEXT))]
    assert found[:3] == [
        ("T01", "net as published", 10, 20, False),
        ("T01", "net", 10, 3, True),
        ("T01", "last", 10, 3, True),
    ]
    assert found[3:] == [
        (dataset, f"{model} as described", length, 3, False)
        for dataset in ("T02 noise", "T02 loud")
        for model in ("net", "last")
        for length in (5, 6)
    ]


def test_settings_take_the_place_of_the_keys_that_are_given(load_text):
    published, protocol, _ = list(expand(load_text(TEXT)))[:3]
    assert (published.training.epochs, published.training.batch_size, published.training.learning_rate) == (
        100,
        "all",
        0.02,
    )
    assert published.as_published.departures == ("scaler: series", "order: in-order")
    assert (protocol.training.epochs, protocol.training.batch_size, protocol.training.learning_rate) == (9, 64, 0.02)
    assert protocol.as_published.departures == ()


def test_a_budget_in_steps_takes_the_place_of_one_in_epochs_and_the_other_way_round(load_text):
    text = TEXT.replace("{epochs: 7, learning_rate: 0.02}", "{steps: 70, validate_every: 9, learning_rate: 0.02}")
    published, protocol, _ = list(expand(load_text(text)))[:3]
    assert (published.training.epochs, published.training.steps, published.training.validate_every) == (100, None, None)
    assert (protocol.training.epochs, protocol.training.steps) == (9, None)
    text = TEXT.replace("protocol: {training: {epochs: 9}}", "protocol: {training: {steps: 90}, tuning: {steps: 30}}")
    suite = load_text(text)
    published, protocol, _ = list(expand(suite))[:3]
    assert (published.training.epochs, protocol.training.epochs, protocol.training.steps) == (100, None, 90)
    assert (protocol.tuning.steps, protocol.tuning.trials, protocol.training.learning_rate) == (30, 4, 0.02)
    assert [cell.id for cell in expand(parsed(suite.model_dump_json()))] == [cell.id for cell in expand(suite)]


def test_a_suite_with_systems_survives_being_written_as_json(load_text):
    suite = load_text(TEXT)
    again = parsed(suite.model_dump_json())
    assert again == suite
    assert again.systems[0].published.train_loss == {10: 0.0342, 20: 0.0150}


def test_the_json_schema_takes_it(load_text, registries):
    jsonschema = pytest.importorskip("jsonschema")
    from ruamel.yaml import YAML

    from bench.replication.suite_files import json_schema

    schema = json_schema(**registries)
    content = json.loads(json.dumps(YAML(typ="safe", pure=True).load(TEXT)))
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "systems": []}, schema)


def test_what_is_wrong_with_a_system_is_said_at_its_place(problems):
    text = TEXT.replace("id: T02", "id: T01").replace("title: one", "titel: one")
    text = text.replace("kind: noise, ", "kind: nose, ")
    assert problems(text) == [
        (8, 5, "the key 'title' is missing"),
        (9, 5, "unknown key 'titel'; did you mean 'title'? (known: datasets, horizons, id, models, protocol, "
               "published, remark, sequence_lengths, settings, title)"),
        (20, 40, "unknown dataset 'nose'; did you mean 'noise'? (known: file, noise, prices)"),
    ]  # fmt: skip


def test_two_systems_of_one_name(problems):
    text = TEXT.replace("id: T02", "id: T01").replace("[noise, {id: loud, kind: noise, noise: 0.5}]", "[prices]")
    assert problems(text) == [(18, 5, "two systems or datasets have the id 'T01', the first on line 8")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("horizons: [2]\ntraining: {supervision: every-step}\n", "net: expected horizon 1, since every step"),
        ("as_published: {validation: none}\n", "net: expected a validation part, which tuning goes by"),
    ],
)
def test_settings_that_exclude_each_other(problems, settings, message):
    ((_, _, found),) = problems(f"name: s\ndatasets: [noise]\nmodels: [net]\n{settings}")
    assert found.startswith(message)


@pytest.mark.parametrize("name", ["tutorials", "ci"])
def test_a_suite_that_a_folder_keeps_gives_the_same_cells(name: str) -> None:
    suite = load(SUITES / f"{name}.yaml", datasets=dataset_kinds(), models=model_kinds())
    kept = parsed(suite.model_dump_json())
    assert [cell.id for cell in expand(kept)] == [cell.id for cell in expand(suite)]


def test_what_an_earlier_version_kept_of_overrides_is_what_was_given() -> None:
    content = {
        "seeds": None,
        "fresh_data": False,
        "split": {"validation": 0.1, "test": 0.4},
        "training": None,
        "tuning": None,
        "as_published": None,
    }
    overrides = Overrides.model_validate(content)
    assert overrides.model_fields_set == {"fresh_data", "split"}
    assert overrides.split is not None
    assert overrides.split.model_fields_set == {"test"}
    assert overrides.model_dump(mode="json") == {"fresh_data": False, "split": {"test": 0.4}}
