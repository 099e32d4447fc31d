"""Several results folders become one: what is equal merges, what differs is refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.errors import StoreError
from bench.store.merging import merge
from bench.store.schema import KEY, SCHEMAS, Rows, table

MakeRows = Callable[..., Rows]


def _filled(folder: Path, *cells: Rows, suite: str = '{"name": "s"}') -> Path:
    with store.writing(folder) as writer:
        writer.put_suite(suite)
        for rows in cells:
            writer.put(rows)
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_cells_come_together_and_equal_ones_merge(tmp_path: Path, make_rows: MakeRows) -> None:
    one = _filled(tmp_path / "one", make_rows("a"), make_rows("b", fit_s=1.0, host="here"))
    two = _filled(tmp_path / "two", make_rows("b", fit_s=9.0, host="there"), make_rows("c"))
    three = _filled(tmp_path / "three", make_rows("d"))
    before = _content(two)
    done = merge([one, two, three], tmp_path / "all")
    assert (done.added, done.equal, done.probes) == (("a", "b", "c", "d"), 1, 0)
    assert list(store.stored(tmp_path / "all")) == ["a", "b", "c", "d"]
    assert store.read_cell(tmp_path / "all", "runs", "b")["fit_s"].to_pylist() == [1.0, 1.0]  # of the first
    assert store.read_suite(tmp_path / "all") == '{"name": "s"}'
    assert _content(two) == before
    assert merge([one, two], one).added == ("c",)
    assert merge([one, two], one).added == ()


def test_conflicts_are_refused_by_content_and_nothing_is_written(tmp_path: Path, make_rows: MakeRows) -> None:
    one = _filled(tmp_path / "one", make_rows("a"), make_rows("b"))
    two = _filled(tmp_path / "two", make_rows("a", mse=5.0), make_rows("b", curves=2), make_rows("c"))
    before = _content(one)
    with pytest.raises(StoreError, match="equal rows in cells of one id, got 2 that differ; nothing was changed") as no:
        merge([one, two], one)
    assert f"a: its runs in {two} and in {one} differ" in str(no.value)
    assert f"b: its curves in {two} and in {one} differ" in str(no.value)
    assert _content(one) == before
    with pytest.raises(StoreError, match="2 that differ"):
        merge([one, two], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_replicates_that_only_one_has_are_added(tmp_path: Path, make_rows: MakeRows) -> None:
    one, two = _filled(tmp_path / "one", make_rows("a")), _filled(tmp_path / "two", make_rows("a", replicates=4))
    assert merge([one, two], one).added == ("a",)
    assert {name: store.read_cell(one, name, "a") for name in SCHEMAS} == make_rows("a", replicates=4)
    assert merge([two, one], two).added == ()


def test_probes_come_along_and_other_suites_do_not(tmp_path: Path, make_rows: MakeRows) -> None:
    one, two = _filled(tmp_path / "one", make_rows("a")), _filled(tmp_path / "two", make_rows("b"))
    other = _filled(tmp_path / "other", make_rows("c"), suite='{"name": "t"}')
    key = make_rows("b")["runs"].select(KEY).to_pylist()[0]
    with store.writing(two, alone=True) as writer:
        writer.put_probe(table("probes", [{**key, "status": "ok", "quantity": "fit_s", "value": 0.5}]), "0123abcd")
    assert merge([one, two], one).probes == 1
    assert [path.name for path in (one / "probes").iterdir()] == ["b-0123abcd.parquet"]
    with pytest.raises(StoreError, match=r"results of the suite 's', as .* has, got those of 't'"):
        merge([one, other], one)
    with pytest.raises(StoreError, match="expected a results folder with runs/ in it"):
        merge([one, tmp_path / "nothing"], one)


def test_cells_of_another_root_seed_than_the_suite_are_said(tmp_path: Path, make_rows: MakeRows) -> None:
    one = _filled(tmp_path / "one", make_rows("a", spec='{"seed": 1}'), suite='{"name": "s", "seed": 1}')
    two = _filled(tmp_path / "two", *(make_rows(name, spec='{"seed": 2}') for name in "bc"), suite='{"name": "s"}')
    done = merge([one, two], tmp_path / "all")
    assert done.added == ("a", "b", "c")
    assert done.note == (
        "2 cells of root seed 2: the suite that is kept has root seed 1, so they stay but are no results of it; "
        "run them with --seed 1 to compare them"
    )
    assert merge([one], tmp_path / "same").note == ""
