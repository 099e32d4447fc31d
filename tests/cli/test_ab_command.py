"""``bench ab``: what it says and how it ends, on made-up pairs and on this checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.ab.rounds import Pair, Shared
from bench.ab.speed import Target
from bench.cli.ab import Measurements, decided, status, written

ROOT = Path(__file__).parents[2]
TARGET = Target()
Bench = Callable[..., Any]


def pairs(change: float, *, spread: float = 0.01, calibration: float = 0.0) -> Iterator[Pair]:
    """Without end: `a` takes ``exp(change)`` times as long, `b` is the same."""
    rng = np.random.default_rng(0)
    while True:
        noise = rng.normal(0, spread, size=3)
        ratios = {"calibration": calibration + noise[0] / 10, "a": change + noise[1], "b": noise[2]}
        yield Pair(ratios, dict.fromkeys(ratios, 0.00123), dict.fromkeys(ratios, 2e-6))


def ended(source: Iterator[Pair], *, limit_s: float = 60.0, **shared: Any) -> Measurements:
    found = decided(source, TARGET, limit_s=limit_s, check=lambda: None)
    common = Shared(["calibration", "a", "b"], **{"lost": {}, "new": {}, **shared})
    return Measurements(TARGET, *found, shared=common, sides=("1234567890", "abcdef1"))


def test_equal_sides_end_with_0_at_the_first_look() -> None:
    found = ended(pairs(0.0))
    assert (status(found), found.conclusion.count) == (0, 4)
    table = written(found)
    assert "| a | 1.23 ms | 2 µs |" in table
    assert "Nothing is slower by 10%, which would have been seen with probability 0.95." in table
    assert "| calibration | 1.23 ms | 2 µs | 1.0" in table


def test_a_slower_work_ends_with_1_and_is_named() -> None:
    found = ended(pairs(0.2))
    assert status(found) == 1
    (line,) = (line for line in written(found).splitlines() if "**Slower**" in line)
    assert line.startswith("**Slower**: a takes 2")
    assert "Nothing is slower" not in written(found)


def test_noise_ends_with_3_and_says_what_would_help() -> None:
    found = ended(pairs(0.0, spread=0.5), limit_s=0.0)
    assert (status(found), found.conclusion.count) == (3, 2)
    assert "too noisy to see a slowdown of 10% from none within the time limit, for a" in written(found)
    assert "raise --time-limit" in written(found)


def test_a_calibration_that_differs_ends_with_3_whatever_else_was_found() -> None:
    source = pairs(0.3, calibration=0.2)
    found = ended((next(source) for _ in range(10**9)), limit_s=0.05)
    assert found.conclusion.unequal
    assert status(found) == 3
    assert "the calibration, which neither side changes, took 2" in written(found)
    assert "**Slower**" not in written(found)


def test_what_cannot_be_compared_weighs_more_than_noise_and_less_than_a_slower_work() -> None:
    assert status(ended(pairs(0.0, spread=0.5), limit_s=0.0, lost={"c": "because"})) == 2
    assert status(ended(pairs(0.2), lost={"c": "because"})) == 1


def test_what_is_not_judged_and_not_of_this_repository_is_said() -> None:
    found = ended(pairs(0.0), small={"c": "too small to judge"}, external={"ocean": True, "sky": False})
    assert status(found) == 0
    said = written(found)
    assert "| c | | | | | not judged |" in said
    assert "c: too small to judge." in said
    assert "ocean is not of this repository: equal on both sides." in said
    assert "sky is not of this repository: each side has its own." in said


@pytest.mark.parametrize(("kind", "expected"), [("lost", 2), ("new", 0)])
def test_work_that_has_no_ratio_is_named(kind: str, expected: int) -> None:
    found = ended(pairs(0.0), **{kind: {"c": "because"}})
    assert status(found) == expected
    assert "c: because." in written(found)


def test_a_folder_without_a_repository_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    said = bench("ab", "HEAD", "--suite", "tiny.yaml")
    assert (said.status, said.out) == (2, "")
    assert "expected a git repository" in said.err


@pytest.mark.parametrize(
    ("arguments", "blamed"),
    [
        (["--only", "model=nosuch"], "--only model=nosuch: matches no model of this suite (it has: "),
        (["--output", "tiny.yaml/no/x.md"], "--output tiny.yaml/no/x.md: expected a file that can be written: "),
    ],
)
def test_a_wrong_option_is_one_line_before_anything_is_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: list[str], blamed: str
) -> None:
    monkeypatch.setattr("bench.cli.ab.base_of", None)
    said = bench("ab", "HEAD", "--suite", "tiny.yaml", *arguments)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(blamed)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A repository whose `bench` is not ours: what the test writes into it."""
    folder = tmp_path / "broken"
    (folder / "bench").mkdir(parents=True)
    (folder / "temporary").mkdir()
    (folder / "tiny.yaml").write_text((ROOT / "suites/quick.yaml").read_text())
    return folder


def command(folder: Path, code: str) -> subprocess.Popen[str]:
    """``bench ab HEAD`` in a repository whose `bench` consists of `code`."""
    (folder / "bench/__init__.py").write_text(code)
    for words in (["init", "--quiet"], ["add", "bench"], [*NOBODY, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    arguments = [sys.executable, "-P", "-m", "bench", "ab", "HEAD", "--suite", "tiny.yaml"]
    places = {"TMPDIR": str(folder / "temporary"), "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(arguments, cwd=folder, env={**os.environ, **places}, **pipes)


HANGUP = [signal.SIGHUP] if os.name != "nt" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
NOBODY = ["-c", "user.name=A", "-c", "user.email=a@example.org"]


def nothing_is_left(folder: Path) -> bool:
    listed = subprocess.run(["git", "worktree", "list"], cwd=folder, check=True, capture_output=True, text=True).stdout
    return (listed.count("\n"), list((folder / "temporary").iterdir())) == (1, [])


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return []


@pytest.mark.skipif(os.name == "nt", reason="signals as on Unix")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, *HANGUP])
def test_a_signal_leaves_nothing_behind(broken: Path, number: signal.Signals) -> None:
    running = command(broken, "import time; time.sleep(600)")
    assert running.stderr is not None
    assert "starting both" in running.stderr.readline()
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert nothing_is_left(broken)
    ours = [each for each in psutil.process_iter() if str(broken) in " ".join(_arguments(each))]
    assert not psutil.wait_procs(ours, timeout=20)[1]  # they were ended; on a busy machine that takes a moment


def test_a_base_that_cannot_start_tells_its_last_lines(broken: Path) -> None:
    running = command(broken, "raise ImportError('no such thing as a bench')")
    out, err = running.communicate(timeout=120)
    assert (running.returncode, out) == (2, "")
    assert err.rstrip().endswith("ImportError: no such thing as a bench")
    assert "base (" in err
    assert nothing_is_left(broken)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this checkout is no git repository")
def test_this_checkout_against_its_own_commit(tmp_path: Path) -> None:
    suite = tmp_path / "small.yaml"
    suite.write_text(
        "name: small\ndatasets: [{id: noise, kind: random, length: 120}]\nmodels: [linear-ar]\n"
        "sequence_lengths: [10]\nseeds: 1\ntuning: false\n"
    )
    arguments = ["ab", "HEAD", "--suite", str(suite), "--slowdown", "9", "--time-limit", "1", "--environment", "shared"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--output", str(tmp_path / "out/summary.md")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr  # two pairs: not always enough
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    names = ["work", "noise × linear-ar, L=10, h=1: fit", "noise × linear-ar, L=10, h=1: whole cell", "calibration"]
    assert [line.split(" | ")[0][2:] for line in lines] == names
    assert (tmp_path / "out/summary.md").read_text() == done.stdout
    assert not list(tmp_path.glob("bench-ab-*"))
    listed = subprocess.run(["git", "worktree", "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in listed
