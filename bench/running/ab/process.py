"""The near side: one fresh process that times the code of one side."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from bench.errors import InputError
from bench.running.ab import agent
from bench.running.ab.worktree import Side, last_lines
from bench.running.engines.worker import THREAD_COUNTS


class Offer(NamedTuple):
    """What a side can do: name → what it consists of, and name → why it cannot be had."""

    what: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, str]


class Agent:
    """One process of `side`, which starts to build and warm up at once; see `offer`.

    Parameters
    ----------
    side
        Whose code it runs.
    suite
        The suite file.
    filters
        As of ``--only``.
    """

    def __init__(self, side: Side, suite: Path, filters: Sequence[str] = ()) -> None:
        self._side = side
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see `close`
        self._process = subprocess.Popen(  # noqa: S603 - this project's own program
            [side.python, "-P", agent.__file__, str(suite.resolve()), *filters],
            env={**os.environ, **dict.fromkeys(THREAD_COUNTS, "1"), "PYTHONPATH": _path(side)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
        )
        self._asks, self._told = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    def offer(self) -> Offer:
        """Wait until it is warm.

        Raises
        ------
        InputError
            It ended first: the last lines that it wrote; or it runs another installation than its own.
        """
        told = self._answer()
        ours, found = self._side.root / "bench" / "__init__.py", Path(told["bench"])
        if ours.exists() and not found.samefile(ours):
            raise InputError(f"{self._side.name}: expected the code in {ours.parent}, got {found.parent}; uninstall it")
        return Offer(told["what"], told["refused"])

    def seconds(self, name: str) -> float:
        """Of one call of the work `name`, from one block."""
        try:
            self._asks.write(f"{name}\n")
        except OSError:
            raise self._ended() from None
        return float(self._answer())

    def close(self) -> None:
        """End the process now."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> Any:
        line = self._told.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> InputError:
        status = self._process.wait()
        self._errors.seek(0)
        said = last_lines(self._errors.read())
        which = f"{self._side.name} ({self._side.commit})"
        return InputError(f"{which} cannot be measured: its process ended with exit status {status}\n{said}".strip())


def _path(side: Side) -> str:
    """Where modules are found: first in the side's own folder, and in none of the working tree's if that is another."""
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    elsewhere = [entry for entry in given if not Path(entry).resolve().is_relative_to(side.repository)]
    return os.pathsep.join([str(side.root), *elsewhere])
