"""A figure as a small SVG that fits into a page (text as text, page colours as CSS variables), and as a PDF."""

import io
import re
from dataclasses import dataclass, field
from html import escape

from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.reporting.figures.style import GRID, INK, MUTED

_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)"}
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML has no way to write these
_STANDALONE = (
    "<style>:root{--ink:#1d2429;--muted:#5c6770;--grid:#dfe3e6;--paper:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--muted:#a0a9b0;--grid:#343b41;--paper:#15191c}}"
    "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif!important}</style>"
    '<rect width="100%" height="100%" style="fill:var(--paper)"/>'
)


@dataclass(frozen=True)
class Picture:
    """One picture.

    Parameters
    ----------
    name
        Unique among a report's pictures; its file's name without the ending.
    title
        What it shows, in a few words.
    alt
        What a reader learns from it, for those who cannot see it.
    svg
        The ``<svg>`` element, for use within a page that sets its CSS variables.
    pdf
        The same as a PDF file with its fonts embedded as TrueType, which journals request.
    """

    name: str
    title: str
    alt: str
    svg: str
    pdf: bytes = field(repr=False)

    def file(self) -> str:
        """The content of an SVG file of its own, which brings its colours for light and dark surroundings."""
        head, tail = self.svg.split(">", 1)
        head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        reported = f"<title>{escape(self.title)}</title><desc>{escape(self.alt)}</desc>"
        return f"{head}>{reported}{_STANDALONE}{tail}\n"


def picture(figure: Figure, *, name: str, title: str, alt: str) -> Picture:
    """`figure`, drawn."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    pdf = _pdf(figure)
    width, height = (72 * side for side in figure.get_size_inches())
    title, alt = (_UNWRITABLE.sub("\ufffd", text) for text in (title, alt))
    label = escape(f"{title}. {alt}")
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}" stroke-linejoin="round">'
    return Picture(name, title, alt, f"{head}{_body(buffer.getvalue(), name)}</svg>", pdf)


def _pdf(figure: Figure) -> bytes:
    """In light colours, and in one weight: embedding a second font takes as long as drawing the figure."""
    for text in figure.findobj(Text):
        text.set_fontweight("normal")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
    return buffer.getvalue()


def _body(document: str, name: str) -> str:
    """What is inside the root element, without what nobody sees."""
    inner = re.search(r"<svg[^>]*>(.*)</svg>", document, re.DOTALL)
    if inner is None:
        raise ValueError("expected matplotlib to draw one <svg> element")
    body = _UNWRITABLE.sub("\ufffd", inner.group(1))
    body = re.sub(r"<(metadata|style).*?</\1>|<!--.*?-->", "", body, flags=re.DOTALL)
    # Tags alone are edited: between them may stand a name that looks like anything.
    body = re.sub(r"<[^>]*>", lambda tag: _tag(tag.group(), name), body)
    return re.sub(r">\s+<", "><", body).strip()


def _tag(tag: str, name: str) -> str:
    tag = re.sub(r' id="(?![^"]*[0-9a-f]{10}")[^"]*"', "", tag)  # groups that nothing refers to
    tag = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", tag)  # unique in a page of many pictures
    tag = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-0[^\"]*\"", "", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)  # a hundredth of a point is finer than any screen
    tag = tag.replace("xlink:href", "href")
    for color, variable in _VARIABLES.items():
        tag = tag.replace(color, variable)
    return re.sub(r"\s+", " ", tag)
