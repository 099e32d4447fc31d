"""``bench run``: statuses, messages, filters, and what a second run does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench as package
from bench import store
from bench.api import reports as report_files
from bench.cells import CellSpec
from bench.choices import Progress
from bench.cli import run
from bench.cli.progress import SINKS
from bench.data import pinned
from bench.errors import DataUnavailable
from bench.running import runner
from bench.store.schema import SCHEMAS, table

Bench = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("fakes")


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The results folders that a report was made of; the pages are empty."""
    made: list[Path] = []

    def write(results: Path, into: Path = report_files.REPORTS) -> Path:
        made.append(results)
        page = into / "tiny" / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
        page.with_name(".stamp").write_text(report_files.stamp(results))
        return page

    monkeypatch.setattr(run, "write_report", write)
    return made


def test_a_run_ends_with_a_table_and_the_report_and_a_second_one_makes_neither_cell_nor_report(
    bench: Bench, folder: Path, reports: list[Path]
) -> None:
    first = bench("run", "tiny.yaml", "--progress", "plain")
    assert first.status == 0
    assert "8 of 8 cells to run" in first.err
    assert "8/8" in first.err
    header, *rows = (line.split() for line in first.out.splitlines()[1:4])
    assert header[:5] == ["dataset", "L", "h", "persistence", "mean"]
    assert [row[:3] for row in rows] == [["noise", "3", "1"], ["noise", "5", "1"]]
    assert all(len(row) == len(header) and "–" not in row for row in rows)
    assert first.out.endswith(f"results: {Path('results/tiny')}\nreport:  {Path('reports/tiny/index.html')}\n")
    second = bench("run", "tiny.yaml", "--progress", "plain")
    assert (second.status, second.out, second.err) == (0, first.out, "")
    assert reports == [Path("results/tiny")]
    bench("run", "tiny.yaml", "--results", "elsewhere")
    assert reports == [Path("results/tiny"), Path("elsewhere")]
    bench("run", "tiny.yaml")  # the page now shows the other folder
    assert reports[2:] == [Path("results/tiny")]


def test_no_report_makes_none(bench: Bench, folder: Path, reports: list[Path]) -> None:
    assert "report" not in bench("run", "tiny.yaml", "--no-report").out
    assert reports == []
    assert not (folder / "reports").exists()


@pytest.mark.parametrize("name", ["name:x", "s3:x", "~/r", "gs:"])
def test_a_folder_is_a_path_whatever_it_looks_like(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    ended = bench("run", "tiny.yaml", "--no-report", "--results", name)
    assert ended.status == 0
    place = folder / "home" / "r" if name == "~/r" else folder / name
    assert len(store.stored(place)) == 8
    assert bench("run", "tiny.yaml", "--no-report", "--results", name).status == 0  # and it is read again
    assert bench("compare", name, name).status == 0
    assert bench("run", name, "--no-report").status == 0  # the suite that it keeps


@pytest.mark.parametrize("name", ["ftp://host/x", "\udcff"])
def test_a_folder_that_is_no_path_of_this_machine_is_refused_before_anything_runs(
    bench: Bench, folder: Path, name: str
) -> None:
    ended = bench("run", "tiny.yaml", "--results", name)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "expected a path " in ended.err
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.yaml"]


def test_cells_that_did_not_finish_are_named_with_their_reason_on_every_run(bench: Bench, folder: Path) -> None:
    suite = (folder / "tiny.yaml").read_text().replace("mean]", "{id: 'fail:diverged', kind: mean}]")
    (folder / "tiny.yaml").write_text(suite)
    for _ in range(2):
        ended = bench("run", "tiny.yaml", "--no-report")
        assert ended.status == 1
        assert "4 of 8 cells did not finish:\n" in ended.err
        assert "noise × fail:diverged, L=3, h=1: diverged: requested to\n" in ended.err


def test_failed_only_runs_nothing_new(bench: Bench, folder: Path) -> None:
    ended = bench("run", "tiny.yaml", "--no-report", "--failed-only")
    assert ended.status == 1
    assert "noise × persistence, L=3, h=1: never run; leave out --failed-only\n" in ended.err
    assert not (folder / "results").exists()


def test_fresh_and_failed_only_exclude_each_other(bench: Bench) -> None:
    ended = bench("run", "tiny.yaml", "--fresh", "--failed-only")
    assert (ended.status, ended.err.count("\n")) == (2, 1)


def test_fresh_runs_every_cell_again(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report")
    before = {path: path.stat().st_mtime_ns for path in (folder / "results/tiny/runs").iterdir()}
    bench("run", "tiny.yaml", "--no-report", "--fresh")
    after = {path: path.stat().st_mtime_ns for path in (folder / "results/tiny/runs").iterdir()}
    assert before.keys() == after.keys()
    assert all(after[path] > before[path] for path in before)


def test_cells_that_are_of_other_code_are_said(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def checked_out(commit: str | None) -> None:
        monkeypatch.setattr(runner, "checkout", lambda: {"git_commit": commit, "git_dirty": False})
        monkeypatch.setattr(run, "checkout", lambda: {"git_commit": commit, "git_dirty": False})

    checked_out("a" * 40)
    assert bench("run", "tiny.yaml", "--no-report", "--only", "dataset=noise").err.count("code here") == 0
    checked_out("b" * 40)
    ended = bench("run", "tiny.yaml", "--no-report", "--progress", "none")
    assert ended.err == (
        "\n4 cells of 8 stored earlier, by commit aaaaaaaaaaaa; the code here is commit bbbbbbbbbbbb. "
        "`bench run --fresh` runs them again\n"
    )
    checked_out(None)
    assert f"the code here is bench {package.__version__}." in bench("run", "tiny.yaml", "--no-report").err


def test_cells_that_fresh_could_not_run_again_are_no_results_until_they_are_renewed(bench: Bench, folder: Path) -> None:
    suite = (folder / "tiny.yaml").read_text().replace("mean]", "{id: 'fail:failed', kind: mean}]")
    (folder / "tiny.yaml").write_text(suite)
    bench("run", "tiny.yaml", "--no-report")
    results = folder / "results" / "tiny"
    with store.writing(results) as writer:  # as if they had been ok
        for cell_id, what in store.stored(results).items():
            rows = {name: store.read_cell(results, name, cell_id) for name in SCHEMAS}
            if what.key.model == "fail:failed":
                ok = [{**row, "status": "ok", "mse": 1.0, "rmse": 1.0} for row in rows["runs"].to_pylist()]
                writer.put({**rows, "runs": table("runs", ok)})
    assert bench("run", "tiny.yaml", "--no-report").status == 0
    for choice in (["--fresh"], []):
        ended = bench("run", "tiny.yaml", "--no-report", *choice)
        assert ended.status == 1
        assert "\n4 cells could not be run again: the earlier rows are kept, and count as no results" in ended.err
        assert "fail:failed" not in ended.out


def test_another_seed_gives_other_cells_in_the_same_places(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report")
    first = store.stored(folder / "results/tiny")
    bench("run", "tiny.yaml", "--no-report", "--seed", "7")
    second = store.stored(folder / "results/tiny")
    assert not first.keys() & second.keys()
    assert {what.key for what in first.values()} == {what.key for what in second.values()}


@pytest.mark.parametrize(
    ("filters", "cells"),
    [
        (["dataset=noise"], 4),
        (["dataset=*", "model=mean"], 4),
        (["dataset=noise", "dataset=wave", "sequence_length=5"], 4),
        (["dataset=w*", "model=m*", "sequence_length=3", "horizon=1"], 1),
    ],
)
def test_only_filters_cells(bench: Bench, folder: Path, filters: list[str], cells: int) -> None:
    options = [word for text in filters for word in ("--only", text)]
    assert bench("run", "tiny.yaml", "--no-report", *options).status == 0
    assert len(store.stored(folder / "results/tiny")) == cells


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (["modle=mean"], "--only modle=mean: unknown key 'modle'; did you mean 'model'?"),
        (["mean"], "--only mean: expected KEY=GLOB"),
        (["model="], "--only model=: expected KEY=GLOB"),
        (["model=lstm*"], "--only model=lstm*: matches no model of this suite (it has: mean, persistence)\n"),
        (
            ["model=me"],
            "--only model=me: matches no model of this suite (it has: mean, persistence); for all that begin so: "
            "--only 'model=me*'\n",
        ),
    ],
)
def test_a_filter_that_is_wrong_is_one_line(bench: Bench, folder: Path, filters: list[str], message: str) -> None:
    ended = bench("run", "tiny.yaml", *(word for text in filters for word in ("--only", text)))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith(message)
    assert not (folder / "results").exists()


def test_filters_that_exclude_each_other_are_one_line(bench: Bench, folder: Path) -> None:
    (folder / "tiny.yaml").write_text(
        (folder / "tiny.yaml").read_text() + "exclude: [{dataset: noise, sequence_length: 3}]\n"
    )
    ended = bench("run", "tiny.yaml", "--only", "dataset=noise", "--only", "sequence_length=3")
    assert ended.status == 2
    assert ended.err.endswith("no cell of this suite matches all of these\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.yaml"], "missing.yaml"),
        (["tinny"], "unknown suite 'tinny'"),
        (["tiny.yaml", "--device", "tpu"], "device 'tpu': expected auto, cpu, cuda or cuda:INDEX\n"),
        (["tiny.yaml", "--device", "cuda:99"], "device 'cuda:99': torch"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(bench: Bench, folder: Path, arguments: list[str], message: str) -> None:
    ended = bench("run", *arguments)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith(message)
    assert not (folder / "results").exists()


def test_every_problem_of_a_suite_is_a_line_with_its_place(bench: Bench, folder: Path) -> None:
    (folder / "tiny.yaml").write_text("name: tiny\ndatasets: [randon]\nmodels: [persistence, mena]\nseed: -1\n")
    ended = bench("run", "tiny.yaml")
    assert ended.status == 2
    places = [line.split(": ")[0] for line in ended.err.splitlines()]
    assert places == ["tiny.yaml:2:12", "tiny.yaml:3:23", "tiny.yaml:4:7"]


def test_data_that_is_too_short_is_said_before_anything_runs(bench: Bench, folder: Path) -> None:
    (folder / "tiny.yaml").write_text((folder / "tiny.yaml").read_text().replace("[3, 5]", "[3, 70]"))
    ended = bench("run", "tiny.yaml")
    assert ended.status == 2
    named = [line.split(": ")[:2] for line in ended.err.splitlines()]
    assert [name for _, name in named] == ["noise", "wave"]
    lines = (folder / "tiny.yaml").read_text().splitlines()
    for place, name in named:
        file, line, column = place.split(":")
        assert file == "tiny.yaml"
        assert lines[int(line) - 1][int(column) - 1 :].startswith(name)
    assert not (folder / "results").exists()


def test_a_torn_part_costs_its_cell_and_is_one_line(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report")
    part = sorted((folder / "results/tiny/runs").iterdir())[0]
    part.write_bytes(torn := part.read_bytes()[:-50])
    said = rf"note: {part.relative_to(folder)}: expected a whole Parquet file, but it is torn .* counts as not stored"
    ended = bench("run", "tiny.yaml", "--dry-run")
    assert re.match(said, ended.err)
    assert ended.err.count("\n") == 1
    assert "8 cells, 7 stored, 1 to run" in ended.out
    ended = bench("run", "tiny.yaml", "--no-report")
    assert ended.status == 0
    assert re.match(said, ended.err)
    assert (folder / "results/tiny/.strays" / f"{part.stem}.runs.parquet").read_bytes() == torn
    assert "8 cells, 8 stored, 0 to run" in bench("run", "tiny.yaml", "--dry-run").out


def test_a_dry_run_says_what_would_happen_and_writes_nothing(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--only", "model=mean")
    before = sorted(folder.rglob("*"))
    ended = bench("run", "tiny.yaml", "--dry-run", "--jobs", "2")
    assert ended.status == 0
    assert "noise × persistence, L=3, h=1  new, about 0.5 s\n" in ended.out
    assert "noise × mean, L=3, h=1         stored: ok\n" in ended.out
    assert "\n8 cells, 4 stored, 4 to run: about" in ended.out
    assert sorted(folder.rglob("*")) == before


def test_a_dry_run_says_what_the_suite_is_likely_to_see(bench: Bench, folder: Path) -> None:
    assert "smallest difference" not in bench("run", "tiny.yaml", "--dry-run").out, "nothing in it is random"
    (folder / "tiny.yaml").write_text((folder / "tiny.yaml").read_text().replace("mean]", "lstm]"))
    said = bench("run", "tiny.yaml", "--dry-run").out
    assert "smallest difference that 2 seeds will show with probability 0.8" in said
    assert "  persistence – lstm: MSE " in said


def edit(folder: Path, before: str, after: str) -> None:
    text = (folder / "tiny.yaml").read_text()
    assert before in text
    (folder / "tiny.yaml").write_text(text.replace(before, after))


def test_a_dry_run_and_a_run_say_why_each_cell_runs(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--only", "dataset=noise", "--only", "model=mean")
    edit(folder, "seeds: 2", "seeds: 3")
    edit(folder, "length: 90", "length: 70")
    reported = bench("run", "tiny.yaml", "--dry-run").out
    assert "noise × mean, L=3, h=1         extended by 1 seed, about" in reported
    assert "noise × persistence, L=3, h=1  new, about" in reported
    assert "\n8 cells, 0 stored, 8 to run (2 in part): about" in reported
    ended = bench("run", "tiny.yaml", "--no-report", "--progress", "none")
    assert ended.err == "to run: 6 cells new; 2 cells extended by 1 seed\n"
    assert "stored: ok\n" in (reported := bench("run", "tiny.yaml", "--dry-run").out)
    assert "\n8 cells, 8 stored, 0 to run: about" in reported
    edit(folder, "length: 70", "length: 85")
    edit(folder, "seeds: 3", "seeds: 1")
    reported = bench("run", "tiny.yaml", "--dry-run").out
    assert "wave × mean, L=3, h=1          changed: dataset.parameters.length 70 → 85, about" in reported
    assert "noise × mean, L=3, h=1         stored: ok, and 2 more seeds than requested\n" in reported
    assert "again: --fresh, about" in bench("run", "tiny.yaml", "--dry-run", "--fresh").out


def test_a_dry_run_of_many_cells_has_a_line_for_each_cause(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BY_NAME", 5)
    bench("run", "tiny.yaml", "--no-report", "--only", "model=mean", "--only", "dataset=noise")
    first, second, blank, _ = bench("run", "tiny.yaml", "--dry-run", "--jobs", "1").out.splitlines()
    assert re.fullmatch(r"6 cells  new, about \d+\.\d s  *", first)
    assert re.fullmatch(r"2 cells  stored: ok  +dataset noise; model mean", second)
    assert blank == ""


def test_a_cell_that_failed_before_says_how_it_is_run_again(bench: Bench, folder: Path) -> None:
    edit(folder, "mean]", "{id: 'fail:out_of_memory', kind: mean}]")
    bench("run", "tiny.yaml", "--no-report")
    said = "noise × fail:out_of_memory, L=3, h=1  failed before: out_of_memory; --failed-only runs it again\n"
    assert said in bench("run", "tiny.yaml", "--dry-run").out
    reported = bench("run", "tiny.yaml", "--dry-run", "--failed-only").out
    assert "noise × fail:out_of_memory, L=3, h=1  2 seeds again: out_of_memory, about" in reported


def test_an_extended_cell_of_two_commits_is_said(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for commit, seeds in (("a" * 40, "seeds: 2"), ("b" * 40, "seeds: 3")):
        edit(folder, "seeds: 2", seeds)
        for module in (runner, run):
            monkeypatch.setattr(module, "checkout", lambda commit=commit: {"git_commit": commit, "git_dirty": False})
        only = ("--only", "dataset=noise") if seeds == "seeds: 2" else ()
        ended = bench("run", "tiny.yaml", "--no-report", "--progress", "none", *only)
    assert (
        "\n4 cells of 8 stored earlier, 4 of them in part, by commit aaaaaaaaaaaa; the code here is commit "
        "bbbbbbbbbbbb. `bench run --fresh` runs them again\n"
    ) in ended.err


def test_a_dry_run_says_where_tuning_goes_beyond_its_search_space(bench: Bench, folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text().replace("mean]", "{id: net, kind: gru}]").replace("tuning: false", "")
    (folder / "tiny.yaml").write_text(f"{text}training: {{learning_rate: 0.05}}\n")
    note = "learning_rate of net: the suite's 0.05 is outside of 0.0001 to 0.01; tuning searches 0.0001 to 0.05\n"
    assert bench("run", "tiny.yaml", "--dry-run").out.count(note) == 1


def test_json_lines_are_one_object_for_each_event(bench: Bench) -> None:
    ended = bench("run", "tiny.yaml", "--no-report", "--progress", "jsonl", "--only", "dataset=noise")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["event"] for event in events] == ["planned"] + ["started", "finished"] * 4
    assert events[0]["pending"] == 4
    assert {event["cell_id"] for event in events[1:]} == {event["cell_id"] for event in events if "done" in event}
    assert events[-1] | {"cell_id": "", "remaining_s": 0.0} == {
        "event": "finished",
        "cell_id": "",
        "suite": "tiny",
        "dataset": "noise",
        "model": events[-1]["model"],
        "sequence_length": events[-1]["sequence_length"],
        "horizon": 1,
        "status": "ok",
        "reason": "",
        "seconds": 0.5,
        "done": 4,
        "pending": 4,
        "remaining_s": 0.0,
    }


def test_a_run_with_nothing_to_do_is_an_event_too(bench: Bench) -> None:
    bench("run", "tiny.yaml", "--no-report")
    ended = bench("run", "tiny.yaml", "--no-report", "--progress", "jsonl")
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        {"event": "planned", "total": 8, "pending": 0, "remaining_s": 0.0, "round": 1, "rounds": 1}
    ]


def test_a_dry_run_counts_each_cell_once(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_name: str) -> Path:
        raise DataUnavailable("bring it")

    monkeypatch.setattr(pinned, "locate", unavailable)
    (folder / "tiny.yaml").write_text(
        (folder / "tiny.yaml").read_text().replace("{id: wave, kind: sine, length: 90}", "TSLA")
    )
    for stored, to_run in ((0, 4), (4, 0)):
        reported = bench("run", "tiny.yaml", "--dry-run").out
        assert f"\n8 cells, {stored} stored, {to_run} to run, 4 unavailable: about" in reported
        assert "TSLA × mean, L=5, h=1          unavailable: bring it\n" in reported
        bench("run", "tiny.yaml", "--no-report")


def test_the_live_view_names_what_failed(bench: Bench, folder: Path) -> None:
    suite = (folder / "tiny.yaml").read_text().replace("mean]", "{id: 'fail:failed', kind: mean}]")
    (folder / "tiny.yaml").write_text(suite)
    ended = bench("run", "tiny.yaml", "--no-report", "--progress", "rich", "--only", "dataset=noise")
    assert "noise × fail:failed, L=3, h=1: failed" in " ".join(ended.err.split())


def test_none_is_silent(bench: Bench) -> None:
    assert bench("run", "tiny.yaml", "--no-report", "--progress", "none").err == ""


def test_the_option_offers_every_sink() -> None:
    assert set(Progress) == {"auto", *SINKS}


def test_an_interrupt_ends_with_130_and_keeps_what_is_finished(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = __import__("fake_cells")
    made = fake.run_cell
    seen = []

    def interrupted(cell: Any, *, device: str) -> Any:
        seen.append(cell)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return made(cell, device=device)

    monkeypatch.setattr(fake, "run_cell", interrupted)
    ended = bench("run", "tiny.yaml", "--no-report")
    assert ended.status == 130
    assert ended.err.endswith("interrupted: finished cells are kept in results/tiny; the same command goes on\n")
    assert len(store.stored(folder / "results/tiny")) == 3


def test_an_interrupted_fresh_run_says_how_it_goes_on_and_does(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench("run", "tiny.yaml", "--no-report")
    fake = __import__("fake_cells")
    made, seen = fake.run_cell, []

    def interrupted(cell: Any, *, device: str) -> Any:
        seen.append(cell)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return made(cell, device=device)

    with monkeypatch.context() as patch:
        patch.setattr(fake, "run_cell", interrupted)
        ended = bench("run", "tiny.yaml", "--no-report", "--fresh")
    assert ended.err.endswith("results/tiny; the same command without --fresh goes on\n")
    again = bench("run", "tiny.yaml", "--no-report", "--progress", "plain")
    assert again.err.splitlines()[0].startswith("goes on with the --fresh run of ")
    assert again.err.splitlines()[0].endswith(" UTC: 5 cells are still to be run again")
    assert "5 of 8 cells to run" in again.err
    assert "goes on" not in bench("run", "tiny.yaml", "--no-report").err


def test_a_run_within_a_time_that_is_long_enough_is_a_whole_run(bench: Bench, folder: Path) -> None:
    ended = bench("run", "tiny.yaml", "--within", "1h", "--no-report", "--progress", "none")
    assert (ended.status, ended.err) == (0, "")
    assert "\n8 cells, 8 stored, 0 to run: about" in bench("run", "tiny.yaml", "--dry-run").out


def test_a_run_without_time_says_what_was_not_run_and_how_to_go_on(bench: Bench, folder: Path) -> None:
    ended = bench("run", "tiny.yaml", "--within", "0.000001s", "--no-report", "--progress", "none")
    assert ended.status == 1
    assert (
        "8 of 8 cells did not finish:\nnoise × persistence, L=3, h=1: never run; there was no time for it\n"
        in ended.err
    )
    assert ended.err.endswith("the time is over: the same command goes on where this one stood\n")
    assert bench("run", "tiny.yaml", "--no-report", "--progress", "none").status == 0


def test_what_is_no_time_is_one_line(bench: Bench) -> None:
    ended = bench("run", "tiny.yaml", "--within", "soon")
    assert (ended.status, ended.err) == (2, "expected a duration, such as 45s, 20m or 1h30m, got 'soon'\n")


def test_limits_of_a_cell_are_those_of_the_command_where_it_gives_some(bench: Bench, folder: Path) -> None:
    edit(folder, "seeds: 2", "seeds: 2\nlimits: {cell_s: 900, cell_bytes: 2000000000}")
    options = ("--cell-timeout", "10m", "--cell-memory", "4GiB", "--retries", "1")
    ended = bench("run", "tiny.yaml", *options, "--no-report", "--progress", "none")
    assert (ended.status, ended.err) == (0, "")
    specs = store.read(folder / "results" / "tiny", "runs")["spec"].to_pylist()
    assert {str(CellSpec.from_json(spec).limits.stated) for spec in specs} == {
        "{'cell_s': 600.0, 'cell_bytes': 4294967296}"
    }
    assert "\n8 cells, 8 stored, 0 to run: about" in bench("run", "tiny.yaml", "--dry-run").out


def test_limits_that_an_engine_does_not_keep_are_refused(bench: Bench, folder: Path) -> None:
    refused = bench("run", "tiny.yaml", "--engine", "inline", "--cell-timeout", "10m")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("--engine inline: expected no limits of a cell, which only processes of their own ")
    assert "got limits.cell_s 600; leave out --cell-timeout" in refused.err
    edit(folder, "seeds: 2", "seeds: 2\nlimits: {cell_bytes: 2000000000}")
    refused = bench("run", "tiny.yaml", "--engine", "inline")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "got limits.cell_bytes 2e+09; leave out" in refused.err
    assert not (folder / "results").exists()


@pytest.mark.parametrize("size", ["much", "0", "12 XB"])
def test_what_is_no_size_of_memory_is_one_line(bench: Bench, size: str) -> None:
    ended = bench("run", "tiny.yaml", "--cell-memory", size)
    assert ended.status == 2
    assert ended.err == f"expected a size of memory of 1 MiB or more, such as 4GiB or 500MB, got {size!r}\n"


def test_a_dry_run_of_a_plan_for_seeds_says_how_it_goes_on(bench: Bench, folder: Path) -> None:
    edit(folder, "mean]", "lstm]")
    edit(folder, "seeds: 2", "seeds: {from: 3, to: 30, until: decided}")
    said = bench("run", "tiny.yaml", "--dry-run").out
    assert "\nthen up to 30 seeds of cells whose claims are not decided\n" in said
    assert "smallest difference that 30 seeds will show with probability 0.8" in said


def test_a_library_that_is_not_installed_is_said_beforehand_and_costs_its_own_cells_alone(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "tiny.yaml").write_text(text.replace("models: [persistence, mean]", "models: [persistence, ets]"))
    monkeypatch.setitem(sys.modules, "statsmodels", None)  # as where it is not installed
    foreseen = bench("run", "tiny.yaml", "--dry-run")
    assert foreseen.status == 0
    told = 'unavailable: statsmodels is not installed; pip install "sequence-bench[data]"\n'
    assert foreseen.out.count(told) == 4
    assert "8 cells, 0 stored, 4 to run, 4 unavailable: about" in foreseen.out
    ended = bench("run", "tiny.yaml", "--no-report")
    assert ended.status == 1
    runs = store.read(Path("results/tiny"), "runs").to_pandas()
    assert set(runs[runs.model == "persistence"].status) == {"ok"}
    assert set(runs[runs.model == "ets"].status) == {"unavailable"}
    monkeypatch.delitem(sys.modules, "statsmodels")
    again = bench("run", "tiny.yaml", "--dry-run")  # where it is installed
    assert "8 cells, 4 stored, 4 to run" in again.out
    assert again.out.count("2 seeds again: unavailable") == 4


def test_a_dry_run_says_how_many_fits_a_refit_costs(bench: Bench, folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "tiny.yaml").write_text(text + "split: {test: 16, stride: 4, refit: true}\n")
    said = bench("run", "tiny.yaml", "--dry-run").out
    assert "\nnoise, h=1: refit: each replicate is fitted 4 times, once at each origin\n" in said
    assert "\nwave, h=1: refit: each replicate is fitted 4 times, once at each origin\n" in said
