"""What a suite may say of a data file."""

import difflib
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench.data.base import Parameters
from bench.data.files.table import Dialect

_FIRST = frozenset({"path", "column", "time", "max_gap"})
"""The parameters that identify every cell; the others do where they are not at their defaults."""


def _is_zone(name: str) -> str:
    if name not in (zones := available_timezones()):
        near = difflib.get_close_matches(name[:60], zones, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "expected a name such as Europe/Berlin"
        raise ValueError(f"unknown time zone {name[:60]!r}; {hint}")
    return name


Text = Annotated[str, Field(min_length=1)]
Number = Annotated[int, Field(ge=1)]


class File(Parameters):
    """Parameters of `file`."""

    path: str = Field(
        min_length=1,
        description="The file: .csv or .txt, plain or with .gz, .zip, .zst, .bz2 or .xz; .parquet, .feather or .xlsx.",
    )
    column: Text | Number = Field(description="The column of the values: its name, or its number from 1.")
    time: str | Number | Annotated[tuple[str | Number, ...], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="The column of the times, ISO dates or numbers: its name ('' for one without a name), or its "
        "number; or two columns, of dates and of times of day.",
    )
    max_gap: float | None = Field(
        10.0,
        ge=1,
        description="Largest step in time, in multiples of the median step (10 lets weekends and holidays of daily "
        "data pass); null for any.",
    )
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None, description="Between the values of a row; null for a comma, or the one under which the columns are found."
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="The mark before the decimals; null for a dot, or what alone can be read."
    )
    thousands: Literal[",", ".", " ", "'", "\u00a0", "\u202f"] | None = Field(
        None, description="Between groups of three digits; null for nothing, or what alone can be read."
    )
    time_format: Text | None = Field(
        None,
        description="How times are written, as in Python's strptime; null for ISO 8601, or what alone can be read.",
    )
    timezone: Annotated[str, AfterValidator(_is_zone)] | None = Field(
        None, description="The zone of times without one, such as Europe/Berlin; null leaves them without."
    )
    skip_rows: int = Field(0, ge=0, description="Lines before the names of the columns.")
    header: int = Field(
        1, ge=0, le=10, description="Lines of names; 0 where columns have numbers alone. A column may be called by any."
    )
    missing: Literal["refuse", "drop", "forward-fill"] = Field(
        "refuse",
        description="Rows without a value: refused, dropped, or given the last value before them (never a later one).",
    )
    where: dict[str, str | int | float] | None = Field(
        None, min_length=1, description="Column → the value that it has in the rows to read; null for all rows."
    )
    across_gaps: bool = Field(
        default=False, description="Whether windows may reach across missing points of a regular series."
    )

    @model_validator(mode="after")
    def _has_two_marks(self) -> Self:
        if (self.decimal or ".") == self.thousands:
            advice = 'state decimal: "," too' if self.decimal is None else "change one of them"
            raise ValueError(f"expected two marks for decimals and thousands, got {self.thousands!r}; {advice}")
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Parameters that came later are left out at their defaults: cells of before keep their identity."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        content: dict[str, Any] = write(self)
        return {name: value for name, value in content.items() if name in _FIRST or value != defaults[name]}

    @property
    def dialect(self) -> Dialect:
        """How the lines of a CSV file are cut."""
        return Dialect(self.separator, self.skip_rows, self.header)

    @property
    def times(self) -> tuple[str | int, ...]:
        """The columns of the times, none to two."""
        if self.time is None:
            return ()
        return self.time if isinstance(self.time, tuple) else (self.time,)

    @property
    def columns(self) -> tuple[str | int, ...]:
        """Every column that is read."""
        return (self.column, *self.times, *(self.where or ()))
