"""The font of the pictures: DejaVu Sans, which comes with matplotlib, cut down to what reports are written in.

A PDF embeds the characters that it uses. To take these out of the whole font, with its 6000 glyphs and its tables for
Arabic and for mathematics, took longer than drawing the picture. Other characters still come from the whole font.
"""

import atexit
import functools
import itertools
import shutil
import tempfile
from pathlib import Path

from fontTools import subset
from matplotlib import font_manager

WHOLE = "DejaVu Sans"
LEAN = "bench Sans"
_RANGES = ((0x20, 0x7F), (0xA0, 0x250), (0x370, 0x400), (0x2010, 0x2040), (0x2070, 0x20C0))
_SIGNS = "−×·≤≥≈→√∞△▲▼◆●■□✕✓†…"
_NORMAL, _BOLD = 400, 700
_FAMILY, _FULL_NAME, _POSTSCRIPT_NAME = 1, 4, 6


@functools.cache
def families() -> tuple[str, ...]:
    """The families to set text in, in order: the lean one where it can be made, and the whole one.

    The file of the lean one is there as long as the process: a PDF reads it when it is written.
    """
    try:
        path = _made(_folder() / "bench-sans.ttf")
    except OSError:  # no temporary folder: pictures take longer, and are the same
        return (WHOLE,)
    for weight in (_NORMAL, _BOLD):  # a page sets what is bold in the reader's own font, a PDF nothing
        entry = font_manager.FontEntry(fname=str(path), name=LEAN, weight=weight, size="scalable")
        font_manager.fontManager.ttflist.append(entry)
    return (LEAN, WHOLE)


def _folder() -> Path:
    """A new one, removed when the process ends."""
    path = tempfile.mkdtemp(prefix="bench-font-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def _made(path: Path) -> Path:
    """Write the lean font."""
    options = subset.Options(layout_features=[], hinting=True, name_IDs=["*"], notdef_outline=True)
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "MATH", "FFTM"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[*itertools.chain(*(range(*ends) for ends in _RANGES)), *map(ord, _SIGNS)])
    with subset.load_font(font_manager.findfont(WHOLE), options) as font:
        subsetter.subset(font)
        for record in font["name"].names:
            if record.nameID in (_FAMILY, _FULL_NAME):
                record.string = LEAN
            elif record.nameID == _POSTSCRIPT_NAME:
                record.string = LEAN.replace(" ", "-")
        font.save(path)
    return path
