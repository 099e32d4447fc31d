"""A file as a table of named columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.registry import unknown

RowLabel = Callable[[int], str]
"""What messages call a row: ``label(0)`` is the first data row, as in ``"row 1 (line 2)"``."""

Name = str | int
"""What a suite calls a column: its name; or its number, from 1, where no column has that number as its name."""


def row_number(row: int) -> str:
    """What messages call a row where lines say nothing."""
    return f"row {row + 1}"


@dataclass(frozen=True)
class Dialect:
    """What the suite says of the lines of a file; `separator` is `None` where it says nothing."""

    separator: str | None = None
    skip_rows: int = 0
    header: int = 1


@dataclass(frozen=True, eq=False)
class FileTable:
    """A file whose columns are read when they are needed.

    Parameters
    ----------
    path
        The file.
    header
        The lines of names, ``[lines][columns]``: a column may be called by any of its names.
    load
        ``load(columns)`` reads the columns of these numbers, from 0, as Arrow arrays; texts are trimmed.
    label
        What messages call each row.
    head
        The texts of its first rows, ``[rows][columns]``; none where columns have types.
    hint
        What to add where a column is not there.
    notes
        What was detected.
    """

    path: Path
    header: tuple[tuple[str, ...], ...]
    load: Callable[[Sequence[int]], list[Any]]
    label: RowLabel = row_number
    head: tuple[Sequence[str], ...] = ()
    hint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, from the first line of names."""
        return self.header[0]

    def may_name(self, column: int) -> bool:
        """Whether a column may hold dates, times or names: its first rows are texts or whole numbers."""
        numbers = [float(text) for row in self.head if _is_number(text := row[column].strip())]
        return len(numbers) < len(self.head) or all(map(float.is_integer, numbers))

    def number(self, name: Name, *, or_else: Sequence[str] = ()) -> int:
        """The number, from 0, of the column that is called `name`; `or_else` might be meant too, and is no column.

        Raises
        ------
        DataError
            There is none, or there are several.
        """
        for names in self.header:
            if columns := _matching(names, str(name)):
                if len(columns) > 1:
                    raise DataError(
                        f"{self.path}: expected one column {name!r}, got {len(columns)}; rename the others, or name "
                        f"the column by its number, such as {columns[0] + 1}"
                    )
                return columns[0]
        if isinstance(name, int) and 1 <= name <= len(self.names):
            return name - 1
        text = unknown(name, (*map(visible, self.names), *or_else), "column")
        raise DataError(f"{self.path}: {text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + '…)'}{self.hint}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_MOST_TEXT = 600
"""Characters of a list of names that a message shows."""


def visible(name: str) -> str:
    """`name` in one line, as it can be shown: characters that are none to see are escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name[:60])


def _matching(names: Sequence[str], name: str) -> list[int]:
    """The columns called `name`; else those whose name differs from it only in the spaces around it."""
    exact = [column for column, each in enumerate(names) if each == name]
    close = [column for column, each in enumerate(names) if each.strip() == name.strip()]
    return exact or (close if len(close) == 1 else [])


def known_by(header: Sequence[Sequence[str]], name: Name) -> bool:
    """Whether a column of `header` is called `name`."""
    return any(_matching(names, str(name)) for names in header)


def require_columns(path: Path, column: str, time: str | None, *, names: Sequence[str]) -> None:
    """Refuse a `column` or `time` that is not there or is there twice, and one column for both."""
    numbers = [
        FileTable(path, (tuple(names),), lambda _: []).number(name) for name in (column, time) if name is not None
    ]
    if len(set(numbers)) < len(numbers):
        raise DataError(f"{path}: expected two columns for values and times, got {column!r} for both; name another")


FIX = "fix it"


@dataclass(eq=False)
class Unreadable(Exception):
    """A text, or other value, that is not what it should be; whoever knows the file says where it stands.

    Parameters
    ----------
    row
        Its row, from 0.
    expected, advice
        What it should be, and what to do.
    came
        What came instead.
    """

    row: int
    expected: str
    came: str
    advice: str = FIX

    def within(self, rows: NDArray[np.int64]) -> Self:
        """The same in a table of which `rows` were looked at."""
        return type(self)(int(rows[self.row]), self.expected, self.came, self.advice)


def first_fault(count: int, readable: Callable[[int, int], bool]) -> int:
    """The first of `count` rows that cannot be read, by halves; the last one where all can.

    ``readable(start, length)`` says whether so many rows from `start` on can be.
    """
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if readable(low, middle - low):
            low = middle
        else:
            high = middle
    return low


def shown(text: str) -> str:
    """`text` for a message, at most 60 characters of it; as bytes where it is not UTF-8."""
    cut = text if len(text) <= 60 else f"{text[:59]}…"
    return repr(cut.encode("utf-8", "surrogateescape") if undecoded(cut) else cut)


def undecoded(text: str) -> bool:
    """Whether `text` holds bytes that are not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in text)
