"""Peak memory of a stretch of code in this process."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Begin a new peak where the system can (Linux); elsewhere the peak is that of the whole process."""
    if _CLEAR.exists():
        try:
            _CLEAR.write_text("5")
        except PermissionError:  # a hardened container: the process's peak stands, which is never too small
            return


def peak_bytes() -> int:
    """Largest resident set since `reset_peak`, in bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
