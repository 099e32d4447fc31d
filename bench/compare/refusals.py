"""What keeps two result sets from being compared at all, pair by pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.compare.sides import ResultSet
from bench.errors import InputError
from bench.report.text import listed


def check_pair(old: ResultSet, new: ResultSet, metrics: Iterable[str]) -> None:
    """Refuse results of different suites, without a metric that is looked at, or without a cell in common.

    Raises
    ------
    InputError
        One line for each pair of things that do not go together.
    """
    problems = [*_suites(old, new), *_metrics(old, new, metrics)]
    if not problems and not old.sides.keys() & new.sides.keys():
        problems = [_nothing_in_common(old, new)]
    if problems:
        raise InputError("\n".join(problems))


def _suites(old: ResultSet, new: ResultSet) -> Iterator[str]:
    if old.suites and new.suites and old.suites != new.suites:
        yield (
            f"suite: expected results of one suite, got {listed(old.suites)} before and {listed(new.suites)} now; "
            "compare results of the same suite"
        )


def _metrics(old: ResultSet, new: ResultSet, metrics: Iterable[str]) -> Iterator[str]:
    if not (old.layout.ok.any() and new.layout.ok.any()):
        return  # what did not finish has no values, and is named as such
    for metric in metrics:
        held = {"before": old.has(metric), "now": new.has(metric)}
        if any(held.values()) and not all(held.values()):
            has, lacks = sorted(held, key=lambda side: not held[side])
            yield (
                f"metric {metric}: expected values in both result sets, got some {has} and none {lacks}; "
                "run both with one version of bench, or leave it out of the suite's gate"
            )


def _nothing_in_common(old: ResultSet, new: ResultSet) -> str:
    def names(found: ResultSet) -> str:
        shown = [str(place) for place in sorted(found.sides)[:3]]
        more = len(found.sides) - len(shown)
        return (listed(shown) or "no cell") + (f" and {more} more" if more else "")

    return (
        f"expected cells that both result sets have, found none: the old one has {names(old)}; the new one {names(new)}"
    )
