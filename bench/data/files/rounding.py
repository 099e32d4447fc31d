"""Where float64 rounds what texts state: the digits that change from row to row, of values or of times."""

from decimal import Context, Decimal
from typing import Any

import numpy as np
from pyarrow import compute

from bench.array_types import FloatArray
from bench.data.base import WHOLE

_RESOLUTION = 1e-6
"""The largest step between neighbouring doubles, as a share of the range of the values."""
_PRINTED = 16
"""Steps between neighbouring doubles, of a range that may be noise of a program that computed in float64."""
_OF_USUAL_STEP = 0.01
"""The largest step between neighbouring doubles, as a share of the usual step in time."""
_EXACT = Context(prec=1100)
"""Digits enough for any double, the smallest of which has 1074 decimals."""


def spacing(values: FloatArray) -> float:
    """The step between neighbouring doubles at the largest of ``[N]`` values."""
    return float(np.spacing(np.abs(values).max(initial=0.0)))


def rounded_level(values: FloatArray, column: Any, plain: Any) -> int | None:
    """The row of a level so large that float64 rounds away what changes from row to row; `None` where there is none.

    Parameters
    ----------
    values
        ``[N]`` float64.
    column
        As in the file.
    plain
        The texts as Python writes numbers; `None` where the column holds whole numbers or floats.

    Returns
    -------
    The row of the largest value from 2^53 on, where not even whole numbers are exact; else the first that is rounded.
    """
    largest = np.abs(values).max(initial=0.0)
    if not largest < np.inf or np.spacing(largest) <= _RESOLUTION * (extent := values.max() - values.min()):
        return None
    if compute.count_distinct(column).as_py() < 2:
        return None
    if largest >= WHOLE:
        return int(np.argmax(np.abs(values)))
    return None if plain is None else _first_rounded(plain, printed=extent <= _PRINTED * np.spacing(largest))


def rounded_time(values: FloatArray, texts: Any) -> int | None:
    """The first row of times that are so large for their steps that float64 rounds these; `None` where it does not.

    Parameters
    ----------
    values
        ``[N]`` float64.
    texts
        ``[N]`` as Python writes numbers.
    """
    steps, largest = np.abs(np.diff(values)), np.abs(values).max(initial=0.0)
    usual = np.median(steps[steps > 0]) if steps.any() else 0.0
    if len(values) < 2 or not largest < np.inf or np.spacing(largest) <= _OF_USUAL_STEP * usual:
        return None
    return _first_rounded(texts, printed=True)


def _first_rounded(plain: Any, *, printed: bool) -> int | None:
    """The first row whose text is another number than its double; `None` where all are exact.

    Where doubles that are `printed` count as exact, these are the texts whose digits come back from the double.
    """
    for text in compute.unique(plain).to_pylist():  # in the order of their first rows
        written = _EXACT.normalize(Decimal(text))
        last_digit = Decimal((0, (1,), int(written.as_tuple().exponent)))
        if 2 * abs(_EXACT.subtract(written, Decimal(float(text)))) > (last_digit if printed else 0):
            return int(compute.index(plain, text).as_py())
    return None
