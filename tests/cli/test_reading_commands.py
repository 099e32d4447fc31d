"""``bench report`` and ``bench compare``, on results of real cells, where torch cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench as package
from bench.protocol.scoring import SeriesScorer

Bench = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("real_cells")


@pytest.fixture
def real_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are real, and run in this process."""
    from bench.cli import run
    from bench.running.workers import start

    def inline(_name: str, *, jobs: int, device: str) -> object:
        return start("inline", jobs=jobs, device=device, target="bench.running.cell:run_cell")

    monkeypatch.setattr(run, "start", inline)


PROGRAM_WITHOUT_TORCH = """
import sys

class NoTorch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, NoTorch)
import bench.__main__
bench.__main__.main()
"""


def _without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM_WITHOUT_TORCH, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_ends_with_a_page_and_the_page_can_be_made_again(bench: Bench, folder: Path) -> None:
    ended = bench("run", "tiny.yaml")
    assert ended.status == 0, ended.err
    page = folder / "reports/tiny/index.html"
    assert ended.out.endswith("report:  reports/tiny/index.html\n")
    assert page.stat().st_size > 10_000
    done = _without_torch("report", "results/tiny", "--output", "other")
    assert (done.returncode, done.stdout) == (0, "other/tiny/index.html\n")
    assert done.stderr in ("", "the report: rows are read, models compared, pictures drawn\n")  # where it takes long
    assert (folder / "other/tiny/index.html").exists()


def test_a_gate_closes_for_what_got_worse(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--results", "a")
    bench("run", "tiny.yaml", "--no-report", "--results", "b", "--only", "dataset=noise")
    done = _without_torch("compare", "a", "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# Comparison: regressed\n\n4 cells in both: 4 equivalent. 4 vanished.\n")
    assert bench("compare", "a", "b", "--gate").status == 1
    assert bench("compare", "b", "a", "--gate").status == 0


def test_a_gate_closes_for_what_is_too_good(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    only = ("--only", "dataset=noise", "--only", "model=mean", "--only", "sequence_length=3")
    bench("run", "tiny.yaml", "--no-report", "--results", "a", *only)
    honest = SeriesScorer.errors
    monkeypatch.setattr(SeriesScorer, "errors", lambda self, prediction: honest(self, (prediction + self.truth) / 2))
    bench("run", "tiny.yaml", "--no-report", "--results", "b", *only)
    ended = bench("compare", "a", "b", "--gate")
    assert ended.status == 1
    assert ended.out.startswith("# Comparison: suspected leak\n")
    assert "## Too good: look for a leak\n\n- noise × mean, L=3, h=1: its RMSE " in ended.out
    assert "that of the best possible forecast\n" in ended.out


def test_other_data_cannot_be_compared(bench: Bench) -> None:
    bench("run", "tiny.yaml", "--no-report", "--results", "a", "--only", "dataset=noise")
    bench("run", "tiny.yaml", "--no-report", "--results", "b", "--only", "dataset=noise", "--seed", "1")
    assert bench("compare", "a", "b", "--gate").status == 2
    assert bench("compare", "a", "b").status == 0


def test_a_comparison_is_written_in_as_many_forms_as_are_asked_for(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--results", "a", "--only", "dataset=noise")
    forms = ("--format", "json", "--output", "out/changes.json", "--format", "junit", "--output", "out/changes.xml")
    ended = bench("compare", "a", "a", "--suite", "tiny.yaml", *forms, "--format", "annotations")
    assert (ended.status, ended.out) == (0, "::notice file=tiny.yaml,title=tiny::nothing got worse: equivalent\n")
    assert len(json.loads((folder / "out/changes.json").read_text())["cells"]) == 4
    assert (folder / "out/changes.xml").read_text().startswith("<?xml")
    ended = bench("compare", "a", "a", "--output", "x.md", "--output", "y.md")
    assert (ended.status, ended.err.count("\n")) == (2, 1)


def test_thresholds_come_from_the_suite(bench: Bench, folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "suites").mkdir()
    (folder / "suites/tiny.yaml").write_text(text + "gate: {thresholds: {rmse: 0.5, mae: 0.25}, alpha: 0.05}\n")
    bench("run", "tiny.yaml", "--no-report", "--results", "a", "--only", "dataset=noise")

    def limits(*options: str) -> tuple[object, ...]:
        content = json.loads(bench("compare", "a", "a", "--format", "json", *options).out)
        return content["gate_file"], content["thresholds"], content["alpha"]

    assert limits() == ("suites/tiny.yaml", {"rmse": 0.5, "mae": 0.25}, 0.05)
    assert limits("--suite", "tiny.yaml") == ("tiny.yaml", {"rmse": 0.02}, 0.01)
    (folder / "own.yaml").write_text("models: [./net.py:Net]\ngate: {alpha: 0.2}\n")  # which no other part needs
    assert limits("--suite", "own.yaml") == ("own.yaml", {"rmse": 0.02}, 0.2)
    (folder / "own.yaml").write_text("gate: {alhpa: 0.2}\n")
    assert (
        "own.yaml:1:8: gate: unknown key 'alhpa'; did you mean 'alpha'?"
        in bench("compare", "a", "a", "--suite", "own.yaml").err
    )
    (folder / "suites/tiny.yaml").unlink()
    assert limits() == ("", {"rmse": 0.02}, 0.01)


def test_results_that_are_none_are_one_line(bench: Bench) -> None:
    for command in (("report", "results/none"), ("compare", "results/none", "results/none")):
        ended = bench(*command)
        assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert ended.err.startswith("results/none: expected a results folder")


def test_a_baseline_is_updated_and_shown(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--only", "dataset=noise")
    ended = bench("baseline", "update", "results/tiny")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "got no wave × persistence, L=3, h=1; " in ended.err
    bench("run", "tiny.yaml", "--no-report")
    ended = bench("baseline", "update", "results/tiny")
    assert (ended.status, ended.err) == (0, "")
    assert "\nsuites: tiny\n" in ended.out
    assert "\ncells: 8, with 16 replicates, " in ended.out
    assert bench("baseline", "show").out == ended.out
    assert bench("compare", "results/baseline", "results/tiny", "--gate").status == 0
    assert bench("baseline", "update", "results/baseline", "--baseline", "results/tiny").status == 2


def test_a_baseline_of_a_smaller_suite_leaves_the_rest_out(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report")
    text = (folder / "tiny.yaml").read_text()
    (folder / "tiny.yaml").write_text(text.replace("[persistence, mean]", "[mean]"))
    bench("run", "tiny.yaml", "--no-report")
    ended = bench("baseline", "update", "results/tiny")
    assert ended.status == 0
    assert ended.err.startswith("left out, since the suite has no such cell: ")
    assert ended.err.count(" × persistence") == ended.err.count(" × ") == 4
    (folder / "empty/runs").mkdir(parents=True)
    shown = bench("baseline", "show", "--baseline", "empty")
    assert (shown.status, shown.out, shown.err.count("\n")) == (2, "", 1)


def test_what_cannot_be_written_is_one_line(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--results", "a")
    (folder / "README.md").write_text("text")
    full = [("compare", "a", "a", "--output", "/dev/full")] if Path("/dev/full").exists() else []
    for command, said in (
        *((each, "--output /dev/full: expected a file to write: ") for each in full),
        (("compare", "a", "a", "--output", folder), f"--output {folder}: expected a file to write: Is a directory; "),
        (("compare", "a", "a", "--output", "README.md/x"), "--output README.md/x: expected a file to write: "),
        (("baseline", "update", "a", "--baseline", "README.md"), "README.md: File exists; "),
    ):
        ended = bench(*command)
        assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert ended.err.startswith(said)


def test_a_refusal_is_written_in_the_forms_that_are_asked_for(bench: Bench, folder: Path) -> None:
    bench("run", "tiny.yaml", "--no-report", "--results", "a", "--only", "dataset=noise")
    forms = [word for form in ("md", "junit", "json") for word in ("--format", form, "--output", f"out/{form}")]
    ended = bench("compare", "none", "a", "--gate", *forms, "--format", "annotations")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert ended.out.startswith("::error title=bench compare::none: expected a results folder")
    assert (folder / "out/md").read_text().startswith("# Comparison: not comparable\n\n- none: expected a results")
    assert json.loads((folder / "out/json").read_text())["verdict"] == "not comparable"
    assert 'errors="1"' in (folder / "out/junit").read_text()


@pytest.mark.parametrize(
    ("commits", "here", "dirty", "warned"),
    [
        (("aaaaaaaaaaaa",), "a" * 40, False, False),
        (("aaaaaaaaaaaa",), "a" * 40, True, True),
        (("aaaaaaaaaaaa",), "b" * 40, False, True),
        (("aaaaaaaaaaaa", "bbbbbbbbbbbb"), "b" * 40, False, True),
        (("aaaaaaaaaaaa with uncommitted changes",), "a" * 40, True, False),
        (("aaaaaaaaaaaa",), None, None, False),
        ((), "a" * 40, False, False),
    ],
)
def test_results_of_other_code_are_cautioned_against(
    monkeypatch: pytest.MonkeyPatch, commits: tuple[str, ...], here: str | None, dirty: bool | None, warned: bool
) -> None:
    from bench.cli.compare import stale
    from bench.store import environment

    monkeypatch.setattr(environment, "checkout", lambda: {"git_commit": here, "git_dirty": dirty})
    reported = stale(commits)
    assert bool(reported) == warned
    assert all("run the suite again with --fresh" in line for line in reported)


def test_a_repository_that_git_does_not_read_is_cautioned_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.cli.compare import stale
    from bench.store import environment

    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(environment, "_PACKAGE", tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own way to play another user
    (line,) = stale(())
    assert line.startswith("whether the new results are of the code here is not known: git does not read ")
    assert "git config --global --add safe.directory" in line


def test_the_history_of_runs_is_a_page(bench: Bench, folder: Path) -> None:
    for seed in (0, 1):
        bench("run", "tiny.yaml", "--no-report", "--only", "model=mean", "--seed", str(seed))
    done = _without_torch("history", "results/tiny")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("page: reports/history/index.html\n")
    page = (folder / "reports/history/index.html").read_text(encoding="utf-8")
    assert "noise × mean" in page
    assert "wave × mean" in page


def test_every_metric_form_and_table_can_be_requested() -> None:
    from bench.choices import ComparedMetric, Format, TableName
    from bench.comparing.decision import MEASURES
    from bench.comparing.formats import FORMATS
    from bench.spec import Thresholds
    from bench.store.schema import ALL

    assert list(Format) == list(FORMATS)
    assert list(ComparedMetric) == list(MEASURES) == list(Thresholds.model_fields)
    assert list(TableName) == list(ALL)
