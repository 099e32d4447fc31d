"""What others wrote commands no terminal, and is not repeated at length."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.cli.terminal import say
from bench.store.schema import SCHEMAS, table

Bench = Callable[..., Any]
ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e"
ESCAPED = r"\x1b]0;owned\x07\x1b[2J\u202e"


@pytest.fixture
def stored(folder: Path) -> Path:
    """A folder whose free texts all hold an escape sequence."""
    key = {"cell_id": "aaaa1111", "suite": "s", "dataset": "d", "model": "m", "sequence_length": 10, "horizon": 1}
    texts = dict.fromkeys(("reason", "host", "cpu", "git_commit", "data_source", "bank", "device"), ESCAPE)
    row = {**key, **texts, "seed": 0, "status": "ok", "rmse": 1.0, "mse": 1.0}
    with store.writing(folder / "results") as writer:
        writer.put({**{name: table(name, []) for name in SCHEMAS}, "runs": table("runs", [row])})
    return folder / "results"


@pytest.mark.parametrize(
    "command",
    [
        ("show", "aaaa", "--results", "results"),
        ("show", "aaaa", "--results", "results", "--csv"),
        ("baseline", "show", "--baseline", "results"),
        ("compare", "results", "results"),
        ("history", "results"),
        ("report", "results"),
    ],
)
def test_stored_values_are_shown_and_not_obeyed(bench: Bench, stored: Path, command: tuple[str, ...]) -> None:
    ended = bench(*command)
    said = ended.out + ended.err
    assert ended.status == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    if command[0] in ("show", "baseline"):
        assert ESCAPED in said


def test_a_name_of_a_suite_file_is_shown_and_not_obeyed(bench: Bench, folder: Path) -> None:
    (folder / "tiny.yaml").write_text('"\\e[31mdatasets": [sine]\nmodels: [mean]\n')
    ended = bench("run", "tiny.yaml")
    assert ended.status == 2
    assert r"unknown key '\x1b[31mdatasets'" in ended.err


@pytest.mark.parametrize("place", ["key", "dataset", "parameter", "value"])
def test_a_text_of_a_megabyte_is_not_repeated(bench: Bench, folder: Path, place: str) -> None:
    long = "x" * 10**6
    content = {
        "key": f"datasets: [sine]\nmodels: [mean]\n{long}: 1\n",
        "dataset": f"datasets: [{long}]\nmodels: [mean]\n",
        "parameter": f"datasets: [{{kind: sine, {long}: 1}}]\nmodels: [mean]\n",
        "value": f"datasets: [sine]\nmodels: [mean]\nseeds: {long}\n",
    }
    (folder / "tiny.yaml").write_text(f"name: tiny\n{content[place]}")
    ended = bench("run", "tiny.yaml")
    assert ended.status == 2
    assert "tiny.yaml:" in ended.err
    assert len(ended.err) < 5000


def test_thousands_of_problems_are_counted(bench: Bench, folder: Path) -> None:
    keys = "\n".join(f"key{number}: 1" for number in range(300))
    (folder / "tiny.yaml").write_text(f"name: tiny\ndatasets: [sine]\nmodels: [mean]\n{keys}\n")
    lines = bench("run", "tiny.yaml").err.splitlines()
    assert len(lines) == 101
    assert lines[-1] == "and 200 more"


def test_a_message_is_cut_and_a_result_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    say("y" * 10_000)
    say("y" * 10_000, err=True)
    reported = capsys.readouterr()
    assert len(reported.out) == 10_001
    assert len(reported.err) < 4_100


def test_what_is_logged_is_escaped_too(bench: Bench, stored: Path, folder: Path) -> None:
    (stored / ".pending" / "\x1b[2Jstray").write_text("mine")
    (folder / "tiny.yaml").write_text("name: s\ndatasets: [random]\nmodels: [mean]\nseeds: 1\ntuning: false\n")
    ended = bench("run", "tiny.yaml", "--results", "results", "--no-report")
    assert r".pending/\x1b[2Jstray: expected what a run leaves there" in ended.err
    assert "\x1b" not in ended.err
    assert logging.getLogger("bench").handlers == []


@pytest.mark.parametrize("command", ["run", "probe"])
def test_results_of_another_suite_or_of_nobody_are_refused(bench: Bench, folder: Path, command: str) -> None:
    store.write_suite(folder / "other", '{"name": "other"}')
    for place, said in (("other", "got those of 'other'"), (".", "got one that holds other and 1 more")):
        before = sorted((folder / place).iterdir())
        ended = bench(command, "tiny.yaml", "--results", place)
        assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert said in ended.err
        assert sorted((folder / place).iterdir()) == before


@pytest.mark.parametrize("command", [("list", "models"), ("run", "tiny.yaml", "--dry-run")])
def test_looking_imports_neither_linear_algebra_of_scipy_nor_what_downloads(
    folder: Path, command: tuple[str, ...]
) -> None:
    code = f"import sys; sys.argv = ['bench', *{command!r}]; from bench.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    assert "bench.data.covariance" in ended.stderr
    assert not [name for name in ("scipy.linalg", "requests", "pooch") if f" {name}\n" in ended.stderr]
