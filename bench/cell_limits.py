"""What one cell may take of time and memory, before it is ended from outside."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class CellLimits(BaseModel):
    """What one cell may take before its process is ended from outside, whatever it does; no part of what it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    cell_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds by the clock, compilation and imports not counted; null for no limit."
    )
    cell_bytes: Annotated[int, Field(ge=2**20, le=2**60)] | None = Field(
        None, description="Bytes of memory of its process and of those that it starts; null for most of what is free."
    )

    @property
    def stated(self) -> dict[str, float | int]:
        """Those that there are."""
        return self.model_dump(exclude_none=True)


UNLIMITED = CellLimits()
"""Nothing is stated."""


def is_raised(before: Mapping[str, float], now: Mapping[str, float]) -> bool:
    """Whether a limit of `before` is higher `now`, or there is none of its name any more.

    >>> is_raised({"cell_s": 5.0}, {"cell_s": 6.0}), is_raised({"cell_s": 5.0}, {"cell_s": 5.0, "cell_bytes": 2**30})
    (True, False)
    """
    return any(name not in now or now[name] > limit for name, limit in before.items())
