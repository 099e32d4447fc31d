"""Suites without published systems need nothing of the package that knows them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.cells import expand
from bench.errors import SuiteError
from bench.replication import suite_files
from bench.replication.systems import parsed, systems_of
from bench.spec import Suite
from bench.suite.load import load

TEXT = """\
name: plain
datasets: [noise, {id: loud, kind: noise, noise: [0.5, 0.7]}]
models: [last, net]
sequence_lengths: [10, 30]
exclude: [{dataset: noise, model: net}]
"""


def test_both_loaders_say_the_same(registries, tmp_path):
    (tmp_path / "x.yaml").write_text(TEXT)
    plain, other = (each(tmp_path / "x.yaml", **registries) for each in (load, suite_files.load))
    assert plain == other
    assert plain.origin == other.origin
    assert [cell.id for cell in expand(plain)] == [cell.id for cell in expand(parsed(plain.model_dump_json()))]
    assert (type(plain), systems_of(plain), systems_of(None)) == (Suite, (), ())


def test_what_is_wrong_is_said_alike(registries, tmp_path):
    (tmp_path / "x.yaml").write_text(TEXT.replace("model: net", "model: nett").replace("noise, {", "nois, {"))
    found = []
    for each in (load, suite_files.load):
        with pytest.raises(SuiteError) as caught:
            each(tmp_path / "x.yaml", **registries)
        found.append(str(caught.value))
    assert found[0] == found[1]
    assert "unknown dataset 'nois'" in found[0]


def test_systems_are_of_the_other_loader(registries, tmp_path):
    (tmp_path / "x.yaml").write_text(f"{TEXT}systems: []\n")
    assert systems_of(suite_files.load(tmp_path / "x.yaml", **registries)) == ()
    with pytest.raises(SuiteError, match=r"x\.yaml:6:1: unknown key 'systems'"):
        load(tmp_path / "x.yaml", **registries)


def test_the_core_does_not_import_published_systems():
    names = "bench.cells, bench.suite.load, bench.suite.json_schema, bench.protocol.prepare, bench.running.runner"
    code = f"import sys, {names}\nprint(*(name for name in sys.modules if name.startswith('bench.replication')))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""
