"""What ``bench ab`` says: a Markdown table, which a step summary shows, and the reasons for its exit status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.running.ab.agent import CALIBRATION
from bench.running.ab.session import Pair, Shared
from bench.stats.speed import Conclusion, Ratio, Speed, Target


@dataclass(frozen=True)
class Measured:
    """Everything that there is to say.

    Parameters
    ----------
    target
        What was asked for.
    conclusion, pairs, seconds
        What came of it, the raw numbers, and how long they took.
    shared
        What could be compared, and what could not.
    sides
        The commits of base and head.
    """

    target: Target
    conclusion: Conclusion
    pairs: list[Pair]
    seconds: float
    shared: Shared
    sides: tuple[str, str]


def status(found: Measured) -> int:
    """0 nothing is slower, 1 something is, 2 some of it cannot be compared, 3 undecided: the machine is too noisy."""
    conclusion = found.conclusion
    if conclusion.having(Speed.SLOWER) and not conclusion.unequal:
        return 1
    if found.shared.lost:
        return 2
    return 3 if conclusion.unequal or conclusion.having(Speed.UNDECIDED) else 0


def written(found: Measured) -> str:
    """All of it as Markdown."""
    base, head = found.sides
    count = found.conclusion.count
    lines = [
        f"Speed of `{head}` against `{base}`: {count} pairs of processes in {found.seconds:.0f} s.",
        "",
        "| work | base | head | ratio | interval | verdict |",
        "|---|---|---|---|---|---|",
        *(_line(found, name, ratio) for name, ratio in found.conclusion.ratios.items()),
        _line(found, CALIBRATION, found.conclusion.calibration),
        *(f"| {name} | | | | | not comparable |" for name in found.shared.lost),
        *(f"| {name} | | | | | new |" for name in found.shared.new),
        *(f"| {name} | | | | | not judged |" for name in found.shared.small),
        "",
        *reasons(found),
    ]
    return "\n".join(lines)


def reasons(found: Measured) -> Iterator[str]:
    """A sentence for everything that decides the exit status, or one that says that nothing does."""
    for name, why in (*found.shared.lost.items(), *found.shared.new.items(), *found.shared.small.items()):
        yield f"{name}: {why}."
    for package, same in found.shared.external.items():
        yield f"{package} is not of this repository: {'equal on both sides' if same else 'each side has its own'}."
    conclusion, limit = found.conclusion, f"{found.target.slowdown:.0%}"
    if conclusion.unequal:
        ratio = conclusion.calibration
        yield (
            f"Cannot decide: the calibration, which neither side changes, took {_change(ratio)} in the head's process. "
            "This machine treats the two sides differently; end other work on it, or use another."
        )
        return
    for name in conclusion.having(Speed.SLOWER):
        yield f"**Slower**: {name} takes {_change(conclusion.ratios[name])}."
    open_names = conclusion.having(Speed.UNDECIDED)
    if open_names and not conclusion.having(Speed.SLOWER):
        yield _undecided(found, open_names)
    if status(found) == 0:
        yield f"Nothing is slower by {limit}, which would have been seen with probability {found.target.power:g}."


def _undecided(found: Measured, names: list[str]) -> str:
    """How far the measuring got, and what would help."""
    needed = max(found.conclusion.ratios[name].pairs for name in names)
    minutes = needed * found.seconds / found.conclusion.count / 60
    return (
        f"Cannot decide: this machine is too noisy to tell a slowdown of {found.target.slowdown:.0%} from none within "
        f"the time limit, for {', '.join(names)}. At this noise it takes about {needed} pairs, {minutes:.0f} min: "
        "raise --time-limit, end other work on the machine, or ask for a larger --slowdown."
    )


def _change(ratio: Ratio) -> str:
    low, high = (f"{100 * (bound - 1):+.1f} %" for bound in (ratio.low, ratio.high))
    return f"{abs(ratio.value - 1):.1%} {'longer' if ratio.value > 1 else 'less'} ({low} to {high})"


def _line(found: Measured, name: str, ratio: Ratio) -> str:
    base, head = (_time(median(seconds[name] for seconds in side)) for side in _sides(found))
    verdict = ratio.verdict.value if name != CALIBRATION else "differs" if found.conclusion.unequal else "equal"
    return f"| {name} | {base} | {head} | {ratio.value:.3f} | {ratio.low:.3f} – {ratio.high:.3f} | {verdict} |"


def _sides(found: Measured) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    return [dict(pair.base_s) for pair in found.pairs], [dict(pair.head_s) for pair in found.pairs]


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
