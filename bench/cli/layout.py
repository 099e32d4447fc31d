"""Tables and text on a terminal, in the width and the colours that it has; imported only where one is there.

`COLUMNS` or else the terminal says how wide it is, and with `NO_COLOR` nothing is coloured or bold. Colours are the
terminal's own green, red and magenta, which themes for dark and for light backgrounds both keep legible.
"""

import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, TextIO

from rich import box, markdown as rich_markdown
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from bench.text import NOTHING, TextTable, visible

_GAP = 2
_TEXT = 16
"""A column of text is wrapped to this, if need be; longer words in it are broken."""
_NAMES = 0.35
"""Those that name a row to this share of the width."""
_SHORT = 48
"""Only the words of so short a text are a verdict."""

_NUMBER = re.compile(
    r"[−+<-]?\s?\d[\d\u202f.,]*(e[+-]?\d+)?\*?(\s?(%|µs|ms|s|min|h|kB|MiB|GB)(\s\d+\s(s|min))?)?"
    r"(\s\[.*\])?|\d+ of \d+|[−\d.]+ (–|to) [−\d.]+"
)

_STYLES = (
    ("green", "better ok improved faster"),
    ("red", "worse wrong failed regressed slower damaged crashed diverged timeout suspected vanished"),
    ("magenta", "undecided note absent inconclusive differs not"),
)
_STYLE = {word: style for style, words in _STYLES for word in words.split()}

_THEME = Theme({"markdown.code": "bold", "markdown.h1": "bold", "markdown.h2": "bold", "markdown.item.bullet": "none"})


def console(stream: TextIO, width: int) -> Console:
    """What prints to `stream`, which is a terminal of `width` columns; rich itself looks at any that is one."""
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=stream,
        width=width,
        color_system=None if plain else "auto",
        theme=_THEME,
        highlight=False,
        markup=False,
        emoji=False,
    )


def print_parts(parts: Iterable[str | TextTable], stream: TextIO, width: int) -> None:
    """Print each of `parts` below the one before it."""
    printer = console(stream, width)
    for part in parts:
        if isinstance(part, TextTable):
            printer.print(*laid_out(part, width), sep="\n")
        else:
            lines = (_lines(line, width) for line in visible(part).split("\n"))
            printer.print("\n".join(lines), soft_wrap=True)


def print_markdown(text: str, stream: TextIO, width: int) -> None:
    """Print what `text` says, without its markup."""
    printer = console(stream, width)
    printer.print(_Markdown(visible(text)))


def laid_out(table: TextTable, width: int) -> list[Table | str]:
    """`table` in `width` columns; where it cannot be so narrow, as several that repeat the columns which name a row."""
    columns = [
        [*map(visible, column)] for column in zip(*([table.head] if table.head else []), *table.rows, strict=True)
    ]
    heads = [column.pop(0) for column in columns] if table.head else ["" for _ in columns]
    made = [
        _Column(head, cells, limit=int(_NAMES * width / table.names) if place < table.names else _TEXT)
        for place, (head, cells) in enumerate(zip(heads, columns, strict=True))
    ]
    tables = [_table(block, width, has_head=bool(table.head)) for block in _blocks(made, table.names, width)]
    return [part for each in tables for part in ("", each)][1:]


class _Column:
    """The cells of one column below its head, and how wide they are: numbers are never broken, text is at spaces."""

    def __init__(self, head: str, cells: Sequence[str], limit: int) -> None:
        self.head, self.cells = head, cells
        known = [cell for cell in cells if cell not in ("", NOTHING)]
        self.numeric = any(cells) and all(_NUMBER.fullmatch(cell) for cell in known)
        self.widest = max(map(len, [head, *cells]), default=0)
        if self.numeric:
            parts = [part for cell in cells for part in _unbroken(cell)] + head.split(" ")
            self.least = max(map(len, parts))
        else:
            self.least = max(min(self.widest, limit), 1)

    def wrapped(self, text: str, width: int) -> str:
        """`text` in lines of `width`."""
        if self.numeric:
            return text if len(text) <= width else "\n".join(_unbroken(text))
        return _lines(text, width)


def _unbroken(number: str) -> list[str]:
    """The parts of a number that stay on one line each: its value and its interval, or the ends of an interval."""
    return re.split(r"\s(?=\[|– |to )", number)


def _lines(text: str, width: int) -> str:
    """`text` broken at spaces, and within what is longer than a line; not where a number and its unit are joined."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    wrapped = textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(wrapped) if len(text) > width else text


def _blocks(columns: Sequence[_Column], names: int, width: int) -> Iterator[list[_Column]]:
    """The columns of each table, in order: the first ones again and again, and next to them as many as fit."""
    first, block = list(columns[:names]), list(columns[:names])
    for column in columns[names:]:
        if len(block) > names and _total([each.least for each in (*block, column)]) > width:
            yield block
            block = first.copy()
        block.append(column)
    yield block


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """As wide as each needs; where that is too much, the widest gives way, as long as it can be wrapped."""
    widths = [column.widest for column in columns]
    while _total(widths) > width:
        loose = [place for place, column in enumerate(columns) if widths[place] > column.least]
        if not loose:
            break
        widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


def _table(columns: Sequence[_Column], width: int, *, has_head: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if has_head else None,
        show_header=has_head,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1 if has_head else _GAP, 0, 0),
    )
    widths = _widths(columns, width)
    for column, own in zip(columns, widths, strict=True):
        head = Text(_lines(column.head, own), style="bold")
        table.add_column(head, justify="right" if column.numeric else "left", width=own, overflow="fold")
    for row in zip(*(column.cells for column in columns), strict=True):
        cells = zip(columns, widths, row, strict=True)
        table.add_row(*(Text(column.wrapped(cell, own), style=_style(cell)) for column, own, cell in cells))
    return table


def _style(cell: str) -> str:
    """The colour of a verdict: by the first of its words."""
    first = re.match(r"\W*([a-z]+)", cell.lower())
    return _STYLE.get(first.group(1), "") if first and len(cell) <= _SHORT else ""


class _MarkdownTable(rich_markdown.TableElement):
    """A table, in the layout of all others."""

    def __rich_console__(self, printer: Console, options: ConsoleOptions) -> RenderResult:
        """Its parts."""
        rows = [self.header.row] if self.header and self.header.row else []
        rows += self.body.rows if self.body else []
        head, *others = ([cell.content.plain for cell in row.cells] for row in rows)
        yield from laid_out(TextTable(others, head), options.max_width)


class _Heading(rich_markdown.Heading):
    """A heading: one bold line at the left."""

    def __rich_console__(self, printer: Console, options: ConsoleOptions) -> RenderResult:
        """The line."""
        yield Text(self.text.plain, style="bold")


class _Markdown(rich_markdown.Markdown):
    """Markdown without boxes around its headings."""

    elements: ClassVar[dict[str, type[rich_markdown.MarkdownElement]]] = {
        **rich_markdown.Markdown.elements,
        "table_open": _MarkdownTable,
        "heading_open": _Heading,
    }
