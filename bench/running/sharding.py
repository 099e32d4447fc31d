"""Some of the cells of a suite: a random sample, or a shard of a division that each machine computes by itself.

All shards together have the outcome of the suite.

Each machine of `count` runs the cells of one number, so that none need know of the others. What a cell costs is
estimated from the suite alone: neither the speed of this machine, nor data files, nor what is stored enters it. The
longest cells are given out first, each to the shard that has the least so far, by whole milliseconds; ties go by the
names of the cell, then by the shard's number. Versions of `bench` may divide differently: all machines need the same.
"""

import heapq
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

from bench.cells import Cell, CellKey
from bench.data import dataset_kinds
from bench.errors import DataError, InputError
from bench.protocol.windows import check_length
from bench.registry import lookup
from bench.running.estimates import Estimator
from bench.running.unfinished import Unfinished
from bench.running.workers import Engine
from bench.seeds import generator
from bench.spec import SeedPlan, Suite
from bench.store.schema import Rows

SIZES: Mapping[str, int] = {
    "digits": 1797,
    "mnist": 70_000,
    "TSLA": 2227,
    "GOOGL": 3702,
    "DJI": 8636,
    "A": 1259,
    "GOOG": 975,
    "SP500": 5031,
    "NASDAQ": 5031,
    "WTI": 8321,
    "VIX": 1259,
    "sunspots": 309,
    "co2": 2284,
    "el-nino": 732,
    "nile": 100,
    "macrodata": 203,
}
"""Points or sequences of the kinds of datasets whose parameters do not say how many there are."""

_USUAL = 2000
"""The same of other kinds, such as files: these may be missing on one machine, so none looks into them."""


@dataclass(frozen=True)
class Sample:
    """A random share of the cells, as for a check that is to be cheap.

    Parameters
    ----------
    percent
        How many of a hundred cells, above 0.
    seed
        The same cells are taken again by the same one, of the same suite.
    """

    percent: float
    seed: int

    @classmethod
    def parsed(cls, text: str) -> Self:
        """What ``"5%:17"`` says, or ``"5%"``, of which each call takes others.

        Raises
        ------
        InputError
            It is no such share.
        """
        parts = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%(?::(\d{1,18}))?", text)
        if parts is None or not 0 < float(parts[1]) <= 100:
            raise InputError(f"--sample {text}: expected SHARE or SHARE:SEED, such as 5% or 5%:17")
        return cls(float(parts[1]), secrets.randbelow(10**6) if parts[2] is None else int(parts[2]))

    @property
    def name(self) -> str:
        """As it is typed."""
        return f"{self.percent:g}%:{self.seed}"

    def cells(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those of `cells` that are taken, in their order; one at least, where there are any."""
        count = min(len(cells), max(1, round(len(cells) * self.percent / 100)))
        taken = generator(self.seed, "sample").permutation(len(cells))[:count]
        return [cells[place] for place in sorted(taken.tolist())]


@dataclass(frozen=True)
class Shard:
    """The cells that one of several machines runs.

    Parameters
    ----------
    number
        From 1.
    count
        How many there are.
    """

    number: int
    count: int

    @classmethod
    def parsed(cls, text: str) -> Self:
        """What ``"3/16"`` says.

        Raises
        ------
        InputError
            It is no number of so many.
        """
        parts = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
        if parts is None or int(parts[1]) > int(parts[2]):
            raise InputError(f"--shard {text}: expected NUMBER/COUNT, such as 1/16, 2/16, … 16/16")
        return cls(int(parts[1]), int(parts[2]))

    @property
    def name(self) -> str:
        """Of its results folder."""
        return f"{self.number}-of-{self.count}"

    def cells(self, every: Sequence[Cell], suite: Suite) -> list[Cell]:
        """Those of `every` that are of this shard, in their order; there may be none."""
        return divided(every, self.count, whole_datasets=isinstance(suite.seeds, SeedPlan))[self.number - 1]


class ShardEngine:
    """Runs cells of one shard on the engine that `start` makes; what is of another is no matter of this machine.

    Parameters
    ----------
    start
        Makes the engine.
    cells
        Those of the shard.
    """

    def __init__(self, start: Callable[[], Engine], cells: Iterable[Cell]) -> None:
        self._keys = {cell.key for cell in cells}
        self._engine = start()

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Begin `cell`, as the engine does.

        Raises
        ------
        InputError
            It is of another shard, which another machine runs.
        """
        if cell.key not in self._keys:
            raise InputError(f"{cell.title}: expected a cell of this shard; the machine of its own shard runs it")
        return self._engine.submit(cell, unfinished)

    def close(self) -> None:
        """As the engine's."""
        self._engine.close()


def divided(cells: Sequence[Cell], count: int, *, whole_datasets: bool = False) -> list[list[Cell]]:
    """`cells` in `count` parts of about the same estimated time, each in the order of `cells`.

    Parameters
    ----------
    cells
        As `expand` yields them.
    count
        How many parts; some are empty where there are more than cells.
    whole_datasets
        Keep the cells of a dataset together: seeds that are added where claims of the report are undecided need both
        sides of each claim in one results folder.
    """
    estimator = Estimator(pace=1.0)
    groups: dict[str | CellKey, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.dataset.id if whole_datasets else cell.key, []).append(cell)
    costs = [(sum(cost_ms(cell, estimator) for cell in own), own[0].key) for own in groups.values()]
    numbers = dict(zip(groups, greedy(costs, count), strict=True))
    parts: list[list[Cell]] = [[] for _ in range(count)]
    for cell in cells:
        parts[numbers[cell.dataset.id if whole_datasets else cell.key]].append(cell)
    return parts


def greedy(costs: Sequence[tuple[int, Any]], count: int) -> list[int]:
    """The part, from 0, that each of `costs` goes to: the largest first, each to the part that has the least so far.

    R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969.

    Parameters
    ----------
    costs
        Each with a name that decides between equal ones.
    count
        How many parts.
    """
    loads = [(0, number) for number in range(count)]
    numbers = [0] * len(costs)
    for place in sorted(range(len(costs)), key=lambda place: (-costs[place][0], costs[place][1])):
        load, numbers[place] = loads[0]
        heapq.heapreplace(loads, (load + costs[place][0], numbers[place]))
    return numbers


def cost_ms(cell: Cell, estimator: Estimator) -> int:
    """About how many milliseconds `cell` takes on the machine that the rates of `estimator` are of."""
    return max(1, round(1000 * estimator.default_s(cell, _train_windows(cell))))


def _train_windows(cell: Cell) -> int:
    """About how many examples `cell` trains on, by the suite alone."""
    kind = lookup(dataset_kinds(), cell.dataset.kind, "dataset")
    stated = cell.dataset.parsed(kind.parameters)
    sequences, points = getattr(stated, "count", None), _points(cell.dataset.kind, stated)
    try:
        cut = check_length(points, cell.split, cell.sequence_length, cell.horizon, as_published=cell.as_published)
    except DataError:  # too short for windows: of sequences, each is one; a run says so of a series
        return max(1, points // 2)
    return cut.train_end if sequences else max(1, cut.train_end - cell.sequence_length - cell.horizon + 1)


def _points(kind: str, stated: Any) -> int:
    """Points of the series, or how many sequences."""
    for name in ("count", "length"):
        if isinstance(number := getattr(stated, name, None), int):
            return number
    if isinstance(duration := getattr(stated, "duration", None), float):
        return ceil(duration / float(stated.step * stated.every))
    return SIZES.get(kind, _USUAL)
