"""The progress of a run: live on a terminal, timed lines elsewhere and in CI, or JSON lines for programs.

Each sink is a context manager that gives a listener for the events of `bench.running.runner`.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from typing import Any

from bench.cells import Cell
from bench.choices import Progress
from bench.cli.terminal import quiet, say, width_of
from bench.errors import InputError
from bench.running.runner import Advanced, Compiling, Event, Finished, Listener, Planned, Started, Working
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
        name = Progress.RICH if is_live() else Progress.PLAIN
    if name not in SINKS:
        raise InputError(f"--progress {name}: expected one of {', '.join(Progress)}")
    return SINKS[name]()


def is_live() -> bool:
    """Whether lines of standard error can be written over: on a terminal that can do it, and that is no log of CI."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")


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


def reported(event: Event, *, place: str = "", late: bool = False) -> str:
    """An event in one line.

    Parameters
    ----------
    place
        Which round of several it is in.
    late
        Whether the estimate at the beginning of the round has passed.
    """
    if isinstance(event, Planned):
        left = f"{event.pending} of {plural(event.total, 'cell')} to run, about {duration(event.remaining_s)}"
        return f"{place}: {left}" if place else left
    if isinstance(event, Started):
        return f"start  {event.cell.title}"
    if isinstance(event, Compiling):
        return COMPILING
    left = f"; {countdown(event.remaining_s, late=late)}" if event.remaining_s >= _NOTHING_S else ""
    left += " in this round" if left and place else ""
    if isinstance(event, Advanced):
        return f"round {event.done} of {event.pending}  {event.cell.key.case.title}{left}"
    line = f"{f'{place}, ' if place else ''}{event.done}/{event.pending}  {event.cell.title}: "
    if isinstance(event, Working):
        return f"{line}{event.stage or STARTS}{left}"
    why = "" if event.status is Status.OK else f": {event.reason}"
    return f"{line}{event.status}, {duration(event.seconds)}{why}{left}"


STARTS = "starts: libraries are imported or compiled"
"""What a cell does of which nothing is known yet."""


_NOTHING_S = 0.05
"""Less is written as nothing."""


def countdown(seconds: float, *, late: bool = False) -> str:
    """What is left by an estimate that may have passed.

    >>> countdown(35.4), countdown(-60), countdown(60, late=True)
    ('about 35 s left', 'longer than estimated', 'longer than estimated, about 60 s left')
    """
    left = f"about {duration(seconds)} left" if seconds >= _NOTHING_S else ""
    return ", ".join(filter(None, ["longer than estimated" if late or not left else "", left]))


@dataclass
class _Round:
    """The plan that is run, and when it was to be over."""

    place: str = ""
    ends: float = math.inf

    def see(self, event: Event) -> None:
        """Take in the beginning of a round."""
        if isinstance(event, Planned):
            of = f" of about {event.rounds}" if event.round <= event.rounds else ""
            self.place = f"round {event.round}{of}" if max(event.round, event.rounds) > 1 else ""
            self.ends = time.monotonic() + event.remaining_s

    @property
    def late(self) -> bool:
        """Whether it takes longer than was estimated when it began."""
        return time.monotonic() > self.ends


@contextmanager
def _none() -> Iterator[Listener]:
    yield lambda _: None


_AT_ONCE = 20
"""So many lines come as soon as there is something to say."""


def _pause_s(event: Event, passed_s: float, lines: int) -> float:
    """Seconds that must lie between the last line and one for `event`; in a long run lines are far between."""
    if isinstance(event, Planned | Compiling) or (
        isinstance(event, Finished) and (event.status is not Status.OK or event.done == event.pending)
    ):
        return 0.0
    growing = min(passed_s / 20, 60.0)
    if isinstance(event, Finished):
        return growing if lines > _AT_ONCE else 0.0
    return max(growing, _QUIET_S if isinstance(event, Advanced) else 2 * _QUIET_S)


@contextmanager
def _plain() -> Iterator[Listener]:
    """A line for each event but `Started`, with the time since the start; none where there is nothing to run.

    Rounds and quick cells come fast: those that are ok are reported where nothing has been for a while. An hour has
    some 150 lines at most, apart from cells that are not ok.
    """
    began = last = time.monotonic()
    lines, now_runs = 0, _Round()

    def listen(event: Event) -> None:
        nonlocal last, lines
        now_runs.see(event)
        now = time.monotonic()
        if isinstance(event, Started) or not event.pending or now - last < _pause_s(event, now - began, lines):
            return
        last, lines, passed = now, lines + 1, int(now - began)
        text = reported(event, place=now_runs.place, late=now_runs.late)
        say(f"[{passed // 60:3d}:{passed % 60:02d}] {text}", err=True)

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


_SHOWN = 4
"""So many of the cells that run are shown, at most."""


@contextmanager
def _rich() -> Iterator[Listener]:
    """A bar with a count-down, the cells that run below it, and a line for each that is not ok."""
    from rich import progress as bars
    from rich.text import Text

    from bench.cli.layout import console

    ends, now_runs, compiles = math.inf, _Round(), False
    running: dict[str, str] = {}
    below: list[str] = []

    class Left(bars.ProgressColumn):
        """What is left, counted down between events."""

        def render(self, _task: bars.Task) -> Text:
            return Text(
                "" if math.isinf(ends) else countdown(ends - time.monotonic(), late=now_runs.late), no_wrap=True
            )

    class Bar(bars.Progress):
        """The bar, and lines below it, each cut to the width of the terminal."""

        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            yield from (Text(line, no_wrap=True, overflow="ellipsis") for line in below)

    columns = bars.BarColumn(bar_width=16), bars.MofNCompleteColumn(), bars.TimeElapsedColumn(), Left()
    screen = console(sys.stderr, width_of(sys.stderr))
    quiet()
    with Bar(*columns, console=screen, transient=True, refresh_per_second=4) as progress:
        bar = progress.add_task("", total=None)

        def listen(event: Event) -> None:
            nonlocal ends, compiles
            now_runs.see(event)
            if isinstance(event, Started):
                running[event.cell.id] = visible(event.cell.title)
            else:
                ends = time.monotonic() + event.remaining_s
            if isinstance(event, Planned):
                progress.update(bar, total=event.pending, completed=0)
            elif isinstance(event, Working):
                running[event.cell.id] = visible(f"{event.cell.title}: {event.stage or STARTS}")
            elif isinstance(event, Advanced):
                running[event.cell.id] = f"{visible(event.cell.title)}: round {event.done} of {event.pending}"
            elif isinstance(event, Finished):
                running.pop(event.cell.id, None)
                progress.update(bar, completed=event.done)
                if event.status is not Status.OK:
                    screen.print(Text(visible(reported(event)), style="red"))
            more = [f"and {plural(len(running) - _SHOWN, 'other cell')}"] if len(running) > _SHOWN else []
            head = [f"{now_runs.place}; the time is that of this round"] if now_runs.place else []
            further = isinstance(event, Finished) or (isinstance(event, Working) and "round" in event.stage)
            compiles = isinstance(event, Compiling) or (compiles and not further)
            below[:] = [*head, *([COMPILING] if compiles else []), *[*running.values()][:_SHOWN], *more]

        yield listen


SINKS: dict[str, Callable[[], AbstractContextManager[Listener]]] = {
    Progress.RICH: _rich,
    Progress.PLAIN: _plain,
    Progress.JSONL: _jsonl,
    Progress.NONE: _none,
}
