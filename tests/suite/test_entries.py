"""What one name or mapping of a suite stands for."""

from __future__ import annotations

import json
import pickle
from itertools import product

import pytest
from hypothesis import given, strategies as st

from bench.spec import Entry


def entries(load_text, datasets="[noise]", models="[net]", head="name: s\n"):
    suite = load_text(f"{head}datasets: {datasets}\nmodels: {models}\n")
    return suite.datasets, suite.models


def test_a_name_has_every_default_and_states_nothing(load_text):
    (dataset,), (model,) = entries(load_text)
    assert dataset == Entry(id="noise", kind="noise", parameters={"length": 1000, "noise": 0.1, "drift": None})
    assert model.parameters == {"layers": 1, "dropout": 0.0, "cell": "lstm", "bidirectional": False}
    assert dataset.stated == model.stated == ()


def test_a_mapping_states_what_it_names(load_text):
    (loud, plain), _ = entries(load_text, "[{id: loud, kind: noise, noise: 1, drift: null}, {kind: prices, length: 5}]")
    assert loud == Entry(
        id="loud",
        kind="noise",
        parameters={"length": 1000, "noise": 1.0, "drift": None},
        stated=("drift", "noise"),
    )
    assert isinstance(loud.parameters["noise"], float)
    assert (plain.id, plain.kind, plain.stated) == ("prices", "prices", ("length",))


def test_lists_expand_as_nested_loops(load_text):
    _, found = entries(
        load_text, models="[{id: deep, kind: net, layers: [3, 2], dropout: 0.1, bidirectional: [false, true]}]"
    )
    assert [entry.id for entry in found] == [
        f"deep-layers={layers}-bidirectional={both}" for layers, both in product((3, 2), ("false", "true"))
    ]
    assert [(e.parameters["layers"], e.parameters["bidirectional"]) for e in found] == list(
        product((3, 2), (False, True))
    )
    assert {entry.stated for entry in found} == {("bidirectional", "dropout", "layers")}


def test_ids_of_expanded_entries_show_the_value_as_it_was_meant(load_text):
    found, _ = entries(load_text, "[{kind: noise, drift: [null, 1e-3, 2, 0x10]}]")
    assert [entry.id for entry in found] == [f"noise-drift={text}" for text in ("null", "0.001", "2", "16")]
    found, _ = entries(load_text, "[{kind: file, column: [Open, Close], path: /a.csv}]")
    assert [entry.id for entry in found] == ["file-column=Open", "file-column=Close"]


def test_a_list_of_one_is_still_named(load_text):
    (found,), _ = entries(load_text, "[{kind: noise, length: [7]}]")
    assert found.id == "noise-length=7"


def test_a_parameter_that_is_a_list_expands_from_a_list_of_lists(load_text):
    _, (one,) = entries(load_text, models="[{kind: blocks, sizes: [4, 5]}]")
    assert one.id == "blocks"
    assert one.parameters["sizes"] == [4, 5]
    _, several = entries(load_text, models="[{id: b, kind: blocks, sizes: [[4, 5], [6]]}]")
    assert [(entry.id, entry.parameters["sizes"]) for entry in several] == [
        ("b-sizes=[4, 5]", [4, 5]),
        ("b-sizes=[6]", [6]),
    ]


def test_merged_parameters_are_stated(load_text):
    head = "name: s\n"
    _, found = entries(
        load_text,
        models="[&deep {id: deep, kind: net, layers: 2}, {<<: *deep, id: deeper, layers: 3, cell: gru}]",
        head=head,
    )
    assert [(entry.id, entry.parameters["layers"], entry.stated) for entry in found] == [
        ("deep", 2, ("layers",)),
        ("deeper", 3, ("cell", "layers")),
    ]


def test_a_relative_path_begins_at_the_suite_file(load_text, tmp_path):
    (near, far), _ = entries(
        load_text,
        "[{id: near, kind: file, path: data/a.csv, column: c}, {id: far, kind: file, path: /b.csv, column: c}]",
    )
    assert near.parameters["path"] == str(tmp_path / "data" / "a.csv")
    assert far.parameters["path"] == "/b.csv"


def test_ids_may_look_like_anything(load_text):
    ids = [
        "<script>alert('x')</script>",
        "=cmd()",
        "../../etc",
        "Größe ≥ 1 🙂",
        "a, b",
        "no",
        "1e3",
        "#",
        "- x",
        "x" * 200,
    ]
    listed = [{"kind": "noise", "length": n, "id": name} for n, name in enumerate(ids, 2)]
    found, _ = entries(load_text, json.dumps(listed))
    assert [entry.id for entry in found] == ids


LINES = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=200).filter(
    lambda text: text == text.strip()
)


@given(LINES)
def test_an_entry_may_be_called_any_line_of_text(name):
    assert Entry(id=name, kind="noise", parameters={}).id == name


@pytest.fixture(name="Noise")
def _noise(registries):
    return registries["datasets"]["noise"].parameters


def test_parameters_are_parsed_once(load_text, monkeypatch, Noise):
    entry = load_text("name: s\ndatasets: [noise]\nmodels: [net]\n").datasets[0]
    monkeypatch.setattr(Noise, "model_validate_json", None)  # nothing is left to parse
    assert entry.parsed(Noise) is entry.parsed(Noise)
    assert entry.model_copy(update={"id": "other"}).parsed(Noise) is entry.parsed(Noise)


def test_a_copy_with_other_parameters_has_those(Noise):
    entry = Entry.of("noise", "noise", Noise(noise=0.5))
    assert entry.parsed(Noise, noise=0.7).noise == 0.7
    assert entry.parsed(Noise).noise == 0.5
    other = entry.model_copy(update={"parameters": {**entry.parameters, "noise": 0.2}})
    assert (other.parsed(Noise).noise, entry.parsed(Noise).noise) == (0.2, 0.5)


def test_what_was_parsed_is_no_part_of_an_entry(Noise):
    entry = Entry.of("noise", "noise", Noise(noise=0.5), ["noise"])
    bare = Entry(id="noise", kind="noise", parameters=entry.parameters, stated=("noise",))
    assert entry == bare == pickle.loads(pickle.dumps(entry))
    assert entry != bare.model_copy(update={"stated": ()})
    assert pickle.loads(pickle.dumps(entry)).parsed(Noise) == Noise(noise=0.5)
