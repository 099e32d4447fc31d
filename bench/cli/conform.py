"""``bench conform``: is a torch module of the user's own fit to be a model? One line for each check."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.cli.terminal import say
from bench.conformance.child import NAMES, Examination, examine
from bench.errors import InputError
from bench.registry import is_address
from bench.text import aligned


def conformed(examination: Examination, settings: Sequence[str]) -> int:
    """Print each check as it is known, and return the exit status."""
    if not is_address(examination.address):
        raise InputError(f"expected FILE:CLASS, such as ./mynet.py:MyNet, got {examination.address!r}")
    widths = [len("FAILED"), max(map(len, NAMES))]
    results = []
    for result in examine(replace(examination, given=given(settings))):
        say(aligned(["ok" if result.passed else "FAILED", result.name, result.words], widths))
        results.append(result)
    failed = [result.name for result in results if not result.passed]
    left = ", ".join(NAMES[len(results) :])
    if failed:
        without = f"; not run: {left}" if left else ""
        say(f"\n{examination.address} is refused by {', '.join(failed)}{without}")
    else:
        say(f"\n{examination.address} passes: name it in a suite as kind, and run that with --allow-plugin")
    return int(bool(failed))


def given(settings: Sequence[str]) -> dict[str, Any]:
    """The parameters of ``--set NAME=VALUE``: numbers, true, false and null as in a suite, anything else as text.

    Raises
    ------
    InputError
        One is not of that form.
    """
    values: dict[str, Any] = {}
    for text in settings:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InputError(f"--set {text}: expected NAME=VALUE, such as --set hidden_size=8")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
