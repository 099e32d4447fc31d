"""Large buffers that are used again.

What the forward pass keeps for the backward pass is large and lives for a moment. Memory of that size goes back to the
system each time, and each of its pages costs a fault when it is touched anew: a fifth of a training step.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALIGNMENT = 64  # bytes of a cache line
MOST_FREE_BYTES = 1 << 28
"""Above it buffers are given back to the system."""

_free: list[NDArray[np.uint8]] = []
_returned: deque[NDArray[np.uint8]] = deque()  # no longer in use, and not yet in `_free`
_lock = threading.Lock()


def buffer(size: int, dtype: torch.dtype) -> Tensor:
    """A flat tensor of `size` arbitrary numbers, whose memory is used again once nothing refers to it."""
    length = size * dtype.itemsize
    raw = _take(length + ALIGNMENT)
    start = -raw.ctypes.data % ALIGNMENT
    view = raw[start : start + length]
    tensor = torch.from_numpy(view).view(dtype)  # keeps `view` alive as long as its storage
    weakref.finalize(view, _give, raw).atexit = False
    return tensor


def release() -> None:
    """Give all buffers that are not in use back to the system."""
    with _lock:
        _collect()
        _free.clear()


def _take(length: int) -> NDArray[np.uint8]:
    """The smallest free buffer of at least `length` bytes and at most four times as many, or a new one."""
    with _lock:
        _collect()
        fits = [index for index, raw in enumerate(_free) if length <= raw.size <= 4 * length]
        if fits:
            return _free.pop(min(fits, key=lambda index: _free[index].size))
    return np.empty(length, np.uint8)


def _give(raw: NDArray[Any]) -> None:
    """Return a buffer; the garbage collector may call this at any moment, also while this thread has the lock."""
    _returned.append(raw)
    if _lock.acquire(blocking=False):
        try:
            _collect()
        finally:
            _lock.release()


def _collect() -> None:
    """Make free what was returned; the caller has the lock."""
    while _returned:
        _free.append(_returned.popleft())
    while sum(raw.size for raw in _free) > MOST_FREE_BYTES:
        _free.pop(0)  # the one unused for longest
