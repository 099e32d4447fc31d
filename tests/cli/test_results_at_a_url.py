"""Commands on results at a URL, with a real S3 server here: as on a folder, and the same on every machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench as api
from bench import store
from bench.store.bucket import Bucket
from bench.store.copies import copy_of
from bench.store.schema import SCHEMAS

Bench = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def run(bench: Bench, fakes: None, results_url: str, on_machine: Callable[[str], None]) -> str:
    """The URL of the results of ``tiny.yaml``, made on another machine than this one."""
    on_machine("other")
    ended = bench("run", "tiny.yaml", "--no-report", "--results", results_url)
    assert (ended.status, f"results: {results_url}" in ended.out) == (0, True)
    assert f"{results_url}: its copy on this machine is {copy_of(results_url)}" in ended.err
    on_machine("this")
    return results_url


def test_commands_that_read_give_what_they_give_of_a_folder(bench: Bench, run: str, tmp_path: Path) -> None:
    assert bench("merge", run, "--into", "here").out == "here: 8 cells added, 0 equal in several folders\n"
    copy, here = copy_of(run), Path("here")
    for table in SCHEMAS:
        assert store.read(copy, table).equals(store.read(here, table))
        for part in (copy / table).iterdir():
            assert part.read_bytes() == (here / table / part.name).read_bytes()
    of_url, of_folder = (bench("report", each, "--output", f"r{number}") for number, each in enumerate((run, here)))
    assert (of_url.status, of_folder.status) == (0, 0)
    pages = [Path(each.out.strip()).read_bytes() for each in (of_url, of_folder)]
    assert pages[0].replace(run.encode(), b"here") == pages[1]
    assert bench("compare", run, here).out == bench("compare", here, here).out
    assert bench("compare", here, run, "--gate").status == 0
    cell_id = store.cell_ids(here)[0]
    shown = bench("show", cell_id, "--results", run).out
    assert shown.replace(str(copy), "here    ").split() == bench("show", cell_id, "--results", here).out.split()
    assert api.read(run).runs.equals(api.read("here").runs)


def test_a_run_goes_on_on_another_machine(bench: Bench, run: str) -> None:
    assert "8 cells, 8 stored, 0 to run" in bench("run", "tiny.yaml", "--dry-run", "--results", run).out
    assert "8 cells, 8 stored, 0 to run" in bench("run", run, "--dry-run").out  # the suite that is kept there
    suite = Path("tiny.yaml")
    suite.write_text(suite.read_text().replace("seeds: 2", "seeds: 3"))
    assert bench("run", "tiny.yaml", "--no-report", "--results", run).status == 0
    assert {path.rpartition("/")[2] for path in Bucket(run).listed("journal/cells")} == {"000001.json", "000002.json"}
    assert store.read(copy_of(run), "runs").num_rows == 8 * 3


def test_a_folder_is_brought_to_a_url(bench: Bench, results_url: str, fakes: None) -> None:
    assert bench("run", "tiny.yaml", "--no-report").status == 0
    assert bench("merge", "results/tiny", "--into", results_url).out.startswith(f"{results_url}: 8 cells added")
    assert len(Bucket(results_url).listed("journal/cells")) == 8


def test_what_makes_no_sense_at_a_url_is_said_in_one_line(bench: Bench, run: str) -> None:
    ended = bench("compact", run)
    assert ended.status == 2
    assert ended.err.splitlines()[1:] == [
        f"{run}: expected a folder of this machine to compact; its objects stay as they are: `bench compact {run} "
        "--into PATH` makes a compacted folder of them"
    ]
    for arguments in (("report", run, "--output", "s3://bucket/pages"), ("run", "s3://bucket/suite.yaml")):
        ended = bench(*arguments)
        assert ended.status == 2
        assert "expected a path of this machine, got an address" in ended.err.splitlines()[-1]


def test_two_runs_at_once_put_every_cell_once(results_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "run", "tiny.yaml", "--no-report", "--engine", "inline"]
    runs = [
        subprocess.Popen(
            [*command, "--progress", "plain", "--results", results_url],
            env={**os.environ, "BENCH_CACHE": str(tmp_path / name), "PYTHONPATH": str(Path(api.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    ended = [(run.communicate(), run.returncode) for run in runs]
    assert [status for _, status in ended] == [0, 0], ended
    tables = [re.sub("(?s)\nresults:.*", "", out) for (out, _), _ in ended]
    assert tables[0] == tables[1]
    there = Bucket(results_url)
    assert [path.rpartition("/")[2] for path in there.listed("journal/cells")] == ["000001.json"] * 8
    assert {table: len(there.listed(table)) for table in SCHEMAS} == dict.fromkeys(SCHEMAS, 8)
    assert there.listed("claims") == {}
