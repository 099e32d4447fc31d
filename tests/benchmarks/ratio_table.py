"""A comparison of ratios as Markdown."""

from __future__ import annotations

from ratio_verdicts import LEVEL, Change, Comparison, Verdict
from ratios import Place


def table(found: Comparison, *, threshold: float) -> str:
    """One line for each benchmark, then what it comes to."""
    stored, now = found.places
    lines = [
        f"Stored on {_reported(stored)}; now on {_reported(now)}.",
        "",
        f"| benchmark, to its reference | stored | now | change | interval, {LEVEL:.0%} | verdict |",
        "|---|---|---|---|---|---|",
        *(_line(name, change) for name, change in found.changes.items()),
        *(f"| {name} | – | {ratio:.3g} | – | – | new |" for name, ratio in found.new.items()),
        *(f"| {name} | – | – | – | – | vanished |" for name in found.vanished),
        "",
    ]
    return "\n".join(lines + _conclusions(found, threshold)) + "\n"


def _conclusions(found: Comparison, threshold: float) -> list[str]:
    slower = [name for name, change in found.changes.items() if change.verdict is Verdict.SLOWER]
    said = []
    if found.other:
        said.append(f"**Cannot compare**: {'; '.join(found.other)}. The references are other code: store again.")
    if not found.changes:
        said.append("**Cannot compare**: no benchmark is both stored and measured.")
    if found.vanished:
        said.append(f"**Vanished**: {'; '.join(found.vanished)}. Measure them again, or store again without them.")
    if slower:
        said.append(f"**Slower** by more than {threshold:.0%}: {'; '.join(slower)}.")
    if found.status == 0:
        said.append(f"Nothing is slower by more than {threshold:.0%}, as far as the intervals tell.")
    if len({(place.cpu, place.cores) for place in found.places}) > 1:
        said.append("The CPUs differ, and caches and vector units do not cancel in a ratio.")
    return said


def _line(name: str, change: Change) -> str:
    numbers = f"{change.stored:.3g} | {change.now:.3g} | {change.value - 1:+.0%}"
    return f"| {name} | {numbers} | {change.low - 1:+.0%} to {change.high - 1:+.0%} | {change.verdict} |"


def _reported(place: Place) -> str:
    return f"{place.cpu}, {place.cores} cores, Python {place.python}, commit {place.commit[:10]}"
