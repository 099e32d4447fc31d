"""The workflow and the page on CI: what they run exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from bench.cli.app import app

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github/workflows/bench.yml"
OWN = ROOT / ".github/workflows/benchmarks.yml"
PAGE = ROOT / "docs/ci.md"


def workflow(path=WORKFLOW):
    return YAML(typ="safe").load(path.read_text())


def gitlab():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return YAML(typ="safe").load(block)


def commands():
    """Every command of bench that the workflow, the page and this project's own CI run."""
    lines = [step["run"] for job in workflow()["jobs"].values() for step in job["steps"] if "run" in step]
    lines += [line for job in gitlab().values() for line in job["script"]]
    lines += re.findall(r"^ {4}(python -m bench .*)$", PAGE.read_text(), re.MULTILINE)
    lines += re.findall(r"^\.venv/bin/(python -m bench .*)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True)[3:] for line in lines if "-m bench" in line]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_exists(words):
    names = words[: 2 if words[0] == "baseline" else 1]
    reported = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"})
    assert reported.exit_code == 0
    assert [word for word in words if word.startswith("--") and word not in reported.output] == []
    assert [word for word in words if word.startswith("suites/") and not (ROOT / word).exists()] == []


def test_there_are_such_commands():
    assert len(commands()) >= 9


def test_what_is_judged_was_run_by_this_code_and_failures_reach_the_comparison():
    runs = [words for words in commands() if words[0] == "run" and "suites/ci.yaml" in words]
    assert len(runs) >= 4
    for words in runs:
        assert "--fresh" in words
    gates = [words for words in runs if "||" in words]
    assert len(gates) == len(runs) - 1  # all but that for a new baseline
    assert {" ".join(words[words.index("||") :]) for words in gates} == {"|| test $? -eq 1"}


@pytest.mark.parametrize("path", [WORKFLOW, OWN], ids=lambda path: path.stem)
def test_the_workflow_is_one(path):
    content = workflow(path)
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 30
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))


def test_every_form_and_verdict_is_described():
    from bench.comparing.formats import FORMATS
    from bench.comparing.outcomes import ChangeVerdict

    text = PAGE.read_text()
    assert [name for name in [*FORMATS, *ChangeVerdict] if f"`{name}`" not in text] == []


def test_gitlab_keeps_every_file_that_is_written():
    for job in gitlab().values():
        outputs = re.findall(r"--output (\S+)", " ".join(job["script"]))
        assert outputs
        assert all(any(name.startswith(kept) for kept in job["artifacts"]["paths"]) for name in outputs)
        assert job["artifacts"]["when"] == "always"


def test_gitlab_reads_the_junit_file_that_a_comparison_writes():
    for job in gitlab().values():
        script = " ".join(job["script"])
        read = job["artifacts"].get("reports", {}).get("junit")
        assert re.findall(r"--format junit --output (\S+)", script) == [read] * ("bench compare" in script)
        assert (read is not None) == ("bench compare" in script)


def test_gitlab_knows_the_base_of_a_speed_comparison():
    job = gitlab()["ab"]
    assert "rules" in job
    assert job["variables"]["GIT_DEPTH"] == "0"
    assert any('bench ab "$CI_MERGE_REQUEST_DIFF_BASE_SHA"' in line for line in job["script"])


def test_the_own_benchmarks_fail_nothing():
    (step,) = (step for step in workflow(OWN)["jobs"]["benchmarks"]["steps"] if "tox -e" in step.get("run", ""))
    assert step["continue-on-error"] is True
    (line,) = (line for line in (ROOT / ".ci/run").read_text().splitlines() if "compare_ratios.py" in line)
    assert "||" in line
