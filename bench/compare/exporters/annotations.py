"""What closes a gate as annotations of GitHub Actions: its workflow commands ``::error file=…::…``.

See https://docs.github.com/actions/reference/workflow-commands-for-github-actions. GitHub shows ten of a kind for
each step, so the tenth tells how many more there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.compare.exporters.sentences import effect_of
from bench.compare.values import Comparison, Place

SHOWN = 10

_IN_MESSAGES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTIES = {**_IN_MESSAGES, ":": "%3A", ",": "%2C"}


def to_annotations(comparison: Comparison) -> str:
    """One line for each alarm or cell that cannot be compared; a notice where there is none."""
    problems = _problems(comparison)
    lines = [_told("error", comparison, str(place), why) for place, why in problems.items()]
    warnings = [_told("warning", comparison, comparison.suite, caution) for caution in comparison.cautions]
    if len(lines) > SHOWN:
        more = f"{len(lines) - SHOWN + 1} more cells got worse or cannot be compared; the summary lists them"
        lines = [*lines[: SHOWN - 1], _told("error", comparison, "and more", more)]
    quiet = [_told("notice", comparison, comparison.suite, f"nothing got worse: {comparison.verdict}")]
    return "\n".join([*(lines or quiet), *warnings])


def _problems(comparison: Comparison) -> dict[Place, str]:
    cells = {cell.place: cell for cell in comparison.cells}
    found = {
        place: f"{what}{effect_of(cells[place]) if place in cells else ''}"
        for place, what in comparison.alarms().items()
    }
    return found | {
        cell.place: f"not comparable: {'; '.join(cell.notes)}"
        for cell in comparison.incomparable()
        if cell.place not in found
    }


def _told(kind: str, comparison: Comparison, title: str, message: str) -> str:
    return command(kind, {"file": comparison.gate_file, "title": title}, message)


def command(kind: str, properties: Mapping[str, str], message: str) -> str:
    """One workflow command; properties that are empty are left out."""
    given = ",".join(f"{key}={_escaped(value, _IN_PROPERTIES)}" for key, value in properties.items() if value)
    return f"::{kind} {given}::{_escaped(message, _IN_MESSAGES)}"


def _escaped(text: str, rules: Mapping[str, str]) -> str:
    return "".join(rules.get(character, character) for character in text)
