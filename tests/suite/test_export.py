"""The JSON Schema of suite files: what it allows is what loads."""

from __future__ import annotations

import json

import pytest

import bench.suite.json_schema
import bench.suite.load
from bench.errors import SuiteError
from bench.replication import suite_files

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


LOADERS = {
    "plain": (bench.suite.load.load, bench.suite.json_schema.json_schema),
    "with systems": (suite_files.load, suite_files.json_schema),
}


@pytest.fixture(params=LOADERS, scope="module")
def loader(request):
    return LOADERS[request.param][0]


@pytest.fixture(scope="module")
def validator(registries, loader):
    json_schema = dict(LOADERS.values())[loader]
    schema = json_schema(**registries)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def suite(**changed):
    return {"name": "s", "datasets": ["noise"], "models": ["net"], **changed}


GOOD = [
    suite(),
    suite(
        sequence_lengths=[1, 2],
        split={"test": 100},
        tuning=False,
        time_limit_s=0.5,
        exclude=[{"model": "n*", "sequence_length": 1}],
    ),
    suite(training={"early_stopping": False, "clip_norm": None, "learning_rate": 1}),
    suite(datasets=["prices", {"kind": "noise", "id": "<a>", "noise": [1, 0.5], "drift": [None, 2]}]),
    suite(datasets=[{"kind": "file", "path": ["a.csv", "b.csv"], "column": "c"}]),
    suite(models=["last", {"kind": "blocks", "sizes": [1, 2]}, {"kind": "blocks", "id": "b", "sizes": [[1], [2, 3]]}]),
    suite(models=[{"kind": "net", "cell": ["lstm", "gru"], "bidirectional": [True, False]}]),
]
BAD = [
    {"name": "s", "datasets": ["noise"]},
    suite(models=[]),
    suite(modles=["net"]),
    suite(name="a/b"),
    suite(datasets=["file"]),
    suite(datasets=[{"kind": "file", "path": "a.csv"}]),
    suite(datasets=[{"kind": "noise", "layers": 2}]),
    suite(datasets=["net"]),
    suite(models=[{"kind": "net", "layers": [1, "two"]}]),
    suite(models=[{"kind": "net", "layers": []}]),
    suite(models=[{"kind": "net", "dropout": 1}]),
    suite(tuning=True),
    suite(split={"test": 1.5}),
    suite(training={"epochs": "10"}),
    suite(exclude=[{"modl": "net"}]),
]


def loads(content, load, registries, folder):
    path = folder / "x.yaml"
    path.write_text(json.dumps(content))
    try:
        load(path, **registries)
    except SuiteError:
        return False
    return True


@pytest.mark.parametrize("content", GOOD, ids=map(str, range(len(GOOD))))
def test_what_loads_is_valid(loader, validator, registries, tmp_path, content):
    assert loads(content, loader, registries, tmp_path)
    assert not list(validator.iter_errors(content))


@pytest.mark.parametrize("content", BAD, ids=map(str, range(len(BAD))))
def test_what_does_not_load_is_not_valid(loader, validator, registries, tmp_path, content):
    assert not loads(content, loader, registries, tmp_path)
    assert list(validator.iter_errors(content))
