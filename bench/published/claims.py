"""Claims in words, decided by the cells of their system's card."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.published.alike import alike
from bench.published.cases import Case, over, sentence
from bench.published.drop import sudden_drop
from bench.published.evidence import Evidence, Tables
from bench.published.formulas import GATES, gates
from bench.published.means import level_of, mean
from bench.published.rests import rests_on
from bench.published.timing import in_milliseconds, slower, step_times
from bench.published.values import ClaimFinding, FloatArray, Held
from bench.suite.published import Claim

ALIKE = 0.05
"""Two errors are alike where what is explained differs by less than this twentieth of what can be."""

SOLVED = 0.9
"""A task is solved where more than this share is explained of what can be."""


@dataclass(frozen=True)
class Rivals:
    """The cells of one dataset, length and size that differ in the kind of the model alone: kind → cell."""

    label: str
    cells: Mapping[str, Evidence]


def decide(
    claim: Claim, cells: Sequence[Evidence], tables: Tables, *, protocol: Sequence[Evidence] = ()
) -> tuple[ClaimFinding, ...]:
    """The verdicts on what `claim` says.

    Parameters
    ----------
    claim
        What was said.
    cells
        Those of its card that ran as published and have a finished replicate.
    tables
        Where their rows are.
    protocol
        The same models on the same data under the protocol.
    """
    if claim.test == "rests-on":
        return (rests_on(claim.text, cells, protocol, tables),)
    if claim.test == "sudden-drop":
        return (sudden_drop(claim.text, cells, tables),)
    if claim.test == "delayed":
        return alike(claim.text, cells, tables)
    groups = [group for group in rivals(cells) if set(claim.models) <= group.cells.keys()]
    cases = list(_TESTS[claim.test](claim, groups, tables)) if groups else []
    return (ClaimFinding(claim.text, over(cases), sentence(cases), tuple(cases)),)


def rivals(cells: Sequence[Evidence]) -> list[Rivals]:
    """The cells, those together that differ in the kind of their model alone."""
    found: dict[tuple[object, ...], dict[str, Evidence]] = {}
    labels: dict[tuple[object, ...], str] = {}
    for cell in cells:
        model = cell.spec.get("model", {})
        size = {name: model["parameters"][name] for name in ("hidden_size", "layers") if name in model["parameters"]}
        key = (cell.dataset, cell.sequence_length, cell.horizon, cell.departures, json.dumps(size, sort_keys=True))
        found.setdefault(key, {})[model.get("kind", "")] = cell
        labels[key] = f"{cell.dataset}, length {cell.sequence_length}, {size.get('hidden_size', '?')} units"
    return [Rivals(labels[key], own) for key, own in found.items()]


def _training_time(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[Case]:
    probes = tables.probes()
    for group in groups if probes is not None else ():
        medians = [step_times(probes, group.cells[kind]) for kind in claim.models]
        known = [median for median in medians if median is not None]
        if len(known) == len(medians):
            text = ", ".join(f"{kind} {in_milliseconds(m)}" for kind, m in zip(claim.models, known, strict=True))
            yield group.label, _all(slower(later, earlier) for earlier, later in pairwise(known)), text


def _equal_errors(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[Case]:  # noqa: ARG001 - one signature
    for label, low, high, text in _gaps(claim, groups):
        apart = low > ALIKE or high < -ALIKE
        yield label, Held.HOLDS if low > -ALIKE and high < ALIKE else Held.FAILS if apart else Held.OPEN, text


def _no_worse(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[Case]:  # noqa: ARG001 - one signature
    for label, low, high, text in _gaps(claim, groups):
        yield label, Held.HOLDS if low > -ALIKE else Held.FAILS if high < -ALIKE else Held.OPEN, text


def _gaps(claim: Claim, groups: Sequence[Rivals]) -> Iterator[tuple[str, float, float, str]]:
    """Of each case, the interval of what the first kind explains more than the second, and the numbers in words."""
    level = level_of(len(groups))
    for group in groups:
        first, second = (_explained(group.cells[kind]) for kind in claim.models[:2])
        gap = mean(*_paired(first, second), level=level)
        names = f"{claim.models[0]} less {claim.models[1]}"
        yield group.label, gap.low, gap.high, f"{names} {gap.value:+.3f}{gap.over('+.3f')}, {gap.count} pairs"


def _short_memory(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[Case]:  # noqa: ARG001 - one signature
    level = level_of(2 * len(groups))
    for group in groups:
        weak, strong = claim.models[:2]
        states = {kind: _solves(_explained(group.cells[kind]), level) for kind in (weak, strong)}
        if states[strong][0] is not True or states[weak][0] is None:
            held = Held.OPEN
        else:
            held = Held.FAILS if states[weak][0] else Held.HOLDS
        yield group.label, held, ", ".join(f"{kind} {text}" for kind, (_, text) in states.items())


def _gates(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[Case]:  # noqa: ARG001 - one signature
    for group in groups:
        counted = {kind: _counted(group.cells[kind]) for kind in claim.models}
        text = ", ".join(f"{kind} {count:g}" for kind, count in counted.items())
        right = all(count == GATES[kind] for kind, count in counted.items())
        yield group.label, Held.HOLDS if right else Held.FAILS, f"from the parameters: {text}"


_TESTS: Mapping[str, Callable[[Claim, Sequence[Rivals], Tables], Iterator[Case]]] = {
    "training-time": _training_time,
    "equal-errors": _equal_errors,
    "no-worse": _no_worse,
    "short-memory": _short_memory,
    "gates": _gates,
}


def _explained(cell: Evidence) -> dict[int, float]:
    """By seed: R² as a share of that of the best possible forecast, which is 1 where its error is not known."""
    r2, mse, floor = (cell.numbers[name] for name in ("r2", "mse", "noise_floor_mse"))
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.where(np.isfinite(floor) & (r2 < 1), 1 - floor * (1 - r2) / mse, 1.0)
    return dict(zip(cell.seeds, (r2 / best).tolist(), strict=True))


def _paired(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[FloatArray, FloatArray]:
    """The values of the replicates that both have."""
    shared = sorted(first.keys() & second.keys())
    return np.array([first[seed] for seed in shared]), np.array([second[seed] for seed in shared])


def _solves(values: Mapping[int, float], level: float) -> tuple[bool | None, str]:
    """Whether the mean of `values` is above or below `SOLVED`; `None` where its interval holds that."""
    found = mean(np.array(list(values.values())), level=level)
    state = True if found.low > SOLVED else False if found.high < SOLVED else None
    return state, f"{found.value:.3f}{found.over('.3f')}"


def _counted(cell: Evidence) -> float:
    parameters = cell.mean("parameters")
    inputs = cell.shapes["train_inputs"][2]
    hidden = cell.spec["model"]["parameters"]["hidden_size"]
    return gates(int(parameters or 0), inputs, hidden, cell.shapes["train_targets"][2])


def _all(parts: Iterator[Held]) -> Held:
    found = set(parts)
    return Held.FAILS if Held.FAILS in found else Held.OPEN if Held.OPEN in found else Held.HOLDS
