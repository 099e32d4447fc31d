"""A results folder → a report that says what is missing from it, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench import store
from bench.cells import CellKey, expand
from bench.reporting.render import write
from bench.reporting.source import Source, read
from bench.reporting.summary import summarise
from bench.reporting.summary_cells import LEFT_OUT, NOT_RUN
from bench.reporting.values import State
from bench.spec import Entry, Split, Suite, Training, Tuning
from bench.stats.verdicts import Verdict
from bench.store.schema import SCHEMAS, Rows, table

SUITE = Suite(
    name="fake",
    datasets=(Entry(id="gbm", kind="gbm", parameters={}),),
    models=tuple(
        Entry(id=name, kind=kind, parameters={})
        for name, kind in (("persistence", "persistence"), ("gru", "gru"), ("lstm", "gru"))
    ),
    sequence_lengths=(10,),
    training=Training(epochs=40),
    tuning=Tuning(trials=8, batch=4),
)


@pytest.fixture
def rows(fake: Callable[..., Rows]) -> Rows:
    return fake(datasets=["gbm"], models=["persistence", "gru", "lstm"], lengths=(10,), absent=[("gbm", "lstm", 10)])


def stored(folder: Path, rows: Rows, suite: Suite | None) -> Path:
    """`rows` as a results folder, a part for each cell."""
    with store.writing(folder) as writer:
        for cell_id in rows["runs"]["cell_id"].unique().to_pylist():
            writer.put({name: of_cell(rows[name], cell_id) for name in SCHEMAS})
    if suite:
        store.write_suite(folder, suite.model_dump_json())
    return folder


def of_cell(rows: pa.Table, cell_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows["cell_id"], cell_id))


def test_the_suite_tells_what_has_no_row(tmp_path: Path, rows: Rows) -> None:
    found = summarise(read(stored(tmp_path, rows, SUITE)))
    assert (found.counts.cells, found.counts.stored) == (3, 2)
    assert "1 cell of the suite has no row: lstm on gbm at 10. `bench run` makes what is missing." in found.cautions
    assert any("1 of 3 cells of the suite have no row yet" in sentence for sentence in found.sentences)


def test_a_cell_without_a_row_is_not_marked_as_one_that_failed(fake: Callable[..., Rows]) -> None:
    absent = [("gbm", "lstm", 30), ("gbm", "gru", 30)]
    rows = fake(datasets=["gbm"], models=["persistence", "gru", "lstm"], lengths=(10, 30), absent=absent)
    requested = frozenset({CellKey("gbm", "lstm", 30, 1)})
    (section,) = summarise(Source(rows, "results/fake", requested=requested)).sections
    found = {(c.model, c.sequence_length): c for c in section.cells if c.state is State.MISSING}
    assert {place: (c.verdict, c.note) for place, c in found.items()} == {
        ("gru", 30): (Verdict.NO_ROW, LEFT_OUT),
        ("lstm", 30): (Verdict.NO_ROW, NOT_RUN),
    }


def test_a_torn_part_costs_its_cell_and_not_the_report(tmp_path: Path, rows: Rows) -> None:
    folder = stored(tmp_path / "fake", rows, None)
    part = min((folder / "trials").iterdir())
    part.write_bytes(b"torn")
    page = write(folder, tmp_path / "reports").read_text()
    assert f"trials/{part.name}: expected a whole Parquet file, but it is torn" in page
    assert "1 of 1 cell complete" in page


def test_a_suite_that_cannot_be_read_costs_what_it_tells_alone(tmp_path: Path, rows: Rows) -> None:
    folder = stored(tmp_path, rows, None)
    store.write_suite(folder, '{"name": ')
    source = read(folder)
    assert (source.requested, source.suite) == (None, None)
    assert source.unreadable == (
        f"{os.path.relpath(folder)}/suite.json: expected a suite as this version of bench writes it; "
        "`bench run` writes it again",
    )


def test_a_folder_that_was_probed_and_never_run_shows_the_cost(tmp_path: Path) -> None:
    cell = next(cell for cell in expand(SUITE) if cell.model.id == "gru")
    sample = {
        **cell.columns,
        "status": "ok",
        "quantity": "step_s",
        "repeat": 0,
        "value": 0.005,
        "implementation": "GRU",
    }
    folder = tmp_path / "anything"
    with store.writing(folder) as writer:
        writer.put_probe(table("probes", [sample]), "here")
    store.write_suite(folder, SUITE.model_dump_json())
    page = write(folder, tmp_path / "reports")
    assert page.parent.name == "fake", "the probes name their suite"
    text = page.with_name("report.md").read_text()
    assert "not one cell has been run" in text
    assert "The cost of 1 cell was probed" in text
    assert "5.00 ms" in text
    assert f"bench show {cell.id} --table probes" in text


def test_every_cell_of_the_markdown_page_has_its_command(tmp_path: Path, rows: Rows) -> None:
    text = write(stored(tmp_path / "fake", rows, SUITE), tmp_path / "reports").with_name("report.md").read_text()
    for cell_id in rows["runs"]["cell_id"].unique().to_pylist():
        assert f"bench show {cell_id[:6]}" in text


def test_a_model_that_left_the_suite_is_listed_apart_and_not_ranked(tmp_path: Path, fake: Callable[..., Rows]) -> None:
    rows = fake(datasets=["gbm"], models=["persistence", "gru", "lstm", "rnn"], lengths=(10,))
    source = read(stored(tmp_path / "fake", rows, SUITE))
    assert [(cell.key, cell.reason, cell.replicates) for cell in source.kept] == [
        (CellKey("gbm", "rnn", 10, 1), "the suite has no such cell", 5)
    ]
    of_rnn = rows["runs"].filter(pc.equal(rows["runs"]["model"], "rnn"))
    assert source.kept[0].rmse == pytest.approx(pc.mean(of_rnn["mse"]).as_py() ** 0.5)
    assert {name: "rnn" in source.rows[name]["model"].unique().to_pylist() for name in SCHEMAS} == dict.fromkeys(
        SCHEMAS, False
    )
    found = summarise(source)
    assert {rank.model for rank in found.ranking.ranks} == {"persistence", "gru", "lstm"}
    page = write(tmp_path / "fake", tmp_path / "reports")
    for text in (page.read_text(), page.with_name("report.md").read_text()):
        assert "1 cell of this folder is no result of the suite as it is now" in text
        assert "the suite has no such cell" in text
        assert text.count("rnn") == 1


def test_cells_that_lack_seeds_are_named(tmp_path: Path, rows: Rows) -> None:
    failed = pa.array(["failed" if model == "gru" else "ok" for model in rows["runs"]["model"].to_pylist()])
    at = rows["runs"].schema.get_field_index("status")
    one_failed = {**rows, "runs": rows["runs"].set_column(at, rows["runs"].schema.field(at), failed)}
    more = SUITE.model_copy(update={"seeds": 6})
    both = read(stored(tmp_path / "both", rows, more))
    assert {key.model for key in both.fewer} == {"gru", "persistence"}
    said = (
        "2 cells of the suite have fewer replicates than it has seeds: gru on gbm at 10 and persistence on gbm at 10."
    )
    assert any(caution.startswith(said) for caution in summarise(both).cautions)
    assert {key.model for key in read(stored(tmp_path / "one", one_failed, more)).fewer} == {"persistence"}
    five = SUITE.model_copy(update={"seeds": 5})
    assert read(stored(tmp_path / "none", rows, five)).fewer == frozenset()


@pytest.mark.parametrize(("seeds", "more"), [(3, "seeds 3 to 4: the suite has 3"), (4, "seed 4: the suite has 4")])
def test_of_more_replicates_than_the_suite_has_seeds_the_first_count(
    tmp_path: Path, rows: Rows, seeds: int, more: str
) -> None:
    suite = SUITE.model_copy(update={"seeds": seeds})
    source = read(stored(tmp_path / "fake", rows, suite))
    assert [(cell.key.model, cell.reason, cell.replicates, cell.first_seed) for cell in source.kept] == [
        ("gru", more, 5 - seeds, seeds),
        ("persistence", more, 5 - seeds, seeds),
    ]
    apart = pc.and_(pc.equal(rows["runs"]["model"], "gru"), pc.greater_equal(rows["runs"]["seed"], seeds))
    assert source.kept[0].rmse == pytest.approx(pc.mean(rows["runs"].filter(apart)["mse"]).as_py() ** 0.5)
    for name in ("runs", "curves", "predictions"):
        assert set(source.rows[name]["seed"].to_pylist()) == set(range(seeds))
    assert source.rows["trials"].num_rows == rows["trials"].num_rows
    page = write(tmp_path / "fake", tmp_path / "reports").with_name("report.md").read_text()
    assert "2 cells have more replicates than the suite has seeds: the further ones are listed apart" in page
    assert more in page
    assert read(stored(tmp_path / "all", rows, SUITE)).kept == ()  # of ten seeds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"training": Training(epochs=1)}, "the suite has other training settings"),
        ({"split": Split(test=0.5)}, "the suite has other split"),
        (
            {"training": Training(epochs=1), "tuning": False},
            "the suite has other training settings and tuning settings",
        ),
    ],
)
def test_cells_of_other_settings_than_the_suites_are_listed_apart(
    tmp_path: Path, rows: Rows, change: dict[str, Any], reason: str
) -> None:
    source = read(stored(tmp_path, rows, SUITE.model_copy(update=change)))
    gru = next(cell for cell in source.kept if cell.key.model == "gru")
    assert gru.reason == reason
    assert not source.rows["runs"].num_rows
    assert [section.best for section in summarise(source).sections] == []


def test_what_a_later_version_adds_to_the_settings_sets_nothing_apart(tmp_path: Path, rows: Rows) -> None:
    text = json.loads(SUITE.model_dump_json())
    folder = stored(tmp_path, rows, None)
    store.write_suite(folder, json.dumps(text))
    spec = json.loads(rows["runs"]["spec"][0].as_py())
    assert "scaler" not in spec["training"]  # of the rows; the suite has one
    assert read(folder).kept == ()


def test_without_a_suite_the_protocol_of_most_cells_of_a_case_counts(tmp_path: Path, fake: Callable[..., Rows]) -> None:
    first = fake(datasets=["gbm"], models=["persistence", "gru", "lstm"], lengths=(10,))
    other = fake(datasets=["gbm"], models=["rnn"], lengths=(10,), epochs=1)
    rows = {name: pa.concat_tables([first[name], other[name]]) for name in SCHEMAS}
    source = read(stored(tmp_path, rows, None))
    assert source.unreadable == ()
    (kept,) = source.kept
    assert (kept.key.model, kept.reason) == ("rnn", "most cells next to it have other training settings")


def test_cells_that_wait_for_a_fresh_run_are_no_results(tmp_path: Path, rows: Rows) -> None:
    folder = stored(tmp_path, rows, SUITE)
    gru = rows["runs"].filter(pc.equal(rows["runs"]["model"], "gru"))["cell_id"][0].as_py()
    began = rows["runs"]["started_at"][0].as_py() + timedelta(seconds=1)
    with store.writing(folder) as writer:
        writer.put_renewal(store.Renewal(began, frozenset({gru})), {gru})
    (kept,) = read(folder).kept
    assert (kept.cell_id, kept.reason) == (gru, "older than the --fresh run that has not finished it")


def test_results_of_one_suite_in_two_folders_have_two_reports(tmp_path: Path, rows: Rows) -> None:
    """The first keeps its place however often either is written; a report is known by where its results lie."""
    folders = [tmp_path / "results" / "fake", tmp_path / "other"]
    for folder in folders:
        stored(folder, rows, SUITE)
    reports = tmp_path / "reports"
    first, second = (write(folder, reports) for folder in folders)
    assert first == reports / "fake" / "index.html"
    assert second.parent.parent == reports
    assert second.parent.name.startswith("fake-")
    assert [write(folder, reports) for folder in reversed(folders)] == [second, first]
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert write(moved / "other", moved / "reports") == moved / second.relative_to(tmp_path)


def test_a_report_that_names_no_results_is_of_the_folder_of_its_name(tmp_path: Path, rows: Rows) -> None:
    folders = [tmp_path / "results" / "fake", tmp_path / "other"]
    for folder in folders:
        stored(folder, rows, SUITE)
    reports = tmp_path / "reports"
    write(folders[0], reports)
    (reports / "fake" / ".results").unlink()  # as written by earlier versions
    assert write(folders[1], reports).parent.name != "fake"
    assert write(folders[0], reports).parent.name == "fake"
