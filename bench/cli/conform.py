"""``bench new`` and ``bench conform``: a torch module of the user's own, to begin from; it or a forecaster checked."""

import json
import keyword
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.atomic import write_atomically
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
    left = ", ".join(results[-1].left)
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


_MODEL = '''"""{title}: a model of your own for bench."""

from torch import Tensor, nn


class {title}(nn.Module):
    """Map windows ``[B, T, C]`` to forecasts ``[B, H, D]``.

    bench gives `sequence_length` (T), `horizon` (H), `channels` (C) and `outputs` (D) to parameters of these names;
    a suite may set the others, and search them.
    """

    def __init__(self, sequence_length: int, horizon: int, channels: int, outputs: int, hidden_size: int = 32) -> None:
        super().__init__()
        self.hidden = nn.Linear(sequence_length * channels, hidden_size)
        self.head = nn.Linear(hidden_size, horizon * outputs)
        self.target = horizon, outputs

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C] -> [B, H, D]``."""
        hidden = self.hidden(x.flatten(1)).relu()
        return self.head(hidden).unflatten(-1, self.target)
'''

_TEST = '''"""The checks of ``bench conform`` for {title}; run with ``pytest {test}``."""

import sys
from pathlib import Path

from bench.testing import ModuleConformance

sys.path.insert(0, str(Path(__file__).parent))

from {name} import {title}  # noqa: E402


class Test{title}(ModuleConformance):
    """A test for each check; parameters of the module are set here as in a suite."""

    module = {title}
    parameters = {{"hidden_size": 8}}
'''

_SUITE = """# Run with: bench run {suite} --allow-plugin
name: {name}
datasets: [noisy-sine]
models:
  - persistence
  - linear-ar
  - lstm
  - {{id: {name}, kind: ./{name}.py:{title}, hidden_size: 32}}
sequence_lengths: [24]
seeds: 3
training: {{epochs: 20}}
tuning: false
"""


def _taken(name: str) -> str | None:
    """What Python would import, or read, in place of a file of that name; `None` where it would be the file."""
    if keyword.iskeyword(name):
        return "a word of Python's own"
    if name in sys.stdlib_module_names:
        return "a module of Python's own"
    return "an installed package" if name in metadata.packages_distributions() else None


def new_model(name: str, folder: Path) -> str:
    """Write the module, its test and a suite that compares it into `folder`, and say what to do with them.

    Raises
    ------
    InputError
        The name is none of a module, or a file is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", name):
        raise InputError(f"expected the name of a module, in lower-case letters, digits and '_', got {name!r}")
    if taken := _taken(name):
        raise InputError(f"expected the name of a new module, got {name!r}, which is {taken}; name it my_{name}, say")
    title = "".join(part.capitalize() for part in name.split("_"))
    test, suite = f"test_{name}.py", f"{name}.yaml"
    files = {f"{name}.py": _MODEL, test: _TEST, suite: _SUITE}
    if there := [each for each in files if (folder / each).exists()]:
        raise InputError(f"{folder / there[0]} is there already; give another name, or move it away")
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder, got none; make it first")
    for file, text in files.items():
        write_atomically(folder / file, text.format(name=name, title=title, test=test, suite=suite))
    address = f"{name}.py:{title}"
    return (
        f"{folder / f'{name}.py'}: the module; {test}: its test; {suite}: a suite that compares it\n\n"
        f"  bench conform ./{address}\n  pytest {test}\n  bench run {suite} --allow-plugin"
    )
