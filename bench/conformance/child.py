"""Run the checks of a module or forecaster in a process of their own; what hangs or ends it is named, and ended."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.models.from_source import allowing_plug_ins, anchored, kind_at
from bench.registry import short_address

NAMES = ("import", "shapes", "batch", "seeds", "numbers", "gradients", "bank", "training", "causality", "time")
"""The checks of a module, in their order."""

HISTORY_NAMES = ("import", "shapes", "seeds", "numbers", "causality", "time")
"""Those of a forecaster."""

_REQUIREMENTS, _HISTORY = "bench.conformance.requirements", "bench.conformance.history_checks"
"""The checks after the first, by address: importing them imports torch, which the process that prints needs not."""


@dataclass(frozen=True)
class Examination:
    """What is examined, and how.

    Parameters
    ----------
    address
        Of the class: ``FILE:CLASS`` or ``MODULE:CLASS``.
    given
        Its own parameters.
    sequence_length, horizon
        Of the windows that it is tried on.
    channels
        Of them, one after another.
    limit_s
        Seconds for one check, at most.
    """

    address: str
    given: Mapping[str, Any]
    sequence_length: int = 12
    horizon: int = 2
    channels: tuple[int, ...] = (1, 2)
    limit_s: float = 60.0


@dataclass(frozen=True)
class ConformanceResult:
    """What one check says: that it passed with what was measured, or what is wrong; `left` names those after it."""

    name: str
    passed: bool
    words: str
    left: tuple[str, ...] = ()


_START_S = 300.0
"""Until the process has imported torch, whatever else the machine does."""

_NOT_STARTED = ConformanceResult(NAMES[0], passed=False, words="the process for the checks could not start")


def examine(examination: Examination) -> Iterator[ConformanceResult]:
    """Every check, as soon as it is known; the last one is the first that leaves no sense to the others.

    These are an import or shapes that fail, a check that takes too long, and one that the process does not survive.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, examination), daemon=True)
    process.start()
    theirs.close()
    try:
        left: tuple[str, ...] = NAMES if ours.poll(_START_S) and ours.recv() else ()
        if not left:
            yield _NOT_STARTED
        while left:
            name, *others = left
            came = _next(ours, name, examination.limit_s)
            if came is None:
                process.join(1)
                came = ConformanceResult(name, passed=False, words=f"its process ended (exit code {process.exitcode})")
                yield replace(came, left=tuple(others))
                return
            left = ours.recv() if name == NAMES[0] and came.passed else tuple(others)
            yield replace(came, left=left)
            if not came.passed and (name in _NEEDED or came.words == _too_long(examination.limit_s)):
                return
    except EOFError:
        yield _NOT_STARTED
    finally:
        process.kill()
        process.join()
        ours.close()


_NEEDED = ("import", "shapes")


def _next(pipe: Connection, name: str, limit_s: float) -> ConformanceResult | None:
    """What the process says of the check; `None` where it has ended."""
    try:
        if pipe.poll(limit_s):
            passed, words = pipe.recv()
            return ConformanceResult(name, passed, words)
    except EOFError:
        return None
    return ConformanceResult(name, passed=False, words=_too_long(limit_s))


def _too_long(limit_s: float) -> str:
    return f"no answer within {limit_s:g} s: it hangs, or is too slow to be compared; --limit allows more"


def _answer(pipe: Connection, examination: Examination) -> None:
    """What the process does: one answer for each check."""
    import torch

    requirements = importlib.import_module(_REQUIREMENTS)
    torch.set_num_threads(1)  # as where cells are run
    pipe.send("ready")
    address = anchored(examination.address, Path())
    with allowing_plug_ins():
        try:
            kind = kind_at(address)
        except BenchError as error:
            pipe.send((False, str(error)))
            return
        own = ", ".join(kind.parameters.model_fields) or "none"
        what, names = ("a forecaster", HISTORY_NAMES) if kind.forecaster else ("a torch.nn.Module", NAMES)
        pipe.send((True, f"{what} class; its parameters: {own}"))
        pipe.send(names[1:])
        sizes = examination.sequence_length, examination.horizon, examination.channels
        subject = requirements.ExaminedModule(short_address(address), kind, examination.given, *sizes)
        checks = importlib.import_module(_HISTORY).HISTORY_CHECKS if kind.forecaster else requirements.CHECKS
        for check in checks.values():
            pipe.send(requirements.outcome_of(check, subject))
