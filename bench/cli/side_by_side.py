"""Carry out ``bench ab``: measure until every verdict is there or the time is over, and say what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from bench.cli.interrupts import ending
from bench.cli.listing import loaded
from bench.cli.speed_table import Measured, status, written
from bench.errors import InputError
from bench.running.ab.agent import CALIBRATION
from bench.running.ab.cells import asked
from bench.running.ab.session import Pair, Session
from bench.running.ab.worktree import base_of, head_of, repository_of
from bench.running.selection import only
from bench.stats.speed import Conclusion, Target, concluded, is_look
from bench.suite.cells import expand


@dataclass(frozen=True)
class Request:
    """The options of ``bench ab``, as typed."""

    base_ref: str
    suite: str
    only: tuple[str, ...]
    slowdown: float
    power: float
    time_limit_s: float
    environment: Literal["auto", "shared", "own"]
    output: Path | None


def compared(request: Request) -> int:
    """Carry out `request` and return the exit status."""
    suite = loaded(request.suite)
    target = Target(request.slowdown, request.power, suite.gate.alpha)
    cells = only(list(expand(suite)), request.only)
    if request.output:
        _check(request.output)
    repository = repository_of(Path.cwd())
    with ending() as check, base_of(repository, request.base_ref, environment=request.environment) as base:
        session = Session(base, head_of(repository), asked(cells, base.root.parent / "cells"))  # gone with the base
        _tell(f"base {base.commit}, head {session.head.commit}: starting both")
        began = time.monotonic()
        shared = session.shared()
        _tell(f"{len(shared.names) - 1} works, at most {request.time_limit_s:.0f} s")
        spent = time.monotonic() - began
        found = decided(session.pairs(shared.names), target, limit_s=request.time_limit_s - spent, check=check)
    measured = Measured(target, *found, shared=shared, sides=(base.commit, session.head.commit))
    text = written(measured)
    typer.echo(text)
    if request.output:
        request.output.parent.mkdir(parents=True, exist_ok=True)
        with request.output.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    return status(measured)


def _check(output: Path) -> None:
    """See that `output` can be written, before anything is measured."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise InputError(f"--output {output}: expected a file that can be written: {error.strerror}") from error


def decided(
    pairs: Iterable[Pair], target: Target, *, limit_s: float, check: Callable[[], None]
) -> tuple[Conclusion, list[Pair], float]:
    """Measure pairs until all is settled, or the next one would end after `limit_s`; two are the fewest.

    Returns
    -------
    tuple
        The conclusion, every pair, and the seconds that they took.
    """
    began = before = time.monotonic()
    found: list[Pair] = []
    look = 0
    for pair in pairs:
        check()
        found.append(pair)
        now = time.monotonic()
        last = now - began + (now - before) > limit_s
        before = now
        if len(found) > 1 and (last or is_look(len(found))):
            look += 1
            conclusion = _concluded(found, target, look)
            _tell(f"{len(found)} pairs of processes in {now - began:.0f} s: {_open(conclusion)}")
            if last or conclusion.settled:
                return conclusion, found, now - began
    raise AssertionError("pairs do not end")


def _concluded(found: list[Pair], target: Target, look: int) -> Conclusion:
    samples = {name: [pair.log_ratios[name] for pair in found] for name in found[0].log_ratios}
    return concluded(samples, samples.pop(CALIBRATION), target, look=look)


def _open(conclusion: Conclusion) -> str:
    if conclusion.unequal:
        return "the calibration differs"
    widest = max(conclusion.ratios.values(), key=lambda ratio: ratio.high / ratio.low)
    return f"the widest interval is {widest.low:.3f} – {widest.high:.3f}"


def _tell(line: str) -> None:
    typer.echo(line, err=True)
