"""YAML with places, against JSON (which YAML 1.2 contains) and against the position of the text itself."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bench.errors import SuiteError
from bench.replication.suite_files import load
from bench.suite.yaml import Problems, read, scalar

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
JSON = st.recursive(LEAVES, lambda x: st.lists(x, max_size=4) | st.dictionaries(TEXT, x, max_size=4), max_leaves=12)


def content(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_bytes(text.encode())
        problems = Problems(str(path))
        value = read(path, problems)
        problems.check()
        return value


@given(JSON, st.sampled_from([None, 1, 3]))
def test_json_is_read_as_json(value, indent):
    found = content(json.dumps(value, indent=indent)).plain()
    assert found == value
    assert repr(found) == repr(value)  # 1, 1.0 and True are equal to Python


@given(JSON, st.sampled_from([None, 2]), st.data())
def test_each_value_and_key_stands_where_the_text_says(value, indent, data):
    """One leaf of `value` is replaced by a text that occurs nowhere else, and looked for."""
    marked = replace_one(value, "@here", data)
    text = json.dumps({"@key": marked}, indent=indent)
    root = content(text)
    assert root.place == (1, 1)
    assert root.keys["@key"] == place_of('"@key"', text)
    assert [leaf.place for leaf in leaves(root) if leaf.content == "@here"] == [place_of('"@here"', text)]


def replace_one(value, mark, data):
    if isinstance(value, list) and value:
        index = data.draw(st.integers(0, len(value) - 1))
        return [replace_one(item, mark, data) if i == index else item for i, item in enumerate(value)]
    if isinstance(value, dict) and value:
        chosen = data.draw(st.sampled_from(list(value)))
        return {key: replace_one(item, mark, data) if key == chosen else item for key, item in value.items()}
    return mark


def place_of(token, text):
    before = text[: text.index(token)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def leaves(value):
    if isinstance(value.content, dict | tuple):
        for item in value.content.values() if isinstance(value.content, dict) else value.content:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 100000.0), ("+.5", 0.5), ("7.", 7.0), ("-0", 0), ("007", 7), ("+12", 12),
        ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("0b11", "0b11"), ("1:30", "1:30"), ("1e", "1e"),
        (".", "."), ("-", "-"), ("no", "no"), ("yes", "yes"), ("off", "off"), ("y", "y"), ("True", True),
        ("FALSE", False), ("tRUE", "tRUE"), ("~", None), ("", None), ("NULL", None), ("nan", "nan"),
        ("inf", "inf"), ("2024-01-01", "2024-01-01"), ("１", "１"),
    ],
)  # fmt: skip
def test_unquoted_scalars_of_the_core_schema(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_quotes_and_blocks_are_always_text():
    text = "a: '1'\nb: \"true\"\nc: |\n  2\nd: !!str 3\ne: >-\n  null\n"
    assert content(text).plain() == {"a": "1", "b": "true", "c": "2\n", "d": "3", "e": "null"}


def test_aliases_have_the_place_of_their_anchor_and_merged_keys_come_after_own_ones():
    root = content("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 5}\nd: *b\n")
    assert root.plain()["c"] == {"x": 5, "y": 2, "z": 4}
    assert root.plain()["d"] == {"y": 3, "z": 4}
    merged = root.content["c"]
    assert merged.keys == {"x": (3, 19), "y": (1, 14), "z": (2, 14)}
    assert {key: value.place for key, value in merged.content.items()} == {"x": (3, 22), "y": (1, 17), "z": (2, 17)}


def test_a_name_may_be_anchored_anew():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert content("a: &a 1\nb: *a\nc: &a 2\nd: *a\n").plain() == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_count_the_same_whatever_ends_them(end):
    assert content(end.join(["# é", "a:", "  - b", "  - c", ""])).content["a"].content[1].place == (4, 5)


PIECES = st.sampled_from(
    ["name: s", "datasets:", "models: [net]", "[noise]", "{kind: ", "noise", "net", "- ", "\n", "\n  ", ": ", "}", "]",
     "exclude: [{model: ", "*a", "&a ", "<<: ", "!!int ", "'", '"', "#", "|", "\t", "\x85", "\\ud800", "0x", "1e9", "?"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join))
def test_no_text_makes_loading_fail_in_any_other_way(registries, text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load(path, **registries)
        except SuiteError as error:
            for problem in error.problems:
                assert problem.line >= 1
                assert problem.column >= 1
                assert "\n" not in problem.message
