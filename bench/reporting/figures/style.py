"""The style of every figure: one theme, one colour and marker for each model, log scales with plain numbers."""

import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bench.reporting.figures.fonts import families
from bench.reporting.values import Model
from bench.text import number

WIDE = 30.0
"""Values further apart than this factor go on a log scale."""


def wide(values: Sequence[float]) -> bool:
    """Whether `values` are all positive and far apart."""
    return min(values) > 0 and max(values) > WIDE * min(values)


def log_if_wide(axes: Axes, side: Literal["x", "y"], values: Sequence[float]) -> None:
    """A log scale where the `values` are `wide`."""
    if wide(values):
        log(axes, side, values)
    else:
        _axis(axes, side).set_major_locator(MaxNLocator(6))


def log(axes: Axes, side: Literal["x", "y"], values: Sequence[float]) -> None:
    """A log scale for positive `values`; with under two decades also 2 and 5 are marked."""
    axes.set(**{f"{side}scale": "log"})
    axis = _axis(axes, side)
    steps = (1.0, 2.0, 5.0) if max(values) < 100 * min(values) else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_minor_locator(NullLocator())  # a tick that nobody sees takes as long to draw
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _axis(axes: Axes, side: Literal["x", "y"]) -> Axis:
    return axes.xaxis if side == "x" else axes.yaxis


# The page's own colours. In a picture they become CSS variables, so that one serves a light and a dark page; a PDF is
# printed in them as they stand.
INK = "#1d2429"
MUTED = "#59646c"
GRID = "#e1e5e7"

_REFERENCE_MARKER = "d"
_MARKERS = "os^DvPX*<>h"

_SIZES = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 9,
    "axes.titlepad": 6,
    "axes.titley": 1.0,  # there is nothing above a panel to keep clear of, which takes long to find out
    "axes.labelpad": 4,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.width": 0.7,
    "axes.linewidth": 0.7,
    "grid.linewidth": 0.6,
    "lines.markersize": 5.5,
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.8,
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
}
_THEME = {
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "grid.color": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "axes.spines.left": False,
    "ytick.left": False,  # of no length, they would be drawn all the same
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-5, 7),
    "text.parse_math": False,  # a `$` in a name is a dollar
    "text.usetex": False,
    "font.family": ["sans-serif"],
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "svg.hashsalt": "bench",
    "pdf.fonttype": 42,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Look:
    """How one model is drawn."""

    color: str
    marker: str


_KINDS = {
    "rnn": "#b35a8c",
    "gru": "#029e73",
    "lstm": "#0173b2",
    "encoder-decoder": "#d55e00",
    "linear-ar": "#de8f05",
    "drift": "#a6761d",
    "mean": "#8c7a5b",
    "seasonal-naive": "#7f6d9c",
    "transformer": "#cc78bc",
    "patchtst": "#9b4f96",
    "tcn": "#3a9bd9",
    "mlp": "#ca9161",
    "echo-state": "#1b7f8c",
    "mingru": "#66a61e",
    "minlstm": "#5b7fd1",
    "slstm": "#6a7bdc",
}
"""The colours of the kinds that are compared most often: the same in every report. Others get one by their name."""


def looks(models: Sequence[Model]) -> Mapping[str, Look]:
    """A colour and a marker for each kind of model, the same in every report.

    Grey and a diamond for persistence. Further models of one kind are darker or lighter and have the markers after its
    own; the one that is named like its kind comes first, whatever else a report shows.
    """
    styles = {model.name: Look(MUTED, _REFERENCE_MARKER) for model in models if model.reference}
    kinds: Counter[str] = Counter()
    for model in sorted((model for model in models if not model.reference), key=lambda model: model.name != model.kind):
        before = kinds[model.kind]
        styles[model.name] = Look(_shade(_color(model.kind), before), _marker(model.kind, before))
        kinds[model.kind] += 1
    return styles


def _marker(kind: str, before: int) -> str:
    known = list(_KINDS)
    first = known.index(kind) if kind in known else zlib.crc32(kind.encode())
    return _MARKERS[(first + before) % len(_MARKERS)]


def _color(kind: str) -> str:
    """One of the palette's, for a kind without a colour of its own: by its name, in any report and on any machine."""
    palette = sorted(_KINDS.values())
    return _KINDS.get(kind) or palette[zlib.crc32(kind.encode()) % len(palette)]


def _shade(color: str, before: int) -> str:
    """`color` itself, darker or lighter, by how many models of its kind come `before`."""
    share, towards = ((0.0, 0.0), (0.22, 0.0), (0.28, 1.0))[before % 3]
    red, green, blue = ((1 - share) * part + share * towards for part in to_rgb(color))
    return to_hex((red, green, blue))


@contextmanager
def theme() -> Iterator[None]:
    """The look of all pictures, for the length of a ``with`` block; matplotlib's own settings come back after it."""
    settings: dict[Any, Any] = {**_SIZES, **_THEME}
    settings["font.sans-serif"] = [*families()]
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's own font has it
        yield
