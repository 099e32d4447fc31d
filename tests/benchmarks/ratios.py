"""What pytest-benchmark measured, as ratios to the references that were timed in the same pass.

A group of pytest-benchmark is one benchmark: a test of ours, and one whose name tells a reference. One pass over all
of them, in a fresh process, gives one ratio of medians for each. Ratios, never seconds, are what is kept: most of a
machine's speed cancels in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORM = 1
"""Of the file that `written` makes."""


class CannotCompare(Exception):
    """What is stored, or what was measured, is not what a comparison needs; the message says what is to be done."""


@dataclass(frozen=True)
class Pair:
    """One benchmark in one pass; both times are medians."""

    name: str
    reference: str
    own_s: float
    reference_s: float

    @property
    def ratio(self) -> float:
        return self.own_s / self.reference_s


@dataclass(frozen=True)
class Place:
    """Where ratios come from; `libraries` is name → version."""

    cpu: str
    cores: int
    python: str
    libraries: Mapping[str, str]
    commit: str


@dataclass(frozen=True)
class Ratios:
    """Benchmark, with its reference → its ratio in each pass."""

    place: Place
    ratios: Mapping[str, Sequence[float]]


def pairs(reported: Mapping[str, Any]) -> list[Pair]:
    """The benchmarks of one file of ``--benchmark-json``."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for each in reported["benchmarks"]:
        _, _, reference = each["name"].partition("[")[0].partition("reference_")
        groups.setdefault(each["group"], []).append((reference.replace("_", " "), each["stats"]["median"]))
    found = []
    for group, sides in groups.items():
        if len(sides) != 2 or sum(bool(reference) for reference, _ in sides) != 1:
            raise CannotCompare(f"{group}: expected one test and one reference, came {len(sides)} tests; pair them")
        (_, own_s), (reference, reference_s) = sorted(sides)  # ours has no name of a reference
        found.append(Pair(group, reference, own_s, reference_s))
    return found


def gathered(passes: Sequence[Mapping[str, Any]], *, libraries: Mapping[str, str]) -> Ratios:
    """Every pass, each a file of ``--benchmark-json``, as one value."""
    ratios: dict[str, list[float]] = {}
    for each in passes:
        for pair in pairs(each):
            ratios.setdefault(f"{pair.name}, to {pair.reference}", []).append(pair.ratio)
    machine, commit = passes[0]["machine_info"], passes[0]["commit_info"]
    place = Place(
        cpu=machine["cpu"].get("brand_raw", machine["machine"]),
        cores=machine["cpu"]["count"],
        python=machine["python_version"],
        libraries=dict(libraries),
        commit=str(commit.get("id", "unknown")) + " and uncommitted changes" * bool(commit.get("dirty")),
    )
    return Ratios(place, ratios)


def written(found: Ratios) -> str:
    """`found` as JSON, five digits of each ratio."""
    rounded = {name: [float(f"{ratio:.5g}") for ratio in each] for name, each in sorted(found.ratios.items())}
    lines = [f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(each)}" for name, each in rounded.items()]
    place = json.dumps(asdict(found.place), ensure_ascii=False)
    return f'{{"form": {FORM},\n "place": {place},\n "ratios": {{\n' + ",\n".join(lines) + "\n }}\n"


def read(path: Path) -> Ratios:
    """What `written` made.

    Raises
    ------
    CannotCompare
        There is no such file, or it is not of this form.
    """
    try:
        return _parsed(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CannotCompare(f"{path}: expected stored ratios, there are none; measure them with --store") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise CannotCompare(f"{path}: expected stored ratios, came {reason}; measure it again with --store") from error


def _parsed(reported: Mapping[str, Any]) -> Ratios:
    if reported["form"] != FORM:
        raise ValueError(f"form {reported['form']!r} where {FORM} is read")
    ratios = {name: tuple(map(float, each)) for name, each in reported["ratios"].items()}
    if any(not 0 < ratio < math.inf for each in ratios.values() for ratio in each):
        raise ValueError("a ratio that is not a positive number")
    return Ratios(Place(**reported["place"]), ratios)
