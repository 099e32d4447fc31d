"""How the kernels are compiled: without the interpreter's lock, once per dtype, cached on disk, by one process.

numba's disk cache has two traps; the name under which `entry` compiles avoids both. First, numba looks for changes only
in the file of the function itself: the name contains a digest of every file here. Second, if two processes compile two
signatures of one function at the same moment, each may load the other's machine code, since the files are numbered
within a name: each dtype has its own name.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from filelock import FileLock
from numba import config, extending, njit
from numba.core import event
from numpy.typing import NDArray

from bench import scratch, work_clock

Array = NDArray[Any]

scratch.settle_kernels()
# numba has read the variable when it was imported; its types do not name what it reads
config.CACHE_DIR = os.environ.get(scratch.KERNELS, "")  # type: ignore[attr-defined]


class _Compiling(event.Listener):
    """Stops the clock while numba compiles a kernel, or reads one from disk."""

    def on_start(self, event: object) -> None:  # noqa: ARG002 - numba's signature
        work_clock.stop()

    def on_end(self, event: object) -> None:  # noqa: ARG002 - numba's signature
        work_clock.go_on()


class _Compiles(event.Listener):
    """Says that a kernel is compiled, and not read from disk."""

    def on_start(self, event: object) -> None:  # noqa: ARG002 - numba's signature
        work_clock.COMPILES.get()()

    def on_end(self, event: object) -> None:
        """Nobody asks."""


event.register("numba:compiler_lock", _Compiling())
event.register("numba:compile", _Compiles())


P = ParamSpec("P")
R = TypeVar("R")


def _digest() -> str:
    """Eight hexadecimal digits of the sources in this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:8]


_SOURCES = _digest()
_ENTRY: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False}  # arrays are given: none is counted
_INNER: dict[str, Any] = {**_ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only compiled functions call; it becomes a part of them."""
    return cast(Callable[P, R], njit(**_INNER)(function))


def part(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a function that is called in one place: numba copies it there before it compiles.

    An `inner` function is optimised once for itself, and again in every function around it. In long chains of calls
    that doubles the time to compile.
    """
    return cast(Callable[P, R], njit(inline="always", **_INNER)(function))


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Define what compiled code calls by the IR that it becomes; only numba knows the types of such a call."""
    return cast(Callable[..., Any], extending.intrinsic(function))


def waiting(compiled: Callable[P, R]) -> Callable[P, R]:
    """Let one process compile a cached function for all: the others wait, and then read it from disk.

    Workers start together and need the same kernels first. Compiling them takes as long as a small suite, and takes
    the cores from each other.
    """
    cached: Any = compiled
    lock = Path(cached.stats.cache_path) / f"{cached.py_func.__qualname__}.lock"
    ready = False

    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        nonlocal ready
        if ready:
            return compiled(*arguments, **keywords)
        lock.parent.mkdir(parents=True, exist_ok=True)
        file_lock = FileLock(lock)
        with work_clock.stopped():
            file_lock.acquire()
        try:
            result = compiled(*arguments, **keywords)
        finally:
            file_lock.release()
        ready = True
        return result

    return call


def entry(function: Callable[P, R]) -> Callable[[np.dtype[Any]], Callable[P, R]]:
    """Compile a function that Python calls: the result gives the compiled function of a dtype."""
    made: dict[np.dtype[Any], Callable[P, R]] = {}

    def of(dtype: np.dtype[Any]) -> Callable[P, R]:
        if dtype not in made:
            copy = FunctionType(function.__code__, function.__globals__)
            copy.__qualname__ = f"{function.__name__}_{dtype.name}_{_SOURCES}"
            made[dtype] = waiting(cast(Callable[P, R], njit(cache=True, **_ENTRY)(copy)))
        return made[dtype]

    return of
