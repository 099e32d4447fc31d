"""What a run shows of itself."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys

import pytest

from bench.cells import Cell
from bench.cli.progress import countdown, duration, reported, sink
from bench.errors import InputError
from bench.running.runner import Advanced, Compiling, Finished, Planned, Started, Working
from bench.spec import Entry, Split, Training
from bench.store.schema import Status

CELL = Cell(
    suite="s",
    dataset=Entry(id="wave", kind="sine", parameters={}),
    model=Entry(id="[bold]net", kind="rnn", parameters={}),
    sequence_length=5,
    horizon=1,
    seeds=1,
    seed=0,
    split=Split(),
    training=Training(),
    tuning=None,
)
OK = Finished(cell=CELL, status=Status.OK, reason="", seconds=12.3, done=1, pending=2, remaining_s=250.0)
BAD = Finished(cell=CELL, status=Status.FAILED, reason="why", seconds=0.0, done=2, pending=2, remaining_s=0.0)
ALL = (Planned(total=5, pending=2, remaining_s=40.0), Started(CELL), Compiling(2, 40.0), OK, BAD)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.96, "10 s"),
        (35.4, "35 s"),
        (119.6, "2 min"),
        (725, "12 min"),
        (7170, "2 h 0 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_events_in_one_line() -> None:
    assert [reported(event) for event in ALL] == [
        "2 of 5 cells to run, about 40 s",
        "start  wave × [bold]net, L=5, h=1",
        "compiling kernels (once for this machine, about a minute)",
        "1/2  wave × [bold]net, L=5, h=1: ok, 12 s; about 4 min left",
        "2/2  wave × [bold]net, L=5, h=1: failed, 0.0 s: why",
    ]


def test_plain_lines_carry_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    with sink("plain") as listen:
        for event in ALL:
            listen(event)
            assert capsys.readouterr().err.startswith("[  0:0") != isinstance(event, Started)


def test_rounds_are_told_where_nothing_has_been_for_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with sink("plain") as listen:
        for second in range(1, 13):
            now = 100.0 + second
            listen(Advanced(CELL, done=second, pending=20, remaining_s=8.0 - second))
    assert capsys.readouterr().err.splitlines() == [
        "[  0:05] round 5 of 20  wave, L=5, h=1; about 3.0 s left",
        "[  0:10] round 10 of 20  wave, L=5, h=1",
    ]


def test_a_long_run_has_few_lines_and_no_long_silence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with sink("plain") as listen:
        listen(Planned(total=7200, pending=7200, remaining_s=1800.0))
        for done in range(1, 7201):  # two hours: a quick cell in each second, but a long one in the second hour
            now = float(done)
            more = {"done": done, "pending": 7200, "remaining_s": 7200.0 - done}
            if done < 3600:
                listen(Finished(cell=CELL, status=Status.OK, reason="", seconds=1.0, **more))
            else:
                listen(Working(CELL, stage="2 of 10 trials, round 3 of 16", **more))
        listen(BAD)
    shown = capsys.readouterr().err.splitlines()
    times = [60 * int(line[1:4]) + int(line[5:7]) for line in shown]
    assert len(shown) < 250
    assert max(after - before for before, after in itertools.pairwise(times)) <= 61
    assert "failed, 0.0 s: why" in shown[-1], "what is not ok is always said"
    assert shown[-2].endswith(
        "7189/7200  wave × [bold]net, L=5, h=1: 2 of 10 trials, round 3 of 16; longer than estimated, about 11 s left"
    )


def test_the_round_is_named_and_an_estimate_that_has_passed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with sink("plain") as listen:
        listen(Planned(total=40, pending=40, remaining_s=10.0, round=1, rounds=5))
        listen(dataclasses.replace(OK, done=17, pending=40, remaining_s=8.0))
        now = 11.0
        listen(Working(CELL, stage="", done=17, pending=40, remaining_s=3.0))
        listen(Planned(total=40, pending=6, remaining_s=10.0, round=2, rounds=5))
        now = 12.0
        listen(dataclasses.replace(OK, done=1, pending=6, remaining_s=8.0))
        listen(Planned(total=40, pending=6, remaining_s=10.0, round=6, rounds=5))
    assert capsys.readouterr().err.splitlines() == [
        "[  0:00] round 1 of about 5: 40 of 40 cells to run, about 10 s",
        "[  0:00] round 1 of about 5, 17/40  wave × [bold]net, L=5, h=1: ok, 12 s; about 8.0 s left in this round",
        "[  0:11] round 1 of about 5, 17/40  wave × [bold]net, L=5, h=1: starts: libraries are imported or compiled; "
        "longer than estimated, about 3.0 s left in this round",
        "[  0:11] round 2 of about 5: 6 of 40 cells to run, about 10 s",
        "[  0:12] round 2 of about 5, 1/6  wave × [bold]net, L=5, h=1: ok, 12 s; about 8.0 s left in this round",
        "[  0:12] round 6: 6 of 40 cells to run, about 10 s",
    ]


def test_json_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with sink("jsonl") as listen:
        for event in ALL:
            listen(event)
    reported = capsys.readouterr()
    lines = [json.loads(line) for line in reported.out.splitlines()]
    assert reported.err == ""
    assert [line["event"] for line in lines] == ["planned", "started", "compiling", "finished", "finished"]
    assert lines[1] == {
        "event": "started",
        "cell_id": CELL.id,
        "suite": "s",
        "dataset": "wave",
        "model": "[bold]net",
        "sequence_length": 5,
        "horizon": 1,
    }
    assert (lines[4]["status"], lines[4]["reason"]) == ("failed", "why")


def test_names_are_not_read_as_markup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)  # rich then takes standard error for a terminal
    with sink("rich") as listen:
        listen(ALL[0])
        listen(ALL[1])
    assert "wave × [bold]net" in capsys.readouterr().err  # in the bar
    with sink("rich") as listen:
        listen(ALL[0])
        listen(Compiling(2, 40.0))
    assert "compiling kernels" in capsys.readouterr().err
    with sink("rich") as listen:
        listen(BAD)
    assert "wave × [bold]net, L=5, h=1: failed" in capsys.readouterr().err  # in a line of its own


@pytest.mark.parametrize("terminal", [True, False])
def test_auto_is_live_on_a_terminal_and_plain_elsewhere(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    with sink("auto") as listen:
        listen(ALL[0])
    shown = capsys.readouterr().err
    assert shown.startswith("[  0:00]") is not terminal


def test_an_estimate_that_has_passed_is_not_nothing_left() -> None:
    assert [countdown(seconds) for seconds in (35.4, 0.3, 0.0, -170.0)] == [
        *("about 35 s left", "about 0.3 s left", "longer than estimated", "longer than estimated")
    ]


def test_another_sink_is_refused() -> None:
    with pytest.raises(InputError, match="--progress fancy: expected one of auto, rich, plain, jsonl, none"):
        sink("fancy")
