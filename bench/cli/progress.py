"""The progress of a run: live on a terminal, timed lines elsewhere, or JSON lines for programs.

Each sink is a context manager that gives a listener for the events of `bench.running.runner`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from typing import Any

from bench.cells import Cell
from bench.choices import Progress
from bench.cli.terminal import say
from bench.errors import InputError
from bench.running.runner import Advanced, Compiling, Event, Finished, Listener, Planned, Started
from bench.store.schema import Status
from bench.text import plural, visible

_QUIET_S = 5.0
COMPILING = "compiling kernels (once for this machine, about a minute)"


def sink(name: str) -> AbstractContextManager[Listener]:
    """The sink `name`: ``auto``, ``rich``, ``plain``, ``jsonl`` or ``none``.

    ``jsonl`` writes to standard output, for a pipe; the others write to standard error.

    Raises
    ------
    InputError
        There is no such sink.
    """
    if name == Progress.AUTO:
        name = Progress.RICH if sys.stderr.isatty() else Progress.PLAIN
    if name not in SINKS:
        raise InputError(f"--progress {name}: expected one of {', '.join(Progress)}")
    return SINKS[name]()


def writes_to_stdout(name: str) -> bool:
    """Whether the sink `name` needs standard output for itself, so that all else goes to standard error."""
    return name == Progress.JSONL


def duration(seconds: float) -> str:
    """Seconds for people: ``0.4 s``, ``35 s``, ``12 min``, ``3 h 20 min``.

    >>> [duration(seconds) for seconds in (0.42, 35.4, 725, 12000)]
    ['0.4 s', '35 s', '12 min', '3 h 20 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def reported(event: Event) -> str:
    """An event in one line."""
    if isinstance(event, Planned):
        return f"{event.pending} of {plural(event.total, 'cell')} to run, about {duration(event.remaining_s)}"
    if isinstance(event, Started):
        return f"start  {event.cell.title}"
    if isinstance(event, Compiling):
        return COMPILING
    if isinstance(event, Advanced):
        what = event.cell.key.case.title
        return f"round {event.done} of {event.pending}  {what}{_left(event.remaining_s)}"
    line = f"{event.done}/{event.pending}  {event.cell.title}: {event.status}, {duration(event.seconds)}"
    if event.status is not Status.OK:
        line += f": {event.reason}"
    return line + _left(event.remaining_s)


def _left(seconds: float) -> str:
    return f"; about {duration(seconds)} left" if seconds >= 0.05 else ""


def countdown(seconds: float) -> str:
    """What is left by an estimate that may have passed.

    >>> countdown(35.4), countdown(-60)
    ('about 35 s left', 'longer than estimated')
    """
    return f"about {duration(seconds)} left" if seconds >= 0.05 else "longer than estimated"


@contextmanager
def _none() -> Iterator[Listener]:
    yield lambda _: None


@contextmanager
def _plain() -> Iterator[Listener]:
    """A line for each event but `Started`, with the time since the start; none where there is nothing to run.

    Rounds come fast: one is reported where nothing has been for a while.
    """
    began = last = time.monotonic()

    def listen(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        soon = isinstance(event, Advanced) and now - last < _QUIET_S
        if not isinstance(event, Started) and event.pending and not soon:
            last, passed = now, int(now - began)
            say(f"[{passed // 60:3d}:{passed % 60:02d}] {reported(event)}", err=True)

    yield listen


@contextmanager
def _jsonl() -> Iterator[Listener]:
    """One JSON object for each event; keys are the event's fields, a cell is its key columns."""

    def listen(event: Event) -> None:
        say(json.dumps(as_json(event), ensure_ascii=False))

    yield listen


def as_json(event: Event) -> dict[str, Any]:
    """An event as plain values; `event` names its class."""
    values: dict[str, Any] = {"event": type(event).__name__.lower()}
    for field in fields(event):
        value = getattr(event, field.name)
        values |= value.columns if isinstance(value, Cell) else {field.name: value}
    return values


@contextmanager
def _rich() -> Iterator[Listener]:
    """A bar with a count-down, the cells that run, and a line for each that is not ok."""
    from rich import progress as bars
    from rich.console import Console
    from rich.text import Text

    ends = time.monotonic()

    class Left(bars.ProgressColumn):
        """What is left, counted down between events."""

        def render(self, _task: bars.Task) -> Text:
            return Text(countdown(ends - time.monotonic()), style="cyan")

    count, clock = bars.MofNCompleteColumn(), bars.TimeElapsedColumn()
    cells = bars.TextColumn("{task.description}", markup=False)  # an id may hold brackets
    console = Console(stderr=True)
    with bars.Progress(bars.BarColumn(), count, clock, Left(), cells, console=console, transient=True) as progress:
        bar = progress.add_task("")
        running: dict[str, str] = {}

        def listen(event: Event) -> None:
            nonlocal ends
            if isinstance(event, Started):
                running[event.cell.id] = visible(event.cell.title)
            else:
                ends = time.monotonic() + event.remaining_s
            if isinstance(event, Planned):
                progress.update(bar, total=event.pending)
            compiling = isinstance(event, Compiling)
            if isinstance(event, Finished):
                running.pop(event.cell.id, None)
                progress.update(bar, completed=event.done)
                if event.status is not Status.OK:
                    console.print(visible(reported(event)), style="yellow", markup=False, highlight=False)
            progress.update(bar, description=COMPILING if compiling else " · ".join(running.values()))

        yield listen


SINKS: dict[str, Callable[[], AbstractContextManager[Listener]]] = {
    Progress.RICH: _rich,
    Progress.PLAIN: _plain,
    Progress.JSONL: _jsonl,
    Progress.NONE: _none,
}
