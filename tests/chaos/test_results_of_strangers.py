"""Results folders that somebody changed, in every command: no traceback, no hang, nothing outside touched.

A few of them belong to every run of the tests; ``measure.py results`` tries hundreds.
"""

import importlib.util
import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench import store
from bench.errors import BenchError
from bench.store.schema import SCHEMAS

_PLACE = Path(__file__).with_name("mutations.py")
_SPEC = importlib.util.spec_from_file_location("chaos_mutations", _PLACE)
assert _SPEC is not None
assert _SPEC.loader is not None
mutations = importlib.util.module_from_spec(_SPEC)
sys.modules["chaos_mutations"] = mutations
_SPEC.loader.exec_module(mutations)

SAMPLE = 16
CASES = int(os.environ.get("BENCH_CHAOS", SAMPLE))
COMMANDS = (
    ("compare", "../work/results", "before"),
    ("compare", "before", "results", "--gate"),
    ("history", "results"),
    ("history", "before", "results", "--output", "reports/history"),
    ("baseline", "show", "--baseline", "results"),
    ("baseline", "update", "results", "--baseline", "kept"),
    ("show", "CELL", "--results", "results"),
    ("show", "CELL", "--results", "results", "--csv", "--table", "trials"),
    ("show", "CELL", "--results", "results", "--table", "predictions"),
    ("run", "small.yaml", "--results", "results", "--dry-run"),
)
RUNS = (
    ("run", "small.yaml", "--results", "results", "--no-report"),
    ("run", "small.yaml", "--results", "results", "--no-report", "--failed-only"),
    ("run", "small.yaml", "--results", "results", "--no-report", "--fresh", "--only", "model=linear-ar"),
)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers near the largest there are


def _content(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def _write(results: Path, original: Path) -> None:
    """Store a cell again, as a run does; a refusal is one line."""
    part = min((original / "results" / "runs").iterdir())
    rows = {name: pq.read_table(original / "results" / name / part.name) for name in SCHEMAS}
    try:
        with store.writing(results) as writer:
            writer.put({name: table.cast(SCHEMAS[name]) for name, table in rows.items()})
            writer.supersede(part.stem)
            writer.restore([part.stem])
        store.write_suite(results, '{"name": "small"}')
    except BenchError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most of them are not refused


def _is_clean(ended: Any, *case: object) -> None:
    assert ended.status in (0, 1, 2), case
    assert "Traceback" not in ended.text, case
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", ended.text), case


@pytest.mark.parametrize("case", range(CASES // 2))
def test_a_run_goes_on_in_a_changed_folder(
    original: Path, work: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, case: int
) -> None:
    """Whatever was changed, no cell fails for it: where the run is not refused, every cell is stored at its end."""
    dice, results = random.Random(case), work / "results"
    before = _content(work.parent / "outside"), _content(original)
    done = [mutations.trial(results, dice), *(mutations.mutate(results, dice) for _ in range(dice.randrange(3)))]
    for command in (dice.choice(RUNS), RUNS[0], RUNS[1]):
        ended = run(*command)
        _is_clean(ended, done, command)
        assert not re.search(r"Error: .*an unforeseen error", ended.text), (done, command, ended.text)
    if ended.status == 0:
        assert [what.status for what in store.stored(results).values()] == ["ok"] * 6, (done, ended.text)
    assert (_content(work.parent / "outside"), _content(original)) == before, done


@pytest.mark.parametrize("case", range(CASES))
def test_a_changed_folder_is_read_and_written_safely(
    original: Path, work: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, case: int
) -> None:
    if case >= SAMPLE:  # to embed fonts takes most of the time, and what could be drawn as SVG can be as PDF
        monkeypatch.setattr("bench.reporting.figures.svg._pdf", lambda _figure: b"")
    dice = random.Random(case)
    outside = work.parent / "outside"
    (work / "before").symlink_to(original / "results")
    before = _content(outside), _content(original)
    done = [mutations.mutate(work / "results", dice) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
    cell = min((original / "results" / "runs").iterdir()).stem
    commands = dice.sample(COMMANDS, 3)
    if case % 4 == 0:
        commands.append(("report", "results", "--output", "reports"))
    for command in commands:
        _is_clean(run(*(cell if word == "CELL" else word for word in command)), done, command)
    _write(work / "results", original)
    assert (_content(outside), _content(original)) == before, done
