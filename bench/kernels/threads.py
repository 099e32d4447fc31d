"""Running a kernel's tasks on as many threads as torch uses, `torch.get_num_threads()`.

Kernels hold no interpreter lock, so Python's own threads do; numba's are neither safe to call from two threads nor
after a fork. The caller's thread works too: with one thread, no other is started.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import torch

PARTS = 4
"""Shares per thread: a thread that is held up by other processes leaves its shares to the others."""

LEAST_WORK = 4_000_000
"""Floating-point operations below which a second thread costs more than it saves."""


def run(kernel: Callable[[int, int], None], tasks: int, work: int) -> None:
    """Call ``kernel(first, last)`` for ranges that cover ``0 … tasks - 1``; `work` is in floating-point operations."""
    shares = parts_of(tasks, work)
    if shares == 1:
        kernel(0, tasks)
        return
    threads = min(torch.get_num_threads(), tasks)
    bounds = [tasks * share // shares for share in range(shares + 1)]
    ranges = iter(list(pairwise(bounds)))  # a list's iterator gives each item to one thread only
    others = [_executor(os.getpid(), threads - 1).submit(_work, kernel, ranges) for _ in range(threads - 1)]
    try:
        _work(kernel, ranges)
    finally:
        for other in others:
            other.result()


def parts_of(tasks: int, work: int) -> int:
    """How many calls `run` makes."""
    threads = min(torch.get_num_threads(), tasks)
    return 1 if threads == 1 or work < LEAST_WORK else min(tasks, PARTS * threads)


def _work(kernel: Callable[[int, int], None], ranges: Iterator[tuple[int, int]]) -> None:
    for first, last in ranges:
        kernel(first, last)


@lru_cache(maxsize=1)
def _executor(process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of this process: the child of a fork inherits the object but no thread, and makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"bench-kernels-{process}")
