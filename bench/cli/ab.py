"""``bench ab``: measure until every verdict is there or the time is over, and report the verdicts.

The report is a Markdown table, which a step summary shows, and the reasons for the exit status.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.ab.agent import CALIBRATION
from bench.ab.process import requested
from bench.ab.rounds import Pair, PairSession, Shared
from bench.ab.speed import Conclusion, Ratio, Speed, Target, concluded, is_look
from bench.ab.worktree import base_of, head_of, repository_of
from bench.api.folders import loaded
from bench.cells import expand
from bench.choices import Environment
from bench.cli.terminal import ending, say, show_markdown
from bench.errors import InputError
from bench.running.plan import only


@dataclass(frozen=True)
class Measurements:
    """Everything that there is to say.

    Parameters
    ----------
    target
        What was requested.
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


def status(measured: Measurements) -> int:
    """0 nothing is slower, 1 something is, 2 some of it cannot be compared, 3 undecided: the machine is too noisy."""
    conclusion = measured.conclusion
    if conclusion.having(Speed.SLOWER) and not conclusion.unequal:
        return 1
    if measured.shared.lost:
        return 2
    return 3 if conclusion.unequal or conclusion.having(Speed.UNDECIDED) else 0


def written(measured: Measurements) -> str:
    """All of it as Markdown."""
    base, head = measured.sides
    count = measured.conclusion.count
    lines = [
        f"Speed of `{head}` against `{base}`: {count} pairs of processes in {measured.seconds:.0f} s.",
        "",
        "| work | base | head | ratio | interval | verdict |",
        "|---|---|---|---|---|---|",
        *(_line(measured, name, ratio) for name, ratio in measured.conclusion.ratios.items()),
        _line(measured, CALIBRATION, measured.conclusion.calibration),
        *(f"| {name} | | | | | not comparable |" for name in measured.shared.lost),
        *(f"| {name} | | | | | new |" for name in measured.shared.new),
        *(f"| {name} | | | | | not judged |" for name in measured.shared.small),
        "",
        *reasons(measured),
    ]
    return "\n".join(lines)


def reasons(measured: Measurements) -> Iterator[str]:
    """A sentence for everything that decides the exit status, or one that says that nothing does."""
    for name, why in (*measured.shared.lost.items(), *measured.shared.new.items(), *measured.shared.small.items()):
        yield f"{name}: {why}."
    for package, same in measured.shared.external.items():
        yield f"{package} is not of this repository: {'equal on both sides' if same else 'each side has its own'}."
    conclusion, limit = measured.conclusion, f"{measured.target.slowdown:.0%}"
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
        yield _undecided(measured, open_names)
    if status(measured) == 0:
        yield f"Nothing is slower by {limit}, which would have been seen with probability {measured.target.power:g}."


def _undecided(measured: Measurements, names: list[str]) -> str:
    """How far the measuring got, and what would help."""
    needed = max(measured.conclusion.ratios[name].pairs for name in names)
    minutes = needed * measured.seconds / measured.conclusion.count / 60
    return (
        f"Cannot decide: this machine is too noisy to see a slowdown of {measured.target.slowdown:.0%} from none "
        f"within the time limit, for {', '.join(names)}. At this noise it takes about {needed} pairs, "
        f"{minutes:.0f} min: raise --time-limit, end other work on the machine, or request a larger --slowdown."
    )


def _change(ratio: Ratio) -> str:
    low, high = (f"{100 * (bound - 1):+.1f} %" for bound in (ratio.low, ratio.high))
    return f"{abs(ratio.value - 1):.1%} {'longer' if ratio.value > 1 else 'less'} ({low} to {high})"


def _line(measured: Measurements, name: str, ratio: Ratio) -> str:
    base, head = (_time(median(seconds[name] for seconds in side)) for side in _sides(measured))
    verdict = ratio.verdict.value if name != CALIBRATION else "differs" if measured.conclusion.unequal else "equal"
    return f"| {name} | {base} | {head} | {ratio.value:.3f} | {ratio.low:.3f} – {ratio.high:.3f} | {verdict} |"


def _sides(measured: Measurements) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    return [dict(pair.base_s) for pair in measured.pairs], [dict(pair.head_s) for pair in measured.pairs]


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


@dataclass(frozen=True)
class AbRequest:
    """The options of ``bench ab``, as typed."""

    base_ref: str
    suite: str
    only: tuple[str, ...]
    slowdown: float
    power: float
    time_limit_s: float
    environment: Environment
    output: Path | None


def compared(request: AbRequest) -> int:
    """Carry out `request` and return the exit status."""
    suite = loaded(request.suite)
    target = Target(request.slowdown, request.power, suite.gate.alpha)
    cells = only(list(expand(suite)), request.only)
    if request.output:
        _check(request.output)
    repository = repository_of(Path.cwd())
    with ending() as check, base_of(repository, request.base_ref, environment=request.environment) as base:
        session = PairSession(
            base, head_of(repository), requested(cells, base.root.parent / "cells")
        )  # gone with the base
        _progress(f"base {base.commit}, head {session.head.commit}: starting both")
        began = time.monotonic()
        shared = session.shared()
        _progress(f"{len(shared.names) - 1} works, at most {request.time_limit_s:.0f} s")
        spent = time.monotonic() - began
        outcome = decided(session.pairs(shared.names), target, limit_s=request.time_limit_s - spent, check=check)
    measured = Measurements(target, *outcome, shared=shared, sides=(base.commit, session.head.commit))
    text = written(measured)
    show_markdown(text)
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
    done: list[Pair] = []
    look = 0
    for pair in pairs:
        check()
        done.append(pair)
        now = time.monotonic()
        last = now - began + (now - before) > limit_s
        before = now
        if len(done) > 1 and (last or is_look(len(done))):
            look += 1
            conclusion = _concluded(done, target, look)
            _progress(f"{len(done)} pairs of processes in {now - began:.0f} s: {_open(conclusion)}")
            if last or conclusion.settled:
                return conclusion, done, now - began
    raise AssertionError("pairs do not end")


def _concluded(pairs: list[Pair], target: Target, look: int) -> Conclusion:
    samples = {name: [pair.log_ratios[name] for pair in pairs] for name in pairs[0].log_ratios}
    return concluded(samples, samples.pop(CALIBRATION), target, look=look)


def _open(conclusion: Conclusion) -> str:
    if conclusion.unequal:
        return "the calibration differs"
    widest = max(conclusion.ratios.values(), key=lambda ratio: ratio.high / ratio.low)
    return f"the widest interval is {widest.low:.3f} – {widest.high:.3f}"


def _progress(line: str) -> None:
    say(line, err=True)
