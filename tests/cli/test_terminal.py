"""What a terminal gets: commands run in this process, with a real pseudo-terminal for standard output and error."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.cli import terminal
from bench.text import TextTable

SUITE = """\
name: tiny
datasets: [{id: noise, kind: random, length: 300, unit: USD}, {id: wave, kind: sine, length: 320}]
models: [persistence, mean, linear-ar]
sequence_lengths: [5]
seeds: 2
tuning: false
"""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

OnTerminal = Callable[..., str]


def on_terminal(*arguments: str, columns: int) -> str:
    """What one command writes to a terminal so wide, control sequences among it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    received: list[bytes] = []

    def receive() -> None:
        while True:
            try:
                received.append(os.read(master, 65536))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=receive)
    reader.start()
    before = sys.argv, sys.stdout, sys.stderr
    screen = os.fdopen(slave, "w", encoding="utf-8")
    try:
        sys.argv, sys.stdout, sys.stderr = ["bench", *arguments], screen, screen
        with pytest.raises(SystemExit):
            main()
    finally:
        sys.argv, sys.stdout, sys.stderr = before
        screen.close()
        reader.join()
        os.close(master)
    return b"".join(received).decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of all tests here, with a suite that was run."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "tiny.yaml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "TTY_COMPATIBLE"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        on_terminal("run", "tiny.yaml", "--engine", "inline", "--no-report", columns=80)
        yield folder


@pytest.fixture
def piped(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> OnTerminal:
    """What the same command prints to a pipe."""

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr().out

    return call


def lines(text: str) -> list[str]:
    """What is left to be seen, as if nothing had been written over."""
    return [line.rstrip() for line in _CONTROL.sub("", text).replace("\r", "\n").splitlines()]


READING = [
    ("run", "tiny.yaml", "--engine", "inline", "--no-report"),
    ("run", "tiny.yaml", "--dry-run"),
    ("recommend", "tiny"),
    ("show", "linear-ar"),
    ("compare", "results/tiny", "results/tiny"),
    ("list", "models"),
]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_no_line_is_longer_than_the_terminal_and_no_number_is_cut(
    place: Path, piped: OnTerminal, command: tuple[str, ...], columns: int
) -> None:
    shown = lines(on_terminal(*command, columns=columns))
    assert max(map(len, shown)) <= columns
    numbers = set(re.findall(r"(?<![\w.])\d+\.\d{3,}(?![\w.])", piped(*command).replace("*", " ")))
    assert numbers - set(re.findall(r"\d+\.\d+", "\n".join(shown))) == set()


def test_columns_overrules_the_terminal(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, lines(on_terminal("list", "models", columns=200)))) > 80
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, lines(on_terminal("list", "models", columns=200)))) <= 80


def test_a_pipe_gets_markdown_and_a_terminal_a_table(place: Path, piped: OnTerminal) -> None:
    command = "compare", "results/tiny", "results/tiny"
    assert "| --- | --- | ---: |" in piped(*command)
    shown = on_terminal(*command, columns=80)
    assert "| ---" not in shown
    assert "─────" in shown
    assert "\\" not in shown, "nothing is escaped for Markdown"


def test_the_table_of_a_run_ranks_the_models_of_each_dataset(place: Path) -> None:
    shown = lines(on_terminal("run", "tiny.yaml", "--engine", "inline", "--no-report", columns=100))
    (head,) = [line.split() for line in shown if "against the reference" in line]
    assert head == ["dataset", "model", "RMSE", "unit", "skill", "against", "the", "reference", "fit"]
    first, second = (at for at, line in enumerate(shown) if line.startswith(("noise ", "wave ")))
    for start, unit in ((first, "USD"), (second, "original units")):
        rows = [re.split(r"\s{2,}", line.strip()) for line in shown[start : start + 3]]
        errors = [float(row[-5]) for row in rows]
        assert errors == sorted(errors)
        assert {row[-4] for row in rows} == {unit}
        assert {row[-6] for row in rows} == {"persistence", "mean", "linear-ar"}
        skills = {row[-6]: float(row[-3].replace("−", "-")) for row in rows}
        (reference,) = [error for row, error in zip(rows, errors, strict=True) if row[-6] == "persistence"]
        for row, error in zip(rows, errors, strict=True):
            assert skills[row[-6]] == pytest.approx(1 - (error / reference) ** 2, abs=0.006)


def test_colours_are_left_out_where_they_are_not_wanted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32mbetter" in on_terminal("recommend", "tiny", columns=80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in on_terminal("recommend", "tiny", columns=80)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in on_terminal("recommend", "tiny", columns=80)


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_progress_is_plain_where_lines_cannot_be_written_over(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    command = "run", "tiny.yaml", "--engine", "inline", "--no-report", "--fresh"
    assert "\x1b[?25l" in on_terminal(*command, columns=80), "a bar hides the cursor"
    monkeypatch.setenv(name, value)
    shown = on_terminal(*command, columns=80)
    assert "\x1b[?25l" not in shown
    assert "\x1b[2K" not in shown
    assert re.search(r"^\[  0:\d\d\] 6 of 6 cells to run", shown, re.MULTILINE)


def test_the_bar_stays_in_its_line(place: Path) -> None:
    shown = on_terminal("run", "tiny.yaml", "--engine", "inline", "--no-report", "--fresh", columns=80)
    bars = [line for line in lines(shown) if "━" in line]
    assert bars
    assert max(map(len, bars)) <= 80


def test_messages_are_broken_at_spaces(place: Path) -> None:
    shown = lines(
        on_terminal("run", "nowhere/there is no such file, and its name is longer than a line.yaml", columns=40)
    )
    assert max(map(len, shown)) <= 40
    assert "nowhere/there is no such file" in " ".join(shown)


def test_who_waits_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    heard = threading.Event()
    monkeypatch.setattr(terminal, "_SILENT_S", 0.001)
    monkeypatch.setattr(terminal, "say", lambda text, err: (said.append(text), heard.set()))
    with terminal.explained("libraries are imported", unless=False):
        assert heard.wait(60)
    with terminal.explained("nobody wants to know", unless=True):
        pass
    assert said == ["libraries are imported"]
    monkeypatch.setattr(terminal, "_SILENT_S", 3600.0)
    with terminal.explained("nothing", unless=False):
        (timer,) = terminal._waiting
        terminal.quiet()
        timer.join(60)
    assert said == ["libraries are imported"]
    assert not terminal._waiting


NUMBERS = TextTable(
    [["a dataset with a long name", "gru", "−2.1234 [−2.5678, 12.2512]", "12 ms", "better; at the noise floor"]] * 2,
    ["dataset", "model", "RMSE", "time to fit one seed", "verdict"],
    names=2,
)


@pytest.mark.parametrize("width", [40, 50, 80, 120])
def test_a_table_is_split_before_a_number_is(width: int) -> None:
    from rich.console import Console

    from bench.cli.layout import laid_out

    printer = Console(width=width, color_system=None)
    with printer.capture() as capture:
        printer.print(*laid_out(NUMBERS, width), sep="\n")
    shown = capture.get()
    assert max(map(len, shown.splitlines())) <= width
    for part in ("−2.1234", "[−2.5678, 12.2512]", "12 ms"):
        assert shown.count(part) == 2
    assert shown.count("gru") == 2 * shown.count("───\n"), "each part of the table says what its rows are of"
