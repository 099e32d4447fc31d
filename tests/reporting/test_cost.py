"""Probe rows → values and tables: medians, intervals, one table for each machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from bench.reporting.cost_tables import duration, shown, tables
from bench.reporting.costs import costs
from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.stats.aggregates import Median
from bench.store.schema import Rows, table

STEPS = [3e-3, 1e-3, 2e-3, 9e-3, 4e-3, 5e-3, 8e-3, 7e-3, 6e-3]


def probe_rows(cell: dict[str, Any], *, host: str = "here", reason: str = "") -> list[dict[str, Any]]:
    common = {**cell, "status": "ok", "reason": "", "parameters_from": "runs", "implementation": "torch.nn.GRU"}
    common |= {"host": host, "cpu": "fast", "device": "cpu", "threads": 1}
    common |= {"workload": json.dumps({"parameters": {"hidden_size": 8}})}
    if reason:
        return [{**common, "status": "out_of_memory", "reason": reason, "workload": None, "implementation": None}]
    counted = [{"quantity": "parameters", "value": 1234.0}, {"quantity": "peak_memory_bytes", "value": 3.0 * 2**20}]
    timed = [
        {"quantity": quantity, "repeat": repeat, "value": value * factor}
        for quantity, factor in (("step_s", 1.0), ("fit_s", 1e3), ("latency_s", 0.1), ("windows_per_s", 1e6))
        for repeat, value in enumerate(STEPS)
    ]
    bank = [{"quantity": "bank_step_s", "repeat": 0, "value": 1e-4, "implementation": "bank of 5, as one"}]
    return [{**common, **row} for row in counted + timed + bank]


@pytest.fixture
def cells(fake: Callable[..., Rows]) -> tuple[Rows, list[dict[str, Any]]]:
    """A result set, and the keys of its cells."""
    rows = fake(datasets=["gbm"], models=["gru", "rnn", "persistence"], lengths=(10,))
    names = ["cell_id", "suite", "dataset", "model", "sequence_length", "horizon"]
    return rows, rows["runs"].select(names).group_by(names, use_threads=False).aggregate([]).to_pylist()


def test_a_cell_has_the_median_of_its_rounds_and_the_interval_between_order_statistics(cells: Any) -> None:
    (cost,) = costs(table("probes", probe_rows(cells[1][0])))
    assert cost.values["step_s"] == Median(5e-3, (2e-3, 8e-3), 9)  # the second and the eighth of nine
    assert cost.values["parameters"] == Median(1234.0, None, 1)
    assert (cost.rounds, cost.implementation, cost.bank) == (9, "torch.nn.GRU", "bank of 5, as one")
    assert (cost.machine, cost.parameters_from, cost.model_parameters) == (
        "here, fast, device cpu, 1 thread",
        "runs",
        {"hidden_size": 8},
    )


def test_machines_are_never_merged(cells: Any) -> None:
    here = probe_rows(cells[1][0])
    there = [{**row, "value": 100 * row["value"]} for row in probe_rows(cells[1][0], host="there")]
    two_threads = [{**row, "threads": 2} for row in here]
    found = costs(table("probes", [*here, *there, *two_threads]))
    assert [cost.value("step_s") for cost in found] == pytest.approx([5e-3, 5e-3, 0.5])
    made = tables(found)
    assert [each.caption.split(": ")[1] for each in made] == [cost.machine for cost in found]
    assert len({each.name for each in made}) == 3
    assert all(len(each.rows) == 1 for each in made)


def test_a_row_shows_values_with_their_intervals_and_what_was_timed(cells: Any) -> None:
    (made,) = tables(costs(table("probes", probe_rows(cells[1][0]))))
    texts = dict(zip((column.title for column in made.columns), (entry.text for entry in made.rows[0]), strict=True))
    assert (texts["Model"], texts["Step"], texts["Fit"]) == ("gru", "5.00 ms [2.00, 8.00]", "5.00 s [2.00, 8.00]")
    assert (texts["Peak memory"], texts["Timed"], texts["FLOPs"]) == ("3 MiB", "torch.nn.GRU", "–")
    assert texts["Bank step"] == "100 µs"
    assert "as trained by the run" in made.rows[0][1].hint
    assert shown(costs(table("probes", probe_rows(cells[1][0]))))[1][:4] == ["gbm", "gru", "10", "5.00 ms [2.00, 8.00]"]


def test_a_model_that_was_not_measured_in_turn_with_the_others_of_its_case_is_marked(cells: Any) -> None:
    monday, friday = (datetime(2026, 1, day, tzinfo=UTC) for day in (5, 9))
    rows = [{**row, "started_at": friday} for cell in cells[1][:2] for row in probe_rows(cell)]
    late = [{**row, "started_at": monday} for row in probe_rows(cells[1][2])]
    (together,) = tables(costs(table("probes", rows)))
    assert [row[1].mark for row in together.rows] == ["", ""]
    (apart,) = tables(costs(table("probes", rows + late)))
    marks = {row[1].text: row[1].mark for row in apart.rows}
    assert marks == {cell["model"]: "†" if cell is cells[1][2] else "" for cell in cells[1]}
    assert "†" in apart.below
    assert "†" not in together.below


def test_a_probe_that_failed_is_a_row_of_dashes_with_the_reason(cells: Any) -> None:
    (made,) = tables(costs(table("probes", probe_rows(cells[1][0], reason="memory ran out; lower hidden_size"))))
    step = made.rows[0][3]
    assert (step.text, step.hint) == ("–", "out_of_memory: memory ran out; lower hidden_size")


def test_the_report_shows_the_probes_of_stored_cells_or_says_how_to_make_them(cells: Any) -> None:
    rows, keys = cells
    gone = {**keys[1], "cell_id": "0123456789abcdef", "model": "no-longer-there"}
    older = {**keys[1], "cell_id": "fedcba9876543210"}
    probes = table("probes", [*probe_rows(keys[0]), *probe_rows(gone), *probe_rows(older)])
    with_probes = render(summarise(Source({**rows, "probes": probes}, "results/fake")))
    without = render(summarise(Source(rows, "results/fake")))
    for page in ("index.html", "report.md"):
        assert "5.00 ms" in with_probes[page]
        assert "no-longer-there" not in with_probes[page]
        assert "fedcba9876543210" not in with_probes[page], "another cell has its place"
        assert "not probed" not in with_probes[page].lower()
        assert "bench probe results/fake" in without[page]
        assert "5.00 ms" not in without[page]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3e-7, "0.300 µs"),
        (2.4e-5, "24.0 µs"),
        (0.0123, "12.3 ms"),
        (0.9999, "1000 ms"),
        (1.5, "1.50 s"),
        (86400, "86400 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(Median(seconds, None, 1)) == text


def test_no_probes_are_no_tables() -> None:
    empty = costs(pa.concat_tables([table("probes", [])]))
    assert empty == ()
    assert tables(empty) == ()
