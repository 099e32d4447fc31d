"""What may be asked of data."""

from __future__ import annotations

from typing import Literal

Task = Literal["forecast", "denoise", "classify"]
"""`forecast` the points after a window, `denoise` each step of a sequence, or `classify` a sequence."""
