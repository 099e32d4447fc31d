"""``bench show``: from a number in a report to the rows that it comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.store.schema import SCHEMAS, table

Bench = Callable[..., Any]


@pytest.fixture
def stored(folder: Path) -> Path:
    """Three cells in two results folders of the working folder."""
    for suite, cell_ids in {"one": ["aaaa1111", "aabb2222"], "two": ["aabb3333"]}.items():
        with store.writing(folder / "results" / suite) as writer:
            for cell_id in cell_ids:
                key = {"cell_id": cell_id, "suite": suite, "dataset": "=cmd()", "model": "lstm"}
                where = {
                    "sequence_length": 10,
                    "horizon": 1,
                    "task": "forecast",
                    "status": "ok",
                    "host": "\x1b[2J\u202ebox",
                }
                runs = [
                    {**key, **where, "seed": seed, "rmse": 0.1 + seed / 3, "mse": 4.0, "mae": 2.0} for seed in range(12)
                ]
                empty = {name: table(name, []) for name in SCHEMAS}
                writer.put({**empty, "runs": table("runs", runs)})
    return folder


def test_a_unique_beginning_is_enough(bench: Bench, stored: Path) -> None:
    ended = bench("show", "aaaa")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert "cell_id          aaaa1111" in lines
    assert "mae              2.0" in lines, "what is the same for every replicate is reported once"
    assert [line.split() for line in lines if line.startswith("seed")] == [
        ["seed", *map(str, range(10))],
        ["seed", "10", "11"],
    ]
    shown = [value for line in lines if line.startswith("rmse") for value in line.split()[1:]]
    assert shown == [f"{0.1 + seed / 3:.4g}" for seed in range(12)]


def test_every_digit_as_csv(bench: Bench, stored: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(bench("show", "aaaa", "--csv").out)))
    assert list(rows[0]) == SCHEMAS["runs"].names
    assert [float(row["rmse"]) for row in rows] == [0.1 + seed / 3 for seed in range(12)]
    assert rows[0]["r2"] == ""


def test_names_are_shown_and_not_obeyed(bench: Bench, stored: Path) -> None:
    assert "host             \\x1b[2J\\u202ebox" in bench("show", "aaaa").out.splitlines()
    (row, *_) = csv.DictReader(io.StringIO(bench("show", "aaaa", "--csv").out))
    assert row["dataset"].startswith("'=cmd()")
    assert row["host"] == "\\x1b[2J\\u202ebox"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zz"], "results/one and results/two: expected the beginning of a stored cell's id, or the name of a model"),
        (["aabb"], "'aabb' begins aabb2222 in results/one, aabb3333 in results/two; give more of the id, or --results"),
        (["a", "--results", "none"], "none: expected a results folder with runs/ in it; `bench run` makes one"),
    ],
)
def test_anything_else_is_one_line(bench: Bench, stored: Path, arguments: list[str], said: str) -> None:
    ended = bench("show", *arguments)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert said in ended.err


def test_the_folder_decides_between_equal_beginnings(bench: Bench, stored: Path) -> None:
    assert "aabb3333" in bench("show", "aabb", "--results", "results/two").out


def test_without_results_it_is_said(bench: Bench, folder: Path) -> None:
    ended = bench("show", "a")
    assert (ended.status, ended.err) == (
        2,
        "results/: expected results folders in it, got none; name one with --results\n",
    )


def test_the_raw_samples_of_a_probe_whether_or_not_the_cell_was_run(bench: Bench, stored: Path) -> None:
    key = {"cell_id": "ccdd", "suite": "two", "dataset": "d", "model": "gru", "sequence_length": 10, "horizon": 1}
    samples = [{**key, "status": "ok", "quantity": "step_s", "repeat": i, "value": 0.1 + i / 3} for i in range(3)]
    with store.writing(stored / "results" / "two") as writer:
        writer.put_probe(table("probes", samples), "here")
    ended = bench("show", "cc")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert "quantity         step_s" in lines
    assert lines[-4].split() == ["repeat", "value"]
    assert [line.split() for line in lines[-3:]] == [[str(i), str(0.1 + i / 3)] for i in range(3)]
    with store.writing(stored / "results" / "two") as writer:
        writer.put_probe(table("probes", [{**samples[0], "cell_id": "eeff"}]), "here")
    ended = bench("show", "ee")
    assert (ended.status, ended.err) == (0, ""), "a single sample differs from no other"
    assert "value            0.1" in ended.out.splitlines()
    rows = list(csv.DictReader(io.StringIO(bench("show", "cc", "--table", "probes", "--csv").out)))
    assert [float(row["value"]) for row in rows] == [0.1 + i / 3 for i in range(3)]


@pytest.mark.parametrize(
    ("table_name", "why"),
    [("probes", "`bench probe` makes them"), ("trials", "the cell has nothing to tell there, or was never run")],
)
def test_a_table_without_a_row_of_the_cell_is_named(bench: Bench, stored: Path, table_name: str, why: str) -> None:
    ended = bench("show", "aaaa", "--table", table_name)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"results/one: expected rows of {table_name} for cell aaaa1111, got none; {why}\n"


def test_no_beginning_names_nothing(bench: Bench, stored: Path) -> None:
    assert bench("show", "").err == "expected the beginning of a cell's id, got nothing; a report names them\n"


def test_the_name_of_a_model_or_dataset_lists_its_cells(bench: Bench, stored: Path) -> None:
    by_model = bench("show", "lstm").out.splitlines()
    assert [line.split()[-2:] for line in by_model[1:]] == [
        ["aaaa1111", "results/one"],
        ["aabb2222", "results/one"],
        ["aabb3333", "results/two"],
    ]
    assert bench("show", "=cmd()").out.splitlines() == by_model
    assert by_model[1].split()[4:8] == ["2", "12", "of", "12"], "the root of the mean MSE, and all replicates are ok"
