"""Seconds of one call, from blocks of calls that are long enough for the clock."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import torch

Call = Callable[[], Any]

BLOCK_S = 0.05
"""A block is about this long, so that the clock and the loop around the calls weigh nothing."""
WARM_S = 0.1
WARM_CALLS = 3


def synchroniser(device: str) -> Callable[[], None]:
    """What waits until everything that `device` was asked to do is done; a CPU is done when the call returns."""
    if torch.device(device).type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


class Timer:
    """Times one call on one device; making it warms the call up and finds how many make a block."""

    def __init__(self, call: Call, synchronise: Callable[[], None]) -> None:
        self._call = call
        self._synchronise = synchronise
        self._block(WARM_CALLS)  # the first calls choose algorithms, compile and allocate
        began, calls = time.perf_counter(), 0
        while calls < WARM_CALLS or time.perf_counter() - began < WARM_S:
            self._block(1)
            calls += 1
        self.calls = max(1, round(BLOCK_S * calls / (time.perf_counter() - began)))

    def sample(self) -> float:
        """Mean seconds of one call over one block; one call before it brings back what others took from the caches."""
        self._block(1)
        return self._block(self.calls) / self.calls

    def _block(self, calls: int) -> float:
        call, enabled = self._call, gc.isenabled()
        gc.disable()
        try:
            self._synchronise()
            began = time.perf_counter()
            for _ in range(calls):
                call()
            self._synchronise()
            return time.perf_counter() - began
        finally:
            if enabled:
                gc.enable()
