"""Entry points of other distributions."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import pytest

from bench import registry, store
from bench.cells import Cell
from bench.data import DATASETS
from bench.errors import InputError
from bench.running.causes import causes
from bench.running.plan import prepare
from bench.source_code import SourceHash, source_hash
from bench.spec import Entry
from bench.store.schema import Rows


class Named(Distribution):
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def metadata(self) -> Any:
        return {"Name": self._name, "Version": "1.0"}

    def read_text(self, filename: str) -> None:
        return None

    def locate_file(self, path: object) -> Any:
        raise NotImplementedError


def _point(name: str, distribution: str) -> EntryPoint:
    point = EntryPoint(name, f"{distribution}:KIND", "bench.datasets")
    vars(point)["dist"] = Named(distribution)
    return point


def test_two_distributions_of_one_name_are_refused_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [_point("tides", "harbour"), _point("winds", "harbour"), _point("tides", "ocean")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points[:2])
    assert registry.third_party("bench.datasets") == {"tides": points[0], "winds": points[1]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(InputError) as caught:
        registry.third_party("bench.datasets")
    assert str(caught.value) == (
        "plug-in 'tides': expected one distribution to register it, got harbour (harbour:KIND) and ocean (ocean:KIND); "
        "remove one"
    )


LAYERS = "WIDTH = 1\n"
MODEL = """
import dataclasses
from bench.models import MODELS
from {package}.layers import WIDTH

KIND = dataclasses.replace(MODELS["mean"], builder="{package}.model:build")


def build(parameters, shape):
    return MODELS["mean"].build(parameters, shape)
"""


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package that registers a model ``harbour-mean``, as if it were installed."""
    package = tmp_path / f"harbour_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text(LAYERS)
    (package / "model.py").write_text(MODEL.format(package=package.name))
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, f"{package.name}.model:KIND")
    return package


def installed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    point = EntryPoint("harbour-mean", address, "bench.models")
    vars(point)["dist"] = Named("harbour")
    points = {"bench.models": [point]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points.get(group, []))


def cell_of_harbour(make_cell: Callable[..., Cell]) -> Cell:
    walk = Entry(id="walk", kind="random", parameters=DATASETS["random"].parameters().model_dump(mode="json"))
    return replace(make_cell(), dataset=walk, model=Entry(id="mean", kind="harbour-mean", parameters={}))


@pytest.mark.parametrize("file", ["model.py", "layers.py"])
def test_an_edited_plug_in_is_never_answered_with_old_rows(
    tmp_path: Path, harbour: Path, make_cell: Callable[..., Cell], finished: Callable[..., Rows], file: str
) -> None:
    cell, results = cell_of_harbour(make_cell), tmp_path / "results"
    (before,) = prepare([cell], results).cells
    assert before.plugins["harbour"] == "1.0"
    assert prepare([cell], results).cells == (before,)
    with store.writing(results) as writer:
        writer.put(finished(before))
    assert prepare([cell], results).nothing_to_do
    with (harbour / file).open("a") as source:
        source.write("# edited\n")
    plan = prepare([cell], results)
    assert [each.id for each in plan.pending] != [before.id]
    assert plan.pending[0].plugins["harbour"] == "1.0"
    assert causes(plan) == {plan.pending[0].id: f"changed: source of {harbour.name}"}
    assert plan.notes == []


def test_what_is_no_code_and_what_is_next_to_a_package_is_no_part_of_it(
    harbour: Path, make_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    (before,) = prepare([cell_of_harbour(make_cell)], tmp_path / "results").cells
    (harbour / "README.md").write_text("words")
    (harbour.parent / "other.py").write_text("x = 1\n")
    assert prepare([cell_of_harbour(make_cell)], tmp_path / "results").cells == (before,)
    (harbour / "more.py").write_text("")
    assert prepare([cell_of_harbour(make_cell)], tmp_path / "results").cells != (before,)


def test_a_module_in_no_package_is_its_file_and_a_namespace_ends_at_its_first_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tides_alone.py").write_text("x = 1\n")
    digest = hashlib.sha256(b"tides_alone.py\x006\x00x = 1\n").hexdigest()
    assert source_hash("tides_alone") == SourceHash("tides_alone", digest)
    for name in ("mine", "theirs"):
        (tmp_path / "company_of_two" / name).mkdir(parents=True)
        (tmp_path / "company_of_two" / name / "__init__.py").write_text(f"name = {name!r}\n")
    mine, theirs = (source_hash(f"company_of_two.{name}.kinds") for name in ("mine", "theirs"))
    assert (mine.package, theirs.package) == ("company_of_two.mine", "company_of_two.theirs")
    assert None not in (mine.sha256, theirs.sha256)
    assert mine.sha256 != theirs.sha256
    assert source_hash("company_of_two.nobody.kinds").sha256 is None


def test_a_plug_in_whose_source_cannot_be_read_is_known_by_its_version_and_that_is_said(
    tmp_path: Path, make_cell: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("zipped_harbour/__init__.py", "")
        made.writestr("zipped_harbour/layers.py", LAYERS)
        made.writestr("zipped_harbour/model.py", MODEL.format(package="zipped_harbour"))
    monkeypatch.syspath_prepend(archive)
    installed(monkeypatch, "zipped_harbour.model:KIND")
    plan = prepare([cell_of_harbour(make_cell)], tmp_path / "results")
    assert [cell.plugins for cell in plan.cells] == [{"harbour": "1.0"}]
    assert plan.notes == [
        "plug-in harbour-mean: the source of zipped_harbour cannot be read: its cells are known by harbour 1.0 alone, "
        "and an edit of it runs none again"
    ]


def test_kinds_of_bench_are_known_by_the_version_of_its_code(tmp_path: Path, make_cell: Callable[..., Cell]) -> None:
    cell = replace(cell_of_harbour(make_cell), model=Entry(id="mean", kind="mean", parameters={}))
    assert [each.plugins for each in prepare([cell], tmp_path).cells] == [{}]
