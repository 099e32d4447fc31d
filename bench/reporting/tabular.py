"""The parts of a table, independent of its output format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.reporting.values import CellSummary
from bench.stats.verdicts import Verdict
from bench.text import NOTHING, count

MARKS: Mapping[Verdict, str] = {
    Verdict.BETTER: "●",
    Verdict.EQUIVALENT: "≈",
    Verdict.UNDECIDED: "○",
    Verdict.WORSE: "▼",
    Verdict.REFERENCE: "◇",
    Verdict.FLOOR: "◎",
    Verdict.LEAK: "!",
    Verdict.UNTESTED: "?",
    Verdict.OTHER_LENGTH: "·",
    Verdict.UNFINISHED: "✕",
    Verdict.NO_ROW: "□",
}
"""A shape for each verdict, so that nobody has to tell colours apart."""


@dataclass(frozen=True)
class Column:
    """A column; numbers are set to the right, prose may be broken into lines."""

    title: str
    unit: str = ""
    kind: Literal["number", "text", "prose", "code"] = "number"
    hint: str = ""


@dataclass(frozen=True)
class TableEntry:
    """What stands in one place.

    Parameters
    ----------
    order
        What it is sorted by.
    hint
        What explains it.
    strong
        Whether it is lifted.
    mark
        What stands next to it.
    cell
        The id of the cell whose rows it comes from: it leads there.
    anchor
        The name of this place within the page.
    download
        The name and the address of a file that it leads to.
    """

    text: str
    order: float | None = None
    hint: str = ""
    strong: bool = False
    mark: str = ""
    cell: str | None = None
    anchor: str = ""
    download: tuple[str, str] | None = None


@dataclass(frozen=True)
class Table:
    """Columns and rows; the first column names the row."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableEntry, ...], ...]
    below: str = ""


LENGTH = Column("Length", "points", hint="Sequence length: the points in an input window.")
EPOCHS = Column("Epochs", "median", hint="Validations, where the budget is in steps.")


def length(cell: CellSummary, mark: str = "") -> TableEntry:
    """The sequence length of `cell`."""
    return TableEntry(count(cell.sequence_length), cell.sequence_length, mark=mark)


def nothing(why: str) -> TableEntry:
    """A dash, and the reason for it."""
    return TableEntry(NOTHING, hint=why)


NO_SKILL = "persistence makes no error here"
NO_FLOOR = "no noise floor is known, or persistence is as good"
NO_TIME = "not measured, or measured on different machines"
NOT_TUNED = "not tuned, or tuned on different machines"


def measured(
    value: float | None, show: Callable[[float | None], str], *, otherwise: str = "not measured"
) -> TableEntry:
    """A number as `show` writes it; a dash and the reason `otherwise` where there is none."""
    return TableEntry(show(value), value, hint=otherwise if value is None else "")
