"""Commands that are killed at a file operation and run again: every cell as if nothing had happened, nothing left over.

A few places of each command belong to every run of the tests; ``python tests/chaos/measure.py places`` tries all.
"""

import dataclasses
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.store.writer import Recent

_PLACE = Path(__file__).with_name("kills.py")
_SPEC = importlib.util.spec_from_file_location("chaos_kills", _PLACE)
assert _SPEC is not None
assert _SPEC.loader is not None
kills = importlib.util.module_from_spec(_SPEC)
sys.modules["chaos_kills"] = kills
_SPEC.loader.exec_module(kills)

CASES = int(os.environ.get("BENCH_CHAOS", "4"))
"""Kills of each command; of more than it has places, one at each."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each trial is a fork")


@pytest.fixture
def work() -> Iterator[Path]:
    """A folder in memory, where there is such: a disk would take most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("name", kills.SCENARIOS)
def test_a_command_that_was_killed_anywhere_ends_as_one_that_was_not(
    work: Path, name: str, monkeypatch: pytest.MonkeyPatch, note: Callable[..., None]
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(work / "cache"))
    counts = kills.explore(kills.SCENARIOS[name], work, chosen=kills.sampled(CASES))
    note("places", command=name, **dataclasses.asdict(counts))
    assert counts.kills >= min(CASES, 2 * counts.operations) - 2
    assert (counts.wrong, counts.debris, counts.half) == ({}, {}, {})


def test_the_comparison_sees_what_is_lost_and_what_is_left(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a command that is not what it was: the next one after a kill computes less, and leaves a file."""
    monkeypatch.setenv("BENCH_CACHE", str(work / "cache"))

    def forgetful(folder: Path) -> None:
        again = (folder.parent / "killed").exists() and folder.name == "trial"
        (folder.parent / "killed").touch()
        kills.run(folder, models=["persistence"] if again else ["persistence", "linear-ar"])
        if again:
            (folder / ".pending" / "left").mkdir()

    counts = kills.explore(kills.Scenario("forgetful", (), forgetful), work, chosen=lambda _: (9,))
    assert (counts.kills, len(counts.wrong), len(counts.debris)) == (1, 1, 1)


def test_a_run_that_packs_on_the_way_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which cells come into one pack depends on where it was killed; their rows do not."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Recent, "CELLS", 2)
    packing = kills.Scenario("packing on the way", (), kills.run)
    counts = kills.explore(packing, tmp_path, chosen=kills.sampled(max(4, CASES // 4)))
    assert counts.kills
    assert (counts.wrong, counts.half) == ({}, {})
