"""Numbers written as texts, or stored in another type, as float64: each is the nearest double, or is refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from bench.array_types import FloatArray
from bench.data.files.rounding import rounded_level, spacing
from bench.data.files.table import Unreadable, first_fault, shown
from bench.errors import DataError

MARKS = ("", "null", "na", "n/a", "#n/a", "nan", "none", "-", ".", "?")
"""How files mark a value that is missing, in small letters."""


@dataclass(frozen=True)
class Numerals:
    """How numbers are written.

    Parameters
    ----------
    decimal
        The mark before the decimals.
    thousands
        What stands between groups of three digits; empty for nothing.
    """

    decimal: str = "."
    thousands: str = ""

    def __str__(self) -> str:
        stated = [f'decimal: "{self.decimal}"'] if self.decimal != "." else []
        return ", ".join([*stated, f'thousands: "{self.thousands}"'] if self.thousands else stated)

    @property
    def example(self) -> str:
        """How the number 1234.5 is written."""
        return f"1{self.thousands}234{self.decimal}5"

    @property
    def pattern(self) -> str:
        """The regular expression of a number."""
        grouped = rf"[0-9]{{1,3}}({re.escape(self.thousands)}[0-9]{{3}})+|" if self.thousands else ""
        decimals = re.escape(self.decimal)
        return rf"^[+-]?(({grouped}[0-9]+)({decimals}[0-9]*)?|{decimals}[0-9]+)([eE][+-]?[0-9]+)?$"

    def plain(self, texts: Any) -> Any:
        """The texts as numbers are written in Python."""
        if self.thousands:
            texts = compute.replace_substring(texts, self.thousands, "")
        return texts if self.decimal == "." else compute.replace_substring(texts, self.decimal, ".")


@dataclass(frozen=True)
class Numbers:
    """What a column of numbers holds.

    Parameters
    ----------
    values
        ``[N]`` float64.
    notes
        What was detected, as options of the suite.
    warnings
        What may be another number than was meant.
    """

    values: FloatArray
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def missing(column: Any) -> NDArray[np.bool_]:
    """``[N]``: which rows of a column, texts or another Arrow type, hold no value."""
    if types.is_string(column.type):
        marked = compute.is_in(compute.utf8_lower(column), value_set=pa.array(MARKS))
        return np.asarray(compute.fill_null(marked, fill_value=True))
    return np.asarray(compute.is_null(column, nan_is_null=True))


def numbers(column: Any, decimal: str | None, thousands: str | None) -> Numbers:
    """The numbers in `column`, none of which is missing.

    Parameters
    ----------
    column
        Texts without spaces around them, or Arrow numbers.
    decimal, thousands
        As the suite states them; where it states neither and the texts are no plain numbers, those that alone fit.

    Raises
    ------
    Unreadable
        A row holds something else than such a number.
    """
    if not types.is_string(column.type):
        return Numbers(_exact(column))
    if decimal is not None or thousands is not None:
        return Numbers(_of_texts(column, Numerals(decimal or ".", thousands or "")))
    values = _cast(column)
    if values is None:
        return _detected(column)
    _refuse_rounding(values, column, column)
    return Numbers(values, warnings=tuple(_dots(column)))


def _detected(texts: Any) -> Numbers:
    """The numbers in texts of which one at least is no plain number, where they can be read in one way."""
    plain = Numerals()
    readings: dict[bytes, tuple[Numerals, FloatArray]] = {}
    for each in _candidates():
        if _first_misfit(texts, each) is None:
            values = _of_texts(texts, each)
            readings.setdefault(values.tobytes(), (each, values))
    if not readings:
        return Numbers(_of_texts(texts, plain))
    if len(readings) > 1:
        row = _first_misfit(texts, plain) or 0
        ways = " or ".join(str(each) for each, _ in readings.values())
        advice = f"it can be read in {len(readings)} ways: state {ways}"
        raise Unreadable(row, f"a number such as {plain.example}", _text(texts, row), advice)
    ((chosen, values),) = readings.values()
    return Numbers(values, notes=(str(chosen),))


def _candidates() -> Iterator[Numerals]:
    yield Numerals(".", ",")
    yield Numerals(",")
    yield Numerals(",", ".")
    for space in (" ", "\u00a0", "\u202f", "'"):
        yield Numerals(".", space)
        yield Numerals(",", space)


def _of_texts(texts: Any, numerals: Numerals) -> FloatArray:
    row = _first_misfit(texts, numerals)
    plain = numerals.plain(texts)
    values = _cast(plain) if row is None else None
    if values is None:
        row = _first_uncast(texts) if row is None else row
        raise Unreadable(row, f"a number such as {numerals.example}", _text(texts, row))
    _refuse_rounding(values, texts, plain)
    return values


def _first_misfit(texts: Any, numerals: Numerals) -> int | None:
    """The first row that is not written so; plain numbers may also be ``inf``."""
    if numerals == Numerals():
        return None if _cast(texts) is not None else _first_uncast(texts)
    fits = compute.match_substring_regex(texts, numerals.pattern)
    row = int(compute.index(fits, value=False).as_py())
    return None if row < 0 else row


def _cast(texts: Any) -> FloatArray | None:
    """The values of texts as Python writes them; `None` where one is not so."""
    try:
        return np.asarray(texts.cast(pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        return None


def _first_uncast(texts: Any) -> int:
    """The first text that is no plain number."""
    return first_fault(len(texts), lambda start, length: _cast(texts.slice(start, length)) is not None)


def _text(column: Any, row: int) -> str:
    return shown(str(column[row].as_py()))


def _dots(texts: Any) -> Iterator[str]:
    """A warning where dots seem to part thousands: 990 next to 1.015, and no number has decimals of another length."""
    dotted = compute.match_substring(texts, ".")
    parted = compute.match_substring_regex(texts, r"^[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+$")
    small = compute.match_substring_regex(texts, r"^[+-]?[0-9]{1,3}$")
    count = int(compute.sum(parted).as_py() or 0)
    if count > 1 and count < len(texts) and compute.all(compute.or_(parted, small)).as_py():
        first = compute.index(dotted, value=True).as_py()
        other = compute.index(dotted, value=False).as_py()
        yield (
            f"{_text(texts, other)} and {_text(texts, first)} stand in one column and were read as {texts[other]} and "
            f'{texts[first]}: if dots part thousands, state thousands: "."'
        )


def _refuse_rounding(values: FloatArray, column: Any, plain: Any) -> None:
    if (row := rounded_level(values, column, plain)) is not None:
        raise Unreadable(
            row,
            f"numbers whose changes float64 resolves (its steps are {spacing(values):g} here)",
            _text(column, row),
            "the level is too large for its variation: subtract an offset, such as the first value, from the column",
        )


def _exact(column: Any) -> FloatArray:
    """Arrow numbers as float64; decimals by their digits, since Arrow's own conversion may round twice."""
    kind, plain = column.type, None
    if types.is_decimal(kind):
        plain = column.cast(pa.string())
        values = _cast(plain)
    elif types.is_integer(kind) or types.is_floating(kind):
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    else:
        raise DataError(f"expected numbers, got {kind}; store it as float64")
    if values is None:
        raise DataError(f"expected decimals that are numbers, got {kind}; store it as float64")
    _refuse_rounding(values, column, plain)
    return values
