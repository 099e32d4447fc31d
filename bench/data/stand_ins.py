"""Other random numbers, or another file, in the place of a dataset's own, for the length of a ``with`` block.

A check for leaks changes what a series is made from and looks at what comes out of its loader. Generated datasets draw
from `stream`, pinned files are opened by `locate`: both ask here first. Outside of such a block nothing is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from bench.errors import BenchError
from bench.seeds import generator


class CannotReplace(BenchError):
    """What a dataset is made from cannot be replaced in part; the message says why."""


@dataclass(frozen=True)
class _Draws:
    """Every array of draws holds other numbers from row `first` on."""

    first: int
    seed: int


_DRAWS: ContextVar[_Draws | None] = ContextVar("draws", default=None)
_FILES: ContextVar[Mapping[str, Path]] = ContextVar("files", default=MappingProxyType({}))


@contextmanager
def other_draws(first: int, seed: int) -> Iterator[None]:
    """From row `first` on, every array that a data stream gives holds draws of another stream, chosen by `seed`."""
    token = _DRAWS.set(_Draws(first, seed))
    try:
        yield
    finally:
        _DRAWS.reset(token)


@contextmanager
def other_files(files: Mapping[str, Path]) -> Iterator[None]:
    """The pinned files of these names are read from these paths, whatever their content."""
    token = _FILES.set(files)
    try:
        yield
    finally:
        _FILES.reset(token)


def stand_in(name: str) -> Path | None:
    """What to read in the place of the pinned file `name`; `None` for the file itself."""
    return _FILES.get().get(name)


def data_generator(seed: int, *name: str | int) -> np.random.Generator:
    """The generator of the data stream `name` under `seed`, or its stand-in."""
    own, replaced = generator(seed, *name), _DRAWS.get()
    if replaced is None:
        return own
    other = generator(replaced.seed, "canary", "draws", *name)
    return cast(np.random.Generator, _Spliced(own, other, replaced.first))


@dataclass(frozen=True)
class _Spliced:
    """A generator: the first rows of every array of draws are those of `own`, the others those of `other`."""

    own: np.random.Generator
    other: np.random.Generator
    first: int

    def __getattr__(self, method: str) -> Callable[..., Any]:
        own, other = getattr(self.own, method), getattr(self.other, method)

        def draw(*arguments: Any, **options: Any) -> Any:
            if any(isinstance(value, np.ndarray) for value in (*arguments, *options.values())):
                # How many bits a draw takes may depend on its bounds: later draws would differ in every row.
                raise CannotReplace(f"{method} is given an array, which may itself have been drawn")
            numbers, others = own(*arguments, **options), other(*arguments, **options)
            if isinstance(numbers, np.ndarray) and len(numbers) > self.first:
                numbers[self.first :] = others[self.first :]
            return numbers

        return draw
