"""The parent's view of one fresh worker process that times the code of one side."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple, cast

from bench.ab import agent
from bench.ab.agent import TITLES
from bench.ab.worktree import Side, external, last_lines
from bench.cells import Cell, alone
from bench.errors import InputError
from bench.running.supervised import THREAD_COUNTS


class Offer(NamedTuple):
    """What a side can do.

    Parameters
    ----------
    what
        Name of a work → what it consists of.
    refused
        Name of a work, or of a cell with all its works → why it cannot be had.
    alike
        Name of a work → a text that is the same for works of which one tells enough.
    """

    what: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, str]
    dedup_key: Mapping[str, str] = MappingProxyType({})


class Ready(NamedTuple):
    """What a side has made ready.

    Parameters
    ----------
    seconds
        Name of a work → seconds of one call, to a first approximation.
    refused
        Name of a work → why it failed.
    external
        A package of plug-ins that is of no side → where it lies.
    """

    seconds: Mapping[str, float]
    refused: Mapping[str, str] = MappingProxyType({})
    external: Mapping[str, str] = MappingProxyType({})


class Agent:
    """One process of `side`, which starts to look at the cells at once; see `offer`, `make`, `ready`.

    Parameters
    ----------
    side
        Whose code it runs.
    cells
        A folder that `requested` has written.
    """

    def __init__(self, side: Side, cells: Path) -> None:
        self._side = side
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see `close`
        self._process = subprocess.Popen(  # noqa: S603 - this project's own program
            [side.python, "-P", agent.__file__, str(cells.resolve())],
            env={**os.environ, **dict.fromkeys(THREAD_COUNTS, "1"), "PYTHONPATH": _path(side)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
        )
        self._asks, self._reported = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    def offer(self) -> Offer:
        """Wait until it knows what it can do.

        Raises
        ------
        InputError
            It ended first: the last lines that it wrote; or it runs another installation than its own.
        """
        reported = self._answer()
        expected, imported = self._side.root / "bench" / "__init__.py", Path(reported["bench"])
        if expected.exists() and not imported.samefile(expected):
            raise InputError(
                f"{self._side.name}: expected the code in {expected.parent}, got {imported.parent}; uninstall it"
            )
        return Offer(reported["what"], reported["refused"], reported["dedup_key"])

    def make(self, names: Sequence[str]) -> None:
        """Have it build the works `names` and warm them up."""
        self._ask(json.dumps(list(names)))

    def ready(self) -> Ready:
        """Wait until it has done so.

        Raises
        ------
        InputError
            It ended first; or a module of the repository came from elsewhere than its own tree.
        """
        reported = self._answer()
        return Ready(
            reported["seconds"], reported["refused"], external(self._side, reported["modules"], reported["plugins"])
        )

    def seconds(self, name: str) -> float:
        """Of one call of the work `name`, from one block."""
        self._ask(name)
        return float(self._answer())

    def close(self) -> None:
        """End the process now."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _ask(self, line: str) -> None:
        try:
            self._asks.write(f"{line}\n")
        except OSError:
            raise self._ended() from None

    def _answer(self) -> Any:
        line = self._reported.readline()
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
    """Where modules are found: first in the side's own folders, and in none of the working tree's if that is another.

    What is installed in an environment of its own needs no ``src/``, which may lack what the installation has built.
    """
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    elsewhere = [entry for entry in given if not Path(entry).resolve().is_relative_to(side.repository)]
    sources = [str(side.root / "src")] if (side.root / "src").is_dir() and side.environment is None else []
    registration = [str(side.registration)] if side.registration else []
    return os.pathsep.join([*sources, str(side.root), *registration, *elsewhere])


def requested(cells: Sequence[Cell], folder: Path) -> Path:
    """Write each of `cells` into `folder`, which is made, as a suite of its own, and return it."""
    folder.mkdir(parents=True)
    for k, cell in enumerate(cells):
        (folder / f"{k}.yaml").write_text(alone(cell), encoding="utf-8")
    titles = [cell.title for cell in cells]
    (folder / TITLES).write_text(json.dumps(titles), encoding="utf-8")
    return folder
