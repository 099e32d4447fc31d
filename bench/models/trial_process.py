"""Code of the user's own is tried in a process of its own: what hangs or ends there costs no run.

Before anything runs, a class that a suite names is tried on a few values. This happens in the process that plans the
run, which is forked for it.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

TRIAL_S = 20.0
"""Seconds for a trial, which takes a moment."""

_BYTES = 8 * 2**30
"""Of data: more than any trial needs."""

_LONGEST = 600
"""Characters of an answer: so few are written to a pipe at once."""

_LATER_S = 5.0
"""After which it ends itself, where the parent was killed and cannot end it with what it has started."""


def tried(check: Callable[[], str | None], limit_s: float = TRIAL_S) -> str | None:
    """What `check` says is wrong, or `None`; also where it has not come to an end in time, or has ended its process.

    Its cells then end the same way, each in a process that is watched, and become rows that say so. In such a process,
    and where none can be forked, `check` is called directly.
    """
    if multiprocessing.parent_process() is not None or not hasattr(os, "fork"):
        return check()
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        _answer(check, theirs, limit_s)
    os.close(theirs)
    try:
        ready, _, _ = select.select([ours], [], [], limit_s)
        content = os.read(ours, 2**16) if ready else b""
    finally:
        os.close(ours)
        _end(pid)
    answer: str | None = json.loads(content) if content else None
    return answer


def _end(pid: int) -> None:
    """End a trial with all that it has started, in groups of their own too."""
    with suppress(psutil.Error):
        started = psutil.Process(pid).children(recursive=True)
        for each in started:
            with suppress(psutil.Error):
                each.kill()
    for kill in (os.killpg, os.kill):  # it may not lead its group yet
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _answer(check: Callable[[], str | None], pipe: int, limit_s: float) -> None:
    """What the forked process does; it never returns, and prints nothing."""
    try:
        os.setsid()
        faulthandler.disable()  # it may write to where the parent wants it
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(quiet, number)
        faulthandler.dump_traceback_later(limit_s + _LATER_S, exit=True, file=quiet)
        _bound_memory()
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)  # those of before the fork are not there
        wrong = check()
        os.write(pipe, json.dumps(wrong and wrong[:_LONGEST]).encode())
        time.sleep(limit_s)  # it is ended with what it has started, which is known as long as it lives
    finally:
        os._exit(0)


def _bound_memory() -> None:
    """A trial that fills memory gets a `MemoryError`."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    bound = _BYTES if most == resource.RLIM_INFINITY else min(most, _BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, most))
