"""What the end of a worker process says of its cell: whose fault it is, where it was, and what it printed last.

The interpreter's own fault handler writes a traceback into the output when a signal ends the process, or when it is
requested before a process that takes too long is ended.
"""

import re
import signal

from bench.cells import Cell
from bench.errors import one_line
from bench.registry import is_address, short_address
from bench.running.rows import NOT_OURS, is_of_others
from bench.running.supervision import Ending
from bench.store.schema import ADVICE, Status
from bench.text import cut

_LAST_LINES = 3
_LONGEST = 300
"""Characters of the last lines that a reason quotes."""

_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$')
_THREAD = re.compile(r"^(Current thread|Thread) 0x")


def of_death(exit_code: int | None, *, oom_killed: bool | None) -> Ending:
    """The ending of a process that nobody here has ended.

    Parameters
    ----------
    exit_code
        As of `multiprocessing.Process`: minus the signal's number where a signal ended it.
    oom_killed
        Whether the kernel has killed a process meanwhile as memory ran out; `None` where it does not say.
    """
    if exit_code == -9:  # by number: Windows has no SIGKILL
        if oom_killed is not False:
            return Ending(Status.OUT_OF_MEMORY, "was killed (SIGKILL), as systems do when memory runs out")
        return Ending(Status.CRASHED, "was killed from outside (SIGKILL), and not as memory ran out")
    if exit_code and exit_code < 0:
        return Ending(Status.CRASHED, f"was ended by {_name(-exit_code)}")
    return Ending(Status.CRASHED, f"ended without an answer (exit code {exit_code})")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def reason(ending: Ending, cell: Cell, output: str, *, attempt: str = "") -> str:
    """Why the replicates of `cell` have no results, in one line.

    `output` is what its last attempt has printed, and `attempt` says which that was, where there were several.
    """
    frames = _frames(output)
    theirs = next((frame for frame in frames if is_of_others(frame[0])), None)
    place = theirs or next(iter(frames), None)
    where = f", at {place[0].rpartition('/')[2]}:{place[1]} in {place[2]}" if place else ""
    times = f" ({attempt})" if attempt else ""
    last = _last_lines(output)
    said = f"; it printed last: {last}" if last else ""
    return f"its process {ending.text}{where}{times}; {_advice(ending, cell, given=bool(theirs))}{said}"


def _advice(ending: Ending, cell: Cell, *, given: bool) -> str:
    """What to do; of what crashed, whose code it was."""
    advice = ADVICE[ending.status]
    if ending.status is not Status.CRASHED:
        return advice if "--failed-only" in advice else f"{advice}; `--failed-only` runs the cell again"
    if given:
        return f"{NOT_OURS}; `--failed-only` runs the cell again"
    if is_address(cell.model.kind) or cell.plugins:
        named = short_address(cell.model.kind) if is_address(cell.model.kind) else ", ".join(sorted(cell.plugins))
        return f"look first at {named}, which is not code of bench; `--failed-only` runs the cell again"
    return advice


_Frame = tuple[str, str, str]
"""File, line and function."""


def _frames(output: str) -> list[_Frame]:
    """Those of the thread that runs the cell in the last traceback of the fault handler, innermost first.

    Where none is known to, as the deepest calls alone are written, it is the thread that the signal has reached.
    """
    threads: list[tuple[bool, list[_Frame]]] = []
    for line in output.splitlines():
        if thread := _THREAD.match(line):
            threads.append((thread.group(1) == "Current thread", []))
        elif threads and (match := _FRAME.match(line)):
            threads[-1][1].append((match.group(1), match.group(2), match.group(3)))
    own = [frames for _, frames in threads if any(_is_serving(frame) for frame in frames)]
    return next(reversed(own or [frames for current, frames in threads if current]), [])


def _is_serving(frame: _Frame) -> bool:
    file, _, function = frame
    return function == "serve" and file.replace("\\", "/").endswith("bench/running/serving.py")


def _last_lines(output: str) -> str:
    """What was printed last, but for tracebacks of the fault handler."""
    lines, skipped = [], False
    for line in output.splitlines():
        if line.startswith("Fatal Python error: ") or _THREAD.match(line):
            skipped = True
        elif skipped and (not line.strip() or line.startswith(("  ", "Extension modules:"))):
            continue
        elif line.strip():
            skipped = False
            lines.append(line)
    return cut(one_line(" | ".join(lines[-_LAST_LINES:])), _LONGEST)
