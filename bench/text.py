"""Numbers and names as text: digits, units, columns, and escaping of hostile names."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def aligned(cells: Sequence[str], widths: Iterable[int]) -> str:
    """One line of `cells`, each but the last padded to its width."""
    *head, last = cells
    return "  ".join([*(cell.ljust(width) for cell, width in zip(head, widths, strict=True)), last])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """`rows` of equal length as lines, each column as wide as it needs."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join(aligned(row, widths) for row in rows)


@dataclass(frozen=True)
class TextTable:
    """A table of text; as a `str` it is lines, and a terminal lays it out in the width that it has.

    Parameters
    ----------
    rows, head
        Of equal length; no head where the columns need no names.
    names
        So many columns at the left name a row.
    """

    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()
    names: int = 1

    def __str__(self) -> str:
        return columns([*([self.head] if self.head else []), *self.rows])


NOTHING = "–"
"""What stands where there is no value."""

_MARKDOWN = re.compile(r"([\\`*_\[\]#|<>~$&]|^[-+=]|^\d+(?=[.)]\s)|:(?=//))")
_BREAKS = re.compile(r"[^\S\u00a0\u202f]+")  # white space, but for what keeps a number and its unit together
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def decimals(values: Iterable[float | None], digits: int = 4) -> int | None:
    """How many decimals show `digits` significant digits of the smallest value; `None` where that takes too many.

    >>> decimals([10.39, 244.9])
    2
    """
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 0
    places = digits - 1 - math.floor(math.log10(min(sizes)))
    return max(0, places) if places <= 7 and max(sizes) < 1e9 else None


LARGE = 1e6
"""From here on a number is written with an exponent: more digits before the point help nobody."""


def fixed(value: float, places: int, sign: str = "") -> str:
    """`value` with so many decimals, or with an exponent and four significant digits from `LARGE` on.

    >>> fixed(12.345, 1, "+"), fixed(-25199159903.49, 2)
    ('+12.3', '-2.520e+10')
    """
    return f"{value:{sign}.3e}" if abs(value) >= LARGE else f"{value:{sign}.{places}f}"


_NOTHING_LEFT = 1e-12
"""What is smaller is rounding, and may be written as 0."""


def enough(value: float, places: int) -> int:
    """`places`, or so many more decimals that a `value` which is not 0 is not written as 0.

    >>> enough(0.4, 1), enough(-0.0004, 2), enough(0.0, 2)
    (1, 4, 2)
    """
    hidden = _NOTHING_LEFT < abs(value) < 0.5 * 10.0**-places
    return math.ceil(-math.log10(abs(value))) if hidden else places


def number(value: float | None, places: int | None = None) -> str:
    """`value` with so many decimals, more where it would seem to be 0; four significant digits where none are given.

    >>> number(-0.12345), number(0.5, 2), number(-0.0003, 2), number(None)
    ('−0.1235', '0.50', '−0.0003', '–')
    """
    if value is None:
        return NOTHING
    text = f"{value:.4g}" if places is None else fixed(value, enough(value, places))
    sign = "−" if text.startswith("-") and float(text) else ""
    return sign + text.lstrip("-").replace("e-0", "e-")


def significant(value: float | None) -> str:
    """`value` with four significant digits, zeros at the end among them.

    >>> significant(2.45), significant(0.1)
    ('2.450', '0.1000')
    """
    return number(value, decimals([value]))


def bounds(pair: tuple[float, float] | None, places: int | None = None) -> str:
    """An interval.

    >>> bounds((-0.5, 0.25), 2)
    '[−0.50, 0.25]'
    """
    return NOTHING if pair is None else f"[{number(pair[0], places)}, {number(pair[1], places)}]"


def seconds(value: float | None) -> str:
    """A duration with its unit, three significant digits.

    >>> seconds(0.00021), seconds(1.2), seconds(3723)
    ('0.21 ms', '1.20 s', '1 h 2 min')
    """
    if value is None:
        return NOTHING
    if value < 1e-3:
        return f"{value * 1e3:.2f} ms"
    if value < 100:
        scaled, unit = (value * 1e3, "ms") if value < 1 else (value, "s")
        return f"{scaled:#.3g}".rstrip(".") + f" {unit}"
    if value < 3600:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min"


def mebibytes(value: float | None) -> str:
    """A size in MiB.

    >>> mebibytes(325_058_560)
    '310 MiB'
    """
    return NOTHING if value is None else f"{value / 2**20:.0f} MiB" if value >= 2**20 else f"{value / 2**20:.2g} MiB"


def count(value: float | None) -> str:
    """A whole number, its thousands apart.

    >>> count(12345).split()
    ['12', '345']
    """
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")


def percent(value: float | None, places: int = 0) -> str:
    """A share, with so many decimals of a hundredth.

    >>> percent(0.953).split(), percent(math.inf)
    (['95', '%'], '∞')
    """
    if value == math.inf:
        return "∞"
    return NOTHING if value is None else f"{number(100 * value, places)}\u202f%"


def probability(p: float) -> str:
    """A p-value.

    >>> probability(0.0312), probability(1e-9)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


_FOLDERS = re.compile(r"(?<![\w.:/~])/(?:[^/\s,:;'\"()]+/)+")


def without_folders(text: str) -> str:
    """`text` with absolute paths cut to the names of their files: a page says nothing of the machine it was made on.

    >>> without_folders("/home/me/my data/closes.csv, column 'Close'; see https://example.org/a/b")
    "my data/closes.csv, column 'Close'; see https://example.org/a/b"
    """
    return _FOLDERS.sub("", text)


def setting(value: object) -> str:
    """A value of a setting.

    >>> setting(None), setting(True), setting(0.00123456), setting(64)
    ('none', 'yes', '0.001235', '64')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def runs_of(numbers: Sequence[int]) -> str:
    """Ascending whole numbers, those in a row as one.

    >>> runs_of([0, 1, 2, 5, 7, 8])
    '0–2, 5, 7–8'
    """
    starts = [at for at, number in enumerate(numbers) if not at or number != numbers[at - 1] + 1]
    ends = [*starts[1:], len(numbers)]
    rows = [(numbers[start], numbers[end - 1]) for start, end in zip(starts, ends, strict=True)]
    return ", ".join(f"{first}–{last}" if first != last else str(first) for first, last in rows)


def commit(name: str, *, dirty: bool) -> str:
    """A commit, and whether the code had more than it.

    >>> commit("2945a8a7b1c2d3e4", dirty=True)
    '2945a8a7b1c2 with uncommitted changes'
    """
    return name[:12] + (" with uncommitted changes" if dirty else "")


def plural(amount: int, noun: str) -> str:
    """An amount of things.

    >>> plural(1, "seed"), plural(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count(amount)} {noun}{'' if amount == 1 else 's'}"


def markdown(text: object) -> str:
    r"""`text` for a place in Markdown, a table's cell too: nothing in it is markup, a link, a mention or a new line.

    >>> markdown("<b>_x_|y</b>")
    '&lt;b&gt;\\_x\\_\\|y&lt;/b&gt;'
    """
    one_line = _BREAKS.sub(" ", str(text)).strip()
    escaped = _MARKDOWN.sub(_escaped, one_line)
    return re.sub(r"@(?=\w)", "@\u200b", escaped)  # a zero-width space: mentions nobody


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if character.isdigit():
        return f"{character}\\"
    return {"<": "&lt;", ">": "&gt;"}.get(character, f"\\{character}")


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udfff]")


def visible(text: object) -> str:
    r"""`text` with nothing that a terminal would obey: control characters, and marks that turn its direction, escaped.

    Tabs and new lines stay.

    >>> visible("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape", "surrogatepass").decode(), str(text))


def cut(text: str, longest: int) -> str:
    """`text`, or its beginning and its end where it is longer than `longest` characters, with how much is left out.

    >>> cut("abcdefghij" * 10, 30)
    'abcdefghij… (80 more) …abcdefghij'
    """
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[:end]}… ({len(text) - 2 * end} more) …{text[-end:]}"


def csv_safe(text: str) -> str:
    """`text` for a CSV cell: a spreadsheet takes none of it for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def slug(text: str) -> str:
    """`text` as a part of a file name or an anchor.

    >>> slug("<script>alert(1)</script>")
    'script-alert-1-script'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "unnamed"
