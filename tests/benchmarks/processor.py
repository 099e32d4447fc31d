"""A clock for pytest-benchmark that other processes do not move: ``--benchmark-timer=processor.seconds``."""

from __future__ import annotations

import resource
import time


def seconds() -> float:
    """Processor time of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
