"""What a worker process does: it answers one question at a time, and sends meanwhile what is known so far.

It leads a process group of its own, which a small guard ends together with the parent, whatever holds the interpreter.
Everything that it prints goes to one file.
"""

import faulthandler
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import psutil
import pyarrow as pa

from bench import work_clock
from bench.errors import InputError, described
from bench.models.from_source import allow_plug_ins
from bench.running.unfinished import REPORT, Unfinished
from bench.training.members import BANKS, STAGES


class Meanwhile(Protocol):
    """What a worker process sends before its answer."""

    def give(self, unfinished: Unfinished) -> None:
        """Say so to `unfinished`."""


@dataclass(frozen=True)
class TrialsSoFar:
    """All finished trials."""

    rows: pa.Table

    def give(self, unfinished: Unfinished) -> None:
        """They are those of `unfinished`."""
        unfinished.record(self.rows)


@dataclass(frozen=True)
class CompilesNow:
    """A kernel is compiled."""

    def give(self, unfinished: Unfinished) -> None:
        """Say so."""
        unfinished.compiles()


@dataclass(frozen=True)
class BankBegins:
    """A bank of so many members is trained from here on."""

    members: int

    def give(self, unfinished: Unfinished) -> None:
        """It is that of `unfinished`."""
        unfinished.bank = self.members


@dataclass(frozen=True)
class StageReached:
    """So many of all trials, replicates or rounds are done."""

    what: str
    done: int
    of: int

    def give(self, unfinished: Unfinished) -> None:
        """Say so."""
        unfinished.advance(self.what, self.done, self.of)


@dataclass(frozen=True)
class LogLine:
    """Bench logs something there that the user should see."""

    level: int
    text: str

    def give(self, unfinished: Unfinished) -> None:  # noqa: ARG002 - it is no matter of the cell
        """Log it here."""
        log.log(self.level, "%s", self.text)


MEANWHILE = (TrialsSoFar, CompilesNow, BankBegins, StageReached, LogLine)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HowToAnswer:
    """How a worker process answers.

    Parameters
    ----------
    target
        ``"module:function"`` of what answers.
    device, threads
        On which torch device, and how many threads.
    plug_ins
        Whether code that a suite names may be run.
    output
        The file for everything that is printed.
    clock
        ``[stood_s, since, guard]``, shared with the parent: the first two as of `bench.work_clock.show`, and the number
        of the guard's process.
    """

    target: str
    device: str
    threads: int
    plug_ins: bool
    output: str
    clock: MutableSequence[float]


def serve(pipe: Connection, how: HowToAnswer) -> None:
    """What the worker process does: answers, until the pipe or the parent ends."""
    how.clock[2] = _guarded()
    _keep_to_oneself()
    _print_to(how.output)
    allow_plug_ins(allowed=how.plug_ins)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    channel = _Channel(pipe)
    for handler in (channel, logging.StreamHandler(sys.stderr)):
        logging.getLogger("bench").addHandler(handler)
    logging.getLogger("bench").setLevel(logging.INFO)
    REPORT.set(lambda trials: channel.send(TrialsSoFar(trials)))
    BANKS.set(lambda members: channel.send(BankBegins(members)))
    STAGES.set(seldom(lambda *stage: channel.send(StageReached(*stage))))
    work_clock.COMPILES.set(lambda: channel.send(CompilesNow()))
    answer: Any = None
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            answer = answer or _ready(how)
        except InputError as error:
            channel.send(error)
        else:
            channel.send(_answered(answer, question, how.device))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()


def seldom(send: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
    """`send`, but of the rounds, which may take less than a millisecond, no more than one in a second."""
    last = time.monotonic()

    def sometimes(what: str, done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if what != "round" or now - last >= 1.0:
            last = now
            send(what, done, of)

    return sometimes


def _answered(answer: Any, question: object, device: str) -> object:
    """The answer; what escapes from it, as a `KeyboardInterrupt` of a model does, ends this process at once.

    The end of an interpreter with all its libraries may take longer than a cell may.
    """
    try:
        return answer(question, device=device)
    except BaseException:
        with suppress(BaseException):
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)


def _ready(how: HowToAnswer) -> Any:
    """What answers; the clock that the parent reads goes from here on."""
    function = with_threads(how.target, how.threads)
    work_clock.show(how.clock)
    return function


class _Channel(logging.Handler):
    """Sends to the parent, from any thread; what bench itself logs as a warning too."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(logging.WARNING)
        self._pipe, self._one_at_a_time = pipe, threading.Lock()

    def send(self, what: object) -> None:
        with self._one_at_a_time:
            self._pipe.send(what)

    def emit(self, record: logging.LogRecord) -> None:
        self.send(LogLine(record.levelno, record.getMessage()))


def _print_to(path: str) -> None:
    """Let all that this process and its children print go to `path`, and what the interpreter says of its own end."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    with suppress(OSError):  # the parent has it open, and nothing is left behind where both are killed
        Path(path).unlink()
    for number in (1, 2):
        os.dup2(file, number)
    os.close(file)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    faulthandler.enable(sys.stderr)
    if hasattr(faulthandler, "register"):  # the parent requests it before it ends a cell that takes too long
        faulthandler.register(signal.SIGUSR1, sys.stderr)


def _keep_to_oneself() -> None:
    """Let no process that a model starts have what this one has open: the parent waits for the end of some of it."""
    with suppress(OSError):  # there is no such folder
        for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
            with suppress(OSError):  # that of the listing is closed
                os.set_inheritable(number, number <= 2)


def _guarded() -> int:
    """Begin a process group, and the small process that ends it as soon as the parent or this process has ended.

    A thread could not, where the interpreter is held by a model's own code. The number of that process; 0 for none.
    """
    parent = multiprocessing.parent_process()
    if parent is None or not hasattr(os, "fork"):
        return 0
    os.setsid()
    worker = os.getpid()
    if guard := os.fork():
        return guard
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        sentinel = int(parent.sentinel)
        for number in [int(each.name) for each in Path("/dev/fd").iterdir()]:  # so that the pipe ends with its worker
            if number != sentinel:
                with suppress(OSError):
                    os.close(number)
        while os.getppid() == worker and not wait([sentinel], _GUARD_S):
            pass
        for pid in [*descendants(worker)] if os.getppid() == worker else []:
            if pid != os.getpid():  # those that have left the group
                os.kill(pid, signal.SIGKILL)
    finally:
        os.killpg(0, signal.SIGKILL)
    raise AssertionError  # it has ended


def descendants(pid: int) -> Iterator[int]:
    """What a process has started, and those have; of Linux its own list, as it is read 20 times a second."""
    try:
        lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        with suppress(psutil.Error):
            yield from (each.pid for each in psutil.Process(pid).children(recursive=True))
        return
    for child in map(int, " ".join(lists).split()):
        yield child
        yield from descendants(child)


_GUARD_S = 0.5
"""How soon the guard sees that its worker has ended; the end of the parent it sees at once."""


def _end_with_the_parent() -> None:
    """A parent that was killed cannot end its workers; each ends itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def imported(address: str) -> Any:
    """What lies at ``"module:name"``.

    Raises
    ------
    InputError
        It cannot be imported: something is wrong with the installation, and with no cell.
    """
    module, name = address.split(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        came = described(error)
        raise InputError(
            f"{module}: expected a module that can be imported, got {came}; fix the installation (`bench doctor` "
            "says more) and run again"
        ) from error


def with_threads(address: str, count: int) -> Any:
    """What lies at `address`, in a process whose torch, if it came along, computes with `count` threads.

    Numbers then depend on no thread count, and processes next to each other do not compete for cores.
    """
    function = imported(address)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    return function
