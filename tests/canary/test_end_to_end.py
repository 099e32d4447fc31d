"""Leaks outside of windows and models: in the loader, in the runner, and after the model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.canary.base import CheckOutcome, CheckVerdict
from bench.canary.pieces import CheckBudget, Pieces
from bench.canary.watch import CANARIES, ask
from bench.data import pinned
from bench.protocol.prepare import load_data
from bench.registry import added
from bench.spec import Entry, Tuning

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import leaks as planted

sys.path.pop(0)
END_TO_END = CANARIES["end-to-end"]
Make = Callable[..., Pieces]


@pytest.fixture(autouse=True)
def _plug_ins() -> Iterator[None]:
    with added({"bench.datasets": planted.KINDS}):
        yield


@pytest.fixture(scope="session")
def closes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.write_prices(tmp_path_factory.mktemp("closes") / "closes.csv")


@pytest.fixture
def made(pieces: Make, closes: Path) -> Callable[[planted.Leak], Pieces]:
    """The cell that shows a leak."""

    def make(leak: planted.Leak, **changes: Any) -> Pieces:
        tuning = Tuning(trials=4, sampler="random", pruner="none") if leak.tuned else None
        if leak.dataset not in planted.KINDS:
            return pieces(leak.dataset, leak.model, tuning=tuning, **changes)
        base = pieces(model=leak.model, tuning=tuning, **changes)
        parameters = {} if "wave" in leak.dataset else {"path": str(closes)}
        kind = planted.KINDS[leak.dataset].parameters
        entry = Entry.of(leak.dataset, leak.dataset, kind(**parameters), tuple(parameters))
        cell = replace(base.cell, dataset=entry)
        return Pieces(cell, lambda: load_data(cell), CheckBudget(epochs=4, windows_per_epoch=64))

    return make


def judged(pieces: Pieces) -> CheckOutcome:
    return ask(END_TO_END, pieces)


@pytest.mark.parametrize("name", planted.LEAKS)
def test_a_leak_outside_of_the_windows_is_caught(name: str, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    leak = planted.LEAKS[name]
    pieces = made(leak)
    leak.plant(monkeypatch)
    outcome = judged(pieces)
    assert outcome.verdict is CheckVerdict.ALARM, outcome
    word = {"loader": "loaded", "runner": ": ", "after the model": "stored predictions"}[leak.stage.partition(":")[0]]
    assert word in outcome.words


def test_the_report_has_a_line_for_every_leak() -> None:
    """Fix with ``python tests/benchmarks/canaries.py leaks``."""
    lines = (Path(__file__).parents[2] / "reports/canaries.md").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ") and " of " in line]
    told = {(row[0].removeprefix("| "), row[1]): row[-1].removesuffix(" |") for row in rows}
    for leak in planted.LEAKS.values():
        caught, count = told[leak.stage, leak.summary].split(" of ")
        assert caught == count


@pytest.mark.parametrize("name", planted.HONEST)
def test_its_honest_neighbour_is_quiet(name: str, made: Any) -> None:
    outcome = judged(made(planted.HONEST[name]))
    assert (outcome.verdict, outcome.false_alarm_rate) == (CheckVerdict.QUIET, 0.0), outcome
    assert "not checked" not in outcome.words


def test_both_see_what_a_pinned_file_is_read_by(pieces: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are pinned by their SHA-256; other rows are read all the same."""
    assert judged(pieces("TSLA")).words.endswith("of what is loaded and stored: nothing moved")
    honest = pinned.read_columns

    def smoothed(*arguments: Any) -> Any:
        columns, *rest = honest(*arguments)
        values = columns.values.copy()
        values[1:-1] = (columns.values[:-2] + columns.values[1:-1] + columns.values[2:]) / 3
        return replace(columns, values=values), *rest

    monkeypatch.setattr(pinned, "read_columns", smoothed)
    assert "comparisons: what is loaded before it, " in judged(pieces("TSLA")).words


@pytest.mark.parametrize(
    ("dataset", "data", "reason"),
    [
        ("sine", None, "neither rows of a file nor random numbers decide its test part"),
        ("adding", {"count": 160, "length": 8, "shortest": 4}, "integers is given an array"),
    ],
)
def test_what_cannot_be_replaced_is_named(dataset: str, data: Any, reason: str, pieces: Make) -> None:
    outcome = judged(pieces(dataset, "mean", data=data))
    assert outcome.verdict is CheckVerdict.QUIET
    assert f"the loader was not checked: {reason}" in outcome.words


def test_a_loader_that_leaves_rows_out_is_checked_all_the_same(made: Any) -> None:
    dropped = planted.of_file(lambda table: table["Close"].dropna())
    centred = planted.of_file(lambda table: table["Close"].dropna().rolling(3, center=True, min_periods=1).mean())
    leak = planted.Leak("", "")
    for kind, verdict in ((dropped, CheckVerdict.QUIET), (centred, CheckVerdict.ALARM)):
        with added({"bench.datasets": {leak.dataset: kind}}):
            outcome = judged(made(leak))
        assert (outcome.verdict, "not checked" in outcome.words) == (verdict, False)


def test_a_loader_that_refuses_other_values_is_named(made: Any) -> None:
    def strict(table: Any) -> Any:
        assert table["Volume"].max() < 9000, "a volume above 9000"
        return table["Volume"]

    leak = planted.Leak("", "")
    with added({"bench.datasets": {leak.dataset: planted.of_file(strict)}}):
        outcome = judged(made(leak))
    assert outcome.verdict is CheckVerdict.QUIET
    assert "the loader was not checked: it refuses other values: a volume above 9000" in outcome.words


def test_a_teacher_forced_decoder_may_see_the_values_before_its_target(pieces: Make) -> None:
    base = pieces(model="encoder-decoder", horizon=4)
    entry = base.cell.model.model_copy(
        update={"parameters": {**base.cell.model.parameters, "prediction": "teacher-forced"}}
    )
    assert judged(replace(base, cell=replace(base.cell, model=entry))).verdict is CheckVerdict.QUIET
