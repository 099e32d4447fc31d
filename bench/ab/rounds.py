"""Pairs of processes, one of each side, measured alternately: base, head, head, base, and so on.

The same code is a few percent faster or slower in one process than in another, for the whole life of both, because of
the layout of memory. The unit of analysis is therefore a pair of fresh processes. Each pair gives one number for each
benchmark: the median over rounds of the mean log ratio of measurements that are neighbours in time. Slow changes of the
machine affect both sides equally; linear changes cancel within a round.

References
----------
T. Kalibera & R. Jones, "Rigorous benchmarking in reasonable time", ISMM 2013; T. Mytkowicz et al., "Producing wrong
data without doing anything obviously wrong!", ASPLOS 2009.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bench.ab.agent import CALIBRATION
from bench.ab.process import Agent, Offer, Ready
from bench.ab.worktree import Side
from bench.errors import InputError
from bench.signals import deferred

FLOOR_S = 1e-5
"""Works that take less on both sides are not judged: there a tenth is what a call from another place may cost."""

ROUNDS = 4
"""In one pair of processes; even, so that each side comes first equally often."""


class Round(NamedTuple):
    """Seconds of one call, from two blocks of each side; those at one place are neighbours in time."""

    base_s: tuple[float, float]
    head_s: tuple[float, float]


class Shared(NamedTuple):
    """What can be compared.

    Parameters
    ----------
    names
        Works that base and head can both do, and that mean the same on both; the calibration is one of them.
    lost
        Name of a work that has no ratio, though it should → why.
    new
        Name of a work that only the head knows → why the base does not.
    small
        Name of a work that is too short to be judged → why.
    external
        A package of plug-ins that is not of this repository → whether both sides have the same.
    """

    names: Sequence[str]
    lost: Mapping[str, str]
    new: Mapping[str, str]
    small: Mapping[str, str] = MappingProxyType({})
    external: Mapping[str, bool] = MappingProxyType({})


class Pair(NamedTuple):
    """What one pair of processes tells.

    Parameters
    ----------
    log_ratios
        Name of a work → log of the head's time over the base's.
    base_s, head_s
        Name of a work → median seconds of one call.
    """

    log_ratios: Mapping[str, float]
    base_s: Mapping[str, float]
    head_s: Mapping[str, float]


@dataclass(frozen=True)
class PairSession:
    """Two sides, and what they are timed on.

    Parameters
    ----------
    base, head
        The two versions of the code.
    cells
        A folder that `requested` has written.
    """

    base: Side
    head: Side
    cells: Path

    def shared(self) -> Shared:
        """What both can do; a first pair of processes finds out, and leaves compiled kernels on disk for the others.

        Raises
        ------
        InputError
            A side cannot be started, or there is nothing that both can do.
        """
        with self._agents() as (base, head):
            common = shared(base.offer(), head.offer())
            common = judgeable(common, *_ready([base, head], common.names))
        if not set(common.names) - {CALIBRATION}:
            said = "; ".join(f"{name}: {why}" for name, why in {**common.lost, **common.new, **common.small}.items())
            raise InputError(f"expected work that base and head can both do, got none; {said or 'the suite has none'}")
        return common

    def pairs(self, names: Sequence[str]) -> Iterator[Pair]:
        """Pair after pair of fresh processes, without end.

        Raises
        ------
        InputError
            A process ended, or can no longer do one of `names`.
        """
        while True:
            with self._agents() as (base, head):
                for each in (base, head):
                    each.offer()
                for side, ready in zip((self.base, self.head), _ready([base, head], names), strict=True):
                    for name, why in ready.refused.items():
                        raise InputError(f"{side.name}: {name}: could be done before, and now: {why}")
                pair = measured_pair(base, head, names)
            yield pair

    @contextmanager
    def _agents(self) -> Iterator[list[Agent]]:
        """A process for each side, started together; none is left after the block."""
        agents: list[Agent] = []
        try:
            for side in (self.base, self.head):
                with deferred():
                    agents.append(Agent(side, self.cells))
            yield agents
        finally:
            with deferred():
                for each in agents:
                    each.close()


def shared(base: Offer, head: Offer) -> Shared:
    """What both offer, one work for all that are alike; the cells that are requested are the head's.

    What both describe must agree; a description that only one of them gives is its own affair.
    """
    names: dict[str, str] = {}
    lost: dict[str, str] = {}
    for name in (name for name in head.what if name in base.what):
        dedup_key = head.dedup_key.get(name, name)
        if differing := _differing(base.what[name], head.what[name]):
            lost[name] = f"base and head do not do the same: {differing}"
        elif dedup_key not in names:
            names[dedup_key] = name
    gone = {name: _refusal(head, name) or "it is no longer there" for name in _only(base, head, names)}
    lost |= {name: f"the head cannot do it: {why}" for name, why in gone.items()}
    lost |= {name: f"neither can do it: {head.refused[name]}" for name in base.refused.keys() & head.refused.keys()}
    new = {name: _refusal(base, name) or "it does not know it" for name in _only(head, base, names)}
    return Shared([*names.values()], lost, {name: f"the base cannot do it: {why}" for name, why in new.items()})


def judgeable(common: Shared, base: Ready, head: Ready) -> Shared:
    """`common`, less what a side failed to make ready and what is too short."""
    lost, new, small = dict(common.lost), dict(common.new), {}
    for name in common.names:
        if name in head.refused:
            whose = "neither can" if name in base.refused else "the head cannot"
            lost[name] = f"{whose} do it: {head.refused[name]}"
        elif name in base.refused:
            new[name] = f"the base cannot do it: {base.refused[name]}"
        elif name != CALIBRATION and max(base.seconds[name], head.seconds[name]) < FLOOR_S:
            small[name] = f"too small to judge: below {FLOOR_S * 1e6:.0f} µs a call on both sides"
    names = [name for name in common.names if name not in lost.keys() | new.keys() | small.keys()]
    external = {package: base.external.get(package) == file for package, file in head.external.items()}
    return Shared(names, lost, new, small, external)


def _only(one: Offer, other: Offer, names: Mapping[str, str]) -> list[str]:
    """Works that `one` offers and `other` does not: the first of those that are alike, and like none of `names`."""
    first: dict[str, str] = {}
    for name in one.what:
        dedup_key = one.dedup_key.get(name, name)
        if name not in other.what and dedup_key not in names:
            first.setdefault(dedup_key, name)
    return list(first.values())


def _refusal(offer: Offer, name: str) -> str | None:
    """Why it cannot do `name`, or the cell whose work that is."""
    return next((why for key, why in offer.refused.items() if name == key or name.startswith(f"{key}: ")), None)


def _ready(agents: Sequence[Agent], names: Sequence[str]) -> list[Ready]:
    """Have all of them make `names` ready at once, and wait."""
    for each in agents:
        each.make(names)
    return [each.ready() for each in agents]


def measured_pair(base: Agent, head: Agent, names: Sequence[str]) -> Pair:
    """What this pair of processes tells of `names`, which both can do."""
    rounds: dict[str, list[Round]] = {name: [] for name in names}
    for number in range(ROUNDS):
        for name, own in rounds.items():
            own.append(_round(base, head, name, base_first=number % 2 == 0))
    return Pair(
        {name: statistics.median(map(log_ratio, own)) for name, own in rounds.items()},
        {name: statistics.median(time for each in own for time in each.base_s) for name, own in rounds.items()},
        {name: statistics.median(time for each in own for time in each.head_s) for name, own in rounds.items()},
    )


def log_ratio(times: Round) -> float:
    """The mean over neighbours of log head − log base."""
    return statistics.fmean(math.log(head / base) for base, head in zip(times.base_s, times.head_s, strict=True))


def _differing(base: Mapping[str, object], head: Mapping[str, object]) -> str:
    keys = [key for key in head if key in base and base[key] != head[key]]
    return ", ".join(f"{key} was {base[key]} and is {head[key]}" for key in keys)


def _round(base: Agent, head: Agent, name: str, *, base_first: bool) -> Round:
    """A B B A, or B A A B."""
    first, second = (base, head) if base_first else (head, base)
    a, b, c, d = (each.seconds(name) for each in (first, second, second, first))
    return Round((a, d), (b, c)) if base_first else Round((b, c), (a, d))
