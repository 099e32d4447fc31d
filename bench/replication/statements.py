"""Claims in words, decided by the cells of their system's card.

Which of two cells takes longer to train, by the probe's samples; the errors at the largest fall of the test part;
whether a forecast is close to the truth and whether it is late; and whether a poor published result is due to how the
network was trained or to the data.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.array_types import FloatArray
from bench.replication.evidence_rows import Evidence, OneStep, Tables, delay_of, in_numbers, one_step, ratio
from bench.replication.facts import GATES, gates
from bench.replication.findings import CaseFinding, ClaimFinding, level_of, mean, over, sentence, somewhere
from bench.replication.systems import Claim
from bench.stats.aggregates import Median, median
from bench.stats.claims import ClaimOutcome
from bench.stats.delay import Delay
from bench.stats.paired import paired
from bench.text import fixed

QUANTITY = "step_s"
"""What the probe calls the seconds of one step of training."""


def slower(one: Median, other: Median) -> ClaimOutcome:
    """Whether `one` takes longer than `other`: their intervals lie apart. Inconclusive without both."""
    if one.bounds is None or other.bounds is None:
        return ClaimOutcome.INCONCLUSIVE
    apart, reverse = one.bounds[0] > other.bounds[1], one.bounds[1] < other.bounds[0]
    return ClaimOutcome.HOLDS if apart else ClaimOutcome.FAILS if reverse else ClaimOutcome.INCONCLUSIVE


def in_milliseconds(timing: Median) -> str:
    """The median with its interval, or with the number of samples, which are too few for one."""
    if timing.bounds is None:
        return f"{1e3 * timing.value:.3g} ms (samples: {timing.count}, too few for an interval)"
    low, high = timing.bounds
    return f"{1e3 * timing.value:.3g} ms [{1e3 * low:.3g}, {1e3 * high:.3g}]"


def step_times(probes: pa.Table, cell: Evidence) -> Median | None:
    """The seconds of one step of training of the model of `cell`; `None` where they were not measured."""
    wanted = {
        "dataset": cell.dataset,
        "model": cell.model,
        "sequence_length": cell.sequence_length,
        "quantity": QUANTITY,
    }
    own = probes
    for name, value in wanted.items():
        own = own.filter(pc.equal(own[name], value))
    samples = own["value"].drop_null().to_numpy()
    return median(samples) if len(samples) else None


def sudden_drop(text: str, cells: Sequence[Evidence], tables: Tables) -> ClaimFinding:
    """The figures on "fails at a sudden drop", from the one-step forecasts of `cells`; they decide nothing.

    The test part has one largest fall. However many replicates forecast it, they are all of that one day, and say
    nothing of another fall; the figures are the error there, that of persistence, which is the fall itself, and the
    network's own typical error, the median of the others. All intervals hold together.
    """
    cases = list(_cases(cells, tables))
    if not cases:
        return ClaimFinding(text, ClaimOutcome.NOT_MEASURED, sentence(cases))
    said = "it rests on one day of the test part, the largest fall, which shows nothing of others"
    return ClaimFinding(text, ClaimOutcome.INCONCLUSIVE, said, tuple(cases))


def _cases(cells: Sequence[Evidence], tables: Tables) -> Iterator[CaseFinding]:
    measured = [(cell, np.array([_errors(one) for one in one_step(cell, tables)])) for cell in cells]
    falling = [(cell, errors) for cell, errors in measured if len(errors) and errors[0, 2] > 0]
    level = level_of(len(falling))
    for cell, errors in falling:
        yield _case(f"{cell.dataset}, {cell.model}", *errors.T, level=level)


def _errors(own: OneStep) -> tuple[float, float, float]:
    """At the largest fall, of a typical point elsewhere, and the fall."""
    falls, errors = own.last - own.target, np.abs(own.prediction - own.target)
    there = int(np.argmax(falls))
    return float(errors[there]), float(np.median(np.delete(errors, there))), float(falls[there])


def _case(label: str, there: FloatArray, typical: FloatArray, fall: FloatArray, *, level: float) -> CaseFinding:
    text = (
        f"error {mean(there, level=level).text} at the largest fall of the test part, by {fall.mean():.3g}, "
        f"which is the error of persistence there; elsewhere typically {typical.mean():.3g}"
    )
    return label, ClaimOutcome.INCONCLUSIVE, text


LITTLE = 2
"""Points that a little delay may have."""


def similar(text: str, cells: Sequence[Evidence], tables: Tables) -> tuple[ClaimFinding, ClaimFinding]:
    """The verdicts on "matches closely, with a little delay": one on closeness, one on the delay.

    Closeness is held against repeating the last value, which looks close on every slow series. The delay is that of
    one-step forecasts.
    """
    close = [(_label(cell), tables.better_than_persistence(cell), in_numbers(cell)) for cell in cells]
    late = list(_late(cells, tables))
    repeats, explained = _repeats(cells, tables)
    return (
        ClaimFinding(f"{text}: closeness", over(close), _closeness(close, cells), tuple(close)),
        ClaimFinding(f"{text}: delay", over(late), "; ".join([sentence(late), *repeats]), tuple(late), explained),
    )


def _label(cell: Evidence) -> str:
    return f"{cell.dataset}, {cell.model}"


def _closeness(close: Sequence[CaseFinding], cells: Sequence[Evidence]) -> str:
    """How many err less than persistence, and how large the errors are next to its."""
    if not close:
        return sentence(close)
    less, more = (sum(outcome is each for _, outcome, _ in close) for each in (ClaimOutcome.HOLDS, ClaimOutcome.FAILS))
    reported = (
        f"of {len(close)} forecasts {less} are shown to err less than repeating the last value, and {more} to err more"
    )
    ratios = [known for cell in cells if (known := ratio(cell)) is not None]
    return (
        f"{reported}; their RMSE is {min(ratios):.3g} to {max(ratios):.3g} times as large as its"
        if ratios
        else reported
    )


def _late(cells: Sequence[Evidence], tables: Tables) -> Iterator[CaseFinding]:
    for cell in cells:
        delay = delay_of(cell, tables)
        if delay is not None:
            yield _label(cell), _little(delay), reported(delay)


def _little(delay: Delay) -> ClaimOutcome:
    if not delay.shown:
        return ClaimOutcome.INCONCLUSIVE
    return ClaimOutcome.HOLDS if 0 < delay.steps <= LITTLE else ClaimOutcome.FAILS


def reported(delay: Delay) -> str:
    """The delay in numbers."""
    steps = f"{delay.steps} {'step' if abs(delay.steps) == 1 else 'steps'}"
    doubt = ", not shown to be late" if delay.significant and not delay.shown else ""
    return (
        f"{steps} at a correlation of {delay.correlation:.2f}, where chance gives up to {delay.chance:.2f}; "
        f"without lag {delay.at_zero:.2f}{doubt}"
    )


def _repeats(cells: Sequence[Evidence], tables: Tables) -> tuple[list[str], str]:
    """In how many cells the one-step forecasts follow the last value more closely than the one they are of.

    And what that explains, where it is so in most.
    """
    followed = [follows for cell in cells if (follows := _follows_last(cell, tables)) is not None]
    if not followed:
        return [], ""
    counted = (
        f"in {sum(followed)} of {len(followed)} the one-step forecasts lie, but for a constant, nearer to the last "
        "known value than to the one they are of"
    )
    if 2 * sum(followed) <= len(followed):
        return [counted], ""
    reason = "the curves look alike because the last value is repeated"
    return [f"{counted}: {reason}"], f"{reason[0].upper()}{reason[1:]}: {counted}"


def _follows_last(cell: Evidence, tables: Tables) -> bool | None:
    forecasts = list(one_step(cell, tables))
    if not forecasts:
        return None
    from_last = np.mean([np.var(each.prediction - each.last) for each in forecasts])
    from_target = np.mean([np.var(each.prediction - each.target) for each in forecasts])
    return bool(from_last < from_target)


REPEATED_TARGETS = "targets: same-at-every-step"
"""The departure that asks every step of a window for the one value after it."""

SAME_RATIO = 1.05
"""Below this ratio of two RMSEs the target is not what makes a network fail."""

_WORSE = {ClaimOutcome.HOLDS: ClaimOutcome.FAILS, ClaimOutcome.FAILS: ClaimOutcome.HOLDS}

_SAYS = {
    ClaimOutcome.HOLDS: "worse than repeating the last value",
    ClaimOutcome.FAILS: "better than it",
    ClaimOutcome.INCONCLUSIVE: "not shown to differ from it",
    ClaimOutcome.NOT_MEASURED: "not tested against it",
}


def ablation(text: str, cells: Sequence[Evidence], protocol: Sequence[Evidence], tables: Tables) -> ClaimFinding:
    """The verdict on "the network fails", from the `cells` of its card as published.

    Each is held against persistence, and the same networks under the protocol next to them: these say whether it is
    the training that fails. The network whose every step is requested the one value after the window is held against
    the same one whose target is that of the last step only, replicate by replicate.
    """
    if not cells:
        return ClaimFinding(text, ClaimOutcome.NOT_MEASURED, "no replicate finished")
    own = [_ablation_case(cell, tables) for cell in cells]
    others = [_ablation_case(cell, tables, how=", protocol") for cell in protocol]
    parts = [_says("as published", own), *([_says("under the protocol", others)] if others else [])]
    said, explained = _target_says(cells)
    return ClaimFinding(text, over(own), "; ".join([*parts, *said]), (*own, *others), explained)


def _ablation_case(cell: Evidence, tables: Tables, *, how: str = "") -> CaseFinding:
    better = tables.better_than_persistence(cell)
    return f"{cell.dataset}, {cell.model}{how}", _WORSE.get(better, better), in_numbers(cell)


def _says(how: str, cases: Sequence[CaseFinding]) -> str:
    tally = Counter(outcome for _, outcome, _ in cases)
    counted = ", ".join(f"{tally[outcome]} {words}" for outcome, words in _SAYS.items() if tally[outcome])
    return f"{how}, of {len(cases)} {'network' if len(cases) == 1 else 'networks'} {counted}"


def _target_says(cells: Sequence[Evidence]) -> tuple[list[str], str]:
    """How much larger the error is where every step has the same target, and what that explains.

    Nothing where it was not run.
    """
    requested = next((cell for cell in cells if REPEATED_TARGETS in cell.departures), None)
    plain = next((cell for cell in cells if cell.departures and REPEATED_TARGETS not in cell.departures), None)
    if requested is None or plain is None:
        return [], ""
    shared = sorted(set(requested.seeds) & set(plain.seeds))
    mse = [dict(zip(cell.seeds, cell.numbers["mse"].tolist(), strict=True)) for cell in (requested, plain)]
    comparison = paired(*(np.array([own[seed] for seed in shared]) for own in mse))
    ends = (comparison.ratio, comparison.ratio_low, comparison.ratio_high)
    ratio, low, high = (float(np.sqrt(np.maximum(number, 0.0))) for number in ends)
    said = _ratio_says(ratio, low, high)
    slip = f"Part of the {requested.spec.model_kind.upper()}'s failure is a slip in the loss"
    return [said], f"{slip}: {said.partition(':')[0]}" if low > 1 else ""


def _ratio_says(ratio: float, low: float, high: float) -> str:
    """What follows of a ratio of RMSEs and its interval, whose ends are NaN where they are not known."""
    over = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    reported = f"asking every step for one value multiplies the RMSE by {ratio:.3g}{over}"
    if high < SAME_RATIO:
        return f"{reported}: the target is not what fails"
    if low > 1:
        return f"{reported}: part of the failure is the target, not the network"
    return f"{reported}: whether the target matters is inconclusive"


NEARLY_EQUAL = 0.05
"""Two errors are close where what is explained differs by less than this twentieth of what can be."""

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
        return (ablation(claim.text, cells, protocol, tables),)
    if claim.test == "sudden-drop":
        return (sudden_drop(claim.text, cells, tables),)
    if claim.test == "delayed":
        return similar(claim.text, cells, tables)
    groups = [group for group in rivals(cells) if set(claim.models) <= group.cells.keys()]
    cases = list(_TESTS[claim.test](claim, groups, tables)) if groups else []
    outcome = somewhere(cases) if claim.test == "comparable-in-some" else over(cases)
    return (ClaimFinding(claim.text, outcome, sentence(cases), tuple(cases)),)


def rivals(cells: Sequence[Evidence]) -> list[Rivals]:
    """The cells, those together that differ in the kind of their model alone."""
    groups: dict[tuple[object, ...], dict[str, Evidence]] = {}
    labels: dict[tuple[object, ...], str] = {}
    for cell in cells:
        own = cell.spec.model_parameters
        size = {name: own[name] for name in ("hidden_size", "layers") if name in own}
        key = (cell.dataset, cell.sequence_length, cell.horizon, cell.departures, json.dumps(size, sort_keys=True))
        groups.setdefault(key, {})[cell.spec.model_kind] = cell
        labels[key] = f"{cell.dataset}, length {cell.sequence_length}, {size.get('hidden_size', '?')} units"
    return [Rivals(labels[key], group) for key, group in groups.items()]


def _training_time(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[CaseFinding]:
    probes = tables.probes()
    for group in groups if probes is not None else ():
        medians = [step_times(probes, group.cells[kind]) for kind in claim.models]
        known = [median for median in medians if median is not None]
        if len(known) == len(medians):
            text = ", ".join(f"{kind} {in_milliseconds(m)}" for kind, m in zip(claim.models, known, strict=True))
            yield group.label, _all(slower(later, earlier) for earlier, later in pairwise(known)), text


def _equal_errors(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[CaseFinding]:  # noqa: ARG001 - one signature
    for label, low, high, text in _gaps(claim, groups):
        apart = low > NEARLY_EQUAL or high < -NEARLY_EQUAL
        yield (
            label,
            ClaimOutcome.HOLDS
            if low > -NEARLY_EQUAL and high < NEARLY_EQUAL
            else ClaimOutcome.FAILS
            if apart
            else ClaimOutcome.INCONCLUSIVE,
            text,
        )


def _no_worse(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[CaseFinding]:  # noqa: ARG001 - one signature
    for label, low, high, text in _gaps(claim, groups):
        yield (
            label,
            ClaimOutcome.HOLDS
            if low > -NEARLY_EQUAL
            else ClaimOutcome.FAILS
            if high < -NEARLY_EQUAL
            else ClaimOutcome.INCONCLUSIVE,
            text,
        )


def _gaps(claim: Claim, groups: Sequence[Rivals]) -> Iterator[tuple[str, float, float, str]]:
    """Of each case, the interval of what the first kind explains more than the second, and the numbers in words."""
    level = level_of(len(groups))
    for group in groups:
        first, second = (_explained(group.cells[kind]) for kind in claim.models[:2])
        gap = mean(*_paired(first, second), level=level)
        names = f"{claim.models[0]} less {claim.models[1]}"
        signed = partial(fixed, places=3, sign="+")
        yield group.label, gap.low, gap.high, f"{names} {signed(gap.value)}{gap.over(signed)}, {gap.count} pairs"


def _short_memory(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[CaseFinding]:  # noqa: ARG001 - one signature
    groups = [group for group in groups if claim.beyond is None or _steps(group) >= claim.beyond]
    level = level_of(2 * len(groups))
    for group in groups:
        weak, strong = claim.models[:2]
        states = {kind: _solves(_explained(group.cells[kind]), level) for kind in (weak, strong)}
        if states[strong][0] is not True or states[weak][0] is None:
            outcome = ClaimOutcome.INCONCLUSIVE
        else:
            outcome = ClaimOutcome.FAILS if states[weak][0] else ClaimOutcome.HOLDS
        yield group.label, outcome, ", ".join(f"{kind} {text}" for kind, (_, text) in states.items())


def _steps(group: Rivals) -> int:
    """Over how many steps a value must be remembered: the lag of the data where it has one, else its length."""
    cell = next(iter(group.cells.values()))
    return int(cell.spec.dataset_parameters.get("lag") or cell.sequence_length)


def _gates(claim: Claim, groups: Sequence[Rivals], tables: Tables) -> Iterator[CaseFinding]:  # noqa: ARG001 - one signature
    for group in groups:
        counted = {kind: _counted(group.cells[kind]) for kind in claim.models}
        text = ", ".join(f"{kind} {count:g}" for kind, count in counted.items())
        right = all(count == GATES[kind] for kind, count in counted.items())
        yield group.label, ClaimOutcome.HOLDS if right else ClaimOutcome.FAILS, f"from the parameters: {text}"


_TESTS: Mapping[str, Callable[[Claim, Sequence[Rivals], Tables], Iterator[CaseFinding]]] = {
    "training-time": _training_time,
    "comparable-in-some": _equal_errors,
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
    estimate = mean(np.array(list(values.values())), level=level)
    state = True if estimate.low > SOLVED else False if estimate.high < SOLVED else None
    write = partial(fixed, places=3)
    return state, f"{write(estimate.value)}{estimate.over(write)}"


def _counted(cell: Evidence) -> float:
    parameters = cell.mean("parameters")
    inputs = cell.shapes["train_inputs"][2]
    hidden = cell.spec.model_parameters["hidden_size"]
    return gates(int(parameters or 0), inputs, hidden, cell.shapes["train_targets"][2])


def _all(parts: Iterator[ClaimOutcome]) -> ClaimOutcome:
    outcomes = set(parts)
    return (
        ClaimOutcome.FAILS
        if ClaimOutcome.FAILS in outcomes
        else ClaimOutcome.INCONCLUSIVE
        if ClaimOutcome.INCONCLUSIVE in outcomes
        else ClaimOutcome.HOLDS
    )
