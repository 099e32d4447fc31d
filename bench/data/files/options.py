"""What a suite may say of a data file."""

import difflib
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench.data.base import SeriesParameters
from bench.data.files.table import Dialect, Name

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


Column = Text | Number
Several = Annotated[tuple[Column, ...], Field(min_length=1)]
CALENDAR = ("hour", "weekday", "month", "day_of_year")
"""What may be known in advance without a column: it follows from the time."""


class Channels(SeriesParameters):
    """Which columns of a table are forecast, and which are inputs alone."""

    LATER: ClassVar[frozenset[str]] = frozenset({"transform", "columns", "target", "known_future"})

    column: Column | None = Field(None, description="The column of the values, where it is one: its name or number.")
    columns: Several | None = Field(
        None, description="Several columns, each of which is an input, in place of column: their names or numbers."
    )
    target: Column | Several | None = Field(
        None, description="Those of the columns that are forecast, one or several; null for column, or for all."
    )
    known_future: Column | Several | None = Field(
        None,
        description="Further inputs that are known in advance, of which models are given the values at the points that "
        f"they forecast: columns, or {', '.join(CALENDAR[:-1])} and {CALENDAR[-1]} of the time.",
    )

    @model_validator(mode="after")
    def _says_what_is_forecast(self) -> Self:
        usual = type(self).model_fields["column"].default
        if (self.columns or self.target) and self.column != usual:
            other = "columns" if self.columns else "target"
            raise ValueError(f"expected column or {other}, got both; leave column out")
        if not self.targets:
            raise ValueError("expected column, which holds the values, or columns and target, got none of them")
        outside = [each for each in self.targets if self.columns and each not in self.columns]
        if outside:
            listed = ", ".join(map(str, self.columns or ()))
            raise ValueError(f"expected target among columns ({listed}), got {outside[0]!r}; add it to columns")
        repeated = (each for names in (self.columns or (), self.channels) for each in names if names.count(each) > 1)
        if (twice := next(repeated, None)) is not None:
            raise ValueError(f"expected each column once in columns, target and known_future, got {twice!r} twice")
        return self

    @property
    def targets(self) -> tuple[Name, ...]:
        """The columns that are forecast."""
        if self.target is not None:
            return _listed(self.target)
        return _listed(self.column) or self.columns or ()

    @property
    def past(self) -> tuple[Name, ...]:
        """The past covariates: columns that are inputs alone."""
        return tuple(each for each in self.columns or () if each not in self.targets)

    @property
    def channels(self) -> tuple[Name, ...]:
        """All of them in the order of the inputs: targets, past covariates, and what is known in advance."""
        return (*self.targets, *self.past, *_listed(self.known_future))

    def widths(self) -> tuple[int, int]:
        """How many channels are forecast, and how many are inputs alone."""
        return len(self.targets), len(self.channels) - len(self.targets)

    def described(self) -> str:
        """The columns and what they are for, in words."""
        return "; ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        several = "s" if len(self.targets) > 1 else ""
        yield f"column{several} {', '.join(repr(str(each)) for each in self.targets)}"
        if self.past:
            yield f"past covariates {', '.join(repr(str(each)) for each in self.past)}"
        if self.known_future is not None:
            yield f"known in advance {', '.join(repr(str(each)) for each in _listed(self.known_future))}"


def _listed(given: Column | tuple[Column, ...] | None) -> tuple[Name, ...]:
    if given is None:
        return ()
    return given if isinstance(given, tuple) else (given,)


class File(Channels):
    """Parameters of `file`."""

    path: str = Field(
        min_length=1,
        description="The file: .csv or .txt, plain or with .gz, .zip, .zst, .bz2 or .xz; .parquet, .feather or .xlsx.",
    )
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
    series: Column | None = Field(
        None,
        description="The column of the names of several series, each of which is read by itself: its name or number; "
        "null for one series.",
    )
    fit: Literal["global", "local"] = Field(
        "global",
        description="Of several series: one model of all of them (global), or one dataset, and so one model, for each "
        "(local).",
    )
    across_gaps: bool = Field(
        default=False, description="Whether windows may reach across missing points of a regular series."
    )

    @model_validator(mode="after")
    def _has_two_marks(self) -> Self:
        if self.decimal_mark is not None and self.decimal_mark == self.thousands:
            raise ValueError(
                f"expected two marks for decimals and thousands, got {self.thousands!r}; change one of them"
            )
        return self

    @model_validator(mode="after")
    def _names_series_apart(self) -> Self:
        if self.series is None:
            if self.fit != "global":
                raise ValueError(f"fit: {self.fit} is about several series; state series, the column of their names")
            return self
        if self.series in (*self.channels, *self.times, *(self.where or ())):
            raise ValueError(f"expected series to be a column of its own, got {self.series!r} twice; leave one out")
        return self

    @property
    def decimal_mark(self) -> str | None:
        """As stated, or the comma that dots between thousands leave; `None` where it is to be detected."""
        return "," if self.decimal is None and self.thousands == "." else self.decimal

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Parameters that came later are left out at their defaults: cells of before keep their identity."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        content: dict[str, Any] = write(self)
        return {name: value for name, value in content.items() if name in _FIRST or value != defaults[name]}

    def _parts(self) -> Iterator[str]:
        yield from super()._parts()
        if self.series is not None:
            yield f"series by {str(self.series)!r}"

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
    def read(self) -> tuple[Name, ...]:
        """Every column that has to be there."""
        named = (each for each in self.channels if each in (*self.targets, *self.past) or each not in CALENDAR)
        return (*named, *self.times, *(self.where or ()), *_listed(self.series))
