"""``KEY=GLOB`` filters over cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.errors import InputError
from bench.registry import unknown
from bench.suite.cells import Cell, named

KEYS: Mapping[str, Callable[[Cell], str]] = {
    "dataset": lambda cell: cell.dataset.id,
    "model": lambda cell: cell.model.id,
    "sequence_length": lambda cell: str(cell.sequence_length),
    "horizon": lambda cell: str(cell.horizon),
}


def only(cells: Sequence[Cell], filters: Sequence[str]) -> list[Cell]:
    """The cells that match: any of the globs given for one key, and every key given.

    Parameters
    ----------
    cells
        In the order of the suite, which is kept.
    filters
        Such as ``"dataset=noisy*"``; none keeps every cell.

    Raises
    ------
    InputError
        A filter is not ``KEY=GLOB``, its key is unknown, it matches nothing, or all of them together do.
    """
    globs: dict[str, list[str]] = {}
    for text in filters:
        key, glob = _parsed(text)
        present = sorted({KEYS[key](cell) for cell in cells})
        if not any(named(value, glob) for value in present):
            hint = f"; {_hint(key, glob)}" if any(value.startswith(glob) for value in present) else ""
            raise InputError(f"--only {text}: matches no {key} of this suite (it has: {', '.join(present)}){hint}")
        globs.setdefault(key, []).append(glob)
    chosen = [cell for cell in cells if _matches(cell, globs)]
    if not chosen:
        raise InputError(f"--only {' --only '.join(filters)}: no cell of this suite matches all of these")
    return chosen


def _parsed(text: str) -> tuple[str, str]:
    key, separator, glob = text.partition("=")
    if not separator or not glob:
        raise InputError(f"--only {text}: expected KEY=GLOB, such as --only 'model=lstm*' (keys: {', '.join(KEYS)})")
    if key not in KEYS:
        raise InputError(f"--only {text}: {unknown(key, KEYS, 'key')}")
    return key, glob


def _hint(key: str, beginning: str) -> str:
    return f"for all that begin so: --only '{key}={beginning}*'"


def _matches(cell: Cell, globs: Mapping[str, Sequence[str]]) -> bool:
    return all(any(named(KEYS[key](cell), glob) for glob in choices) for key, choices in globs.items())
