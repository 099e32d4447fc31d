"""What an error says about a cell: a status, and a reason in one line."""

from __future__ import annotations

import traceback

from bench.errors import DataError, DataUnavailable, InputError, OutOfTime
from bench.schema import ADVICE, Status


def classified(error: Exception) -> tuple[Status, str]:
    """The status and the one-line reason of what ended a cell."""
    text = " ".join(str(error).split())
    if isinstance(error, DataUnavailable):
        return Status.UNAVAILABLE, text
    if isinstance(error, DataError):
        return Status.INVALID_DATA, text
    if isinstance(error, InputError):  # only a model on its data can tell, such as a period longer than the window
        return Status.FAILED, text
    if isinstance(error, OutOfTime):
        return Status.OUT_OF_TIME, f"{text}; {ADVICE[Status.OUT_OF_TIME]}"
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text.lower():
        return Status.OUT_OF_MEMORY, f"{text or 'memory ran out'}; {ADVICE[Status.OUT_OF_MEMORY]}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
    return Status.FAILED, f"{type(error).__name__} at {where}: {text}; {ADVICE[Status.FAILED]}"
