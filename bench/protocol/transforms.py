"""Changes in the place of values: a model is trained on returns and forecasts returns, and is judged by prices.

A series that wanders is forecast in its changes from one point to the next, which stay where the train part was. What a
dataset calls its `transform` says which: returns ``r_t = p_t / p_(t-1) - 1``, log-returns ``r_t = ln p_t - ln p_(t-1)``
(Tsay, *Analysis of Financial Time Series*, 3rd edition, section 1.1), or differences ``r_t = p_t - p_(t-1)``. Windows,
scalers, training and validation see changes alone. A forecast of changes from the origin `o`, whose last value is
``p_(o-1)``, is then summed up to values: ``p_(o-1) · Π (1 + r)``, ``p_(o-1) · exp Σ r`` or ``p_(o-1) + Σ r``. Errors,
references and stored predictions are of these.

The first point of a series, and the first after a gap, has no change: it is NaN, and no window holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.array_types import FloatArray
from bench.data.base import Series, Transform, first_unusable
from bench.errors import DataError
from bench.protocol.windows import Windows

_CHANGES: Mapping[str, Callable[[FloatArray, FloatArray], Any]] = {
    "returns": lambda now, before: now / before - 1,
    "log-returns": lambda now, before: np.log(now) - np.log(before),
    "difference": lambda now, before: now - before,
}
"""The change from the value before, ``[N - 1, D]`` each."""

_SUMS: Mapping[str, Callable[[FloatArray, FloatArray], Any]] = {
    "returns": lambda last, changes: last * np.cumprod(1 + changes, axis=-2),
    "log-returns": lambda last, changes: last * np.exp(np.cumsum(changes, axis=-2)),
    "difference": lambda last, changes: last + np.cumsum(changes, axis=-2),
}
"""The values after the `last` one, ``[…, 1, D]``, from the changes of one step after the other, ``[…, H, D]``."""


@dataclass(frozen=True, eq=False)
class Changes:
    """The changes of a series, and the way back to its values.

    Parameters
    ----------
    series
        In original units.
    transform
        Which changes.

    Raises
    ------
    DataError
        It has none: a value is not above 0 where that is needed, or a change is no number that can be squared.
    """

    series: Series
    transform: Transform

    def __post_init__(self) -> None:
        values, source = self.series.values, self.series.provenance.source
        if self.transform != "difference" and not (values > 0).all():
            point, channel = np.argwhere(~(values > 0))[0]
            raise DataError(
                f"{source}: expected values above 0, which transform: {self.transform} needs, got "
                f"{values[point, channel]:g} at point {point + 1}; set transform: difference, or leave it out"
            )
        if (point := first_unusable(self._steps())) is not None:
            raise DataError(
                f"{source}: expected changes that can be squared, got {self._steps()[point]} from point {point + 1} to "
                f"the next as transform: {self.transform}; leave transform out, or scale the values"
            )

    def _steps(self) -> FloatArray:
        """``[N - 1, D]``: from each point to the next."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(_CHANGES[self.transform](self.series.values[1:], self.series.values[:-1]))

    @property
    def values(self) -> FloatArray:
        """``[N, D]``: the change up to each point; NaN where a piece of the series begins."""
        changes = np.vstack([np.full_like(self.series.values[:1], np.nan), self._steps()])
        changes[list(self.series.breaks)] = np.nan
        return changes

    @property
    def breaks(self) -> tuple[int, ...]:
        """As those of the series: a piece begins at its second point, the first that has a change."""
        return tuple(sorted({1, *self.series.breaks, *(each + 1 for each in self.series.breaks)}))

    def forecast(self, windows: Windows, predicted: FloatArray, *, teacher_forced: bool) -> FloatArray:
        """Forecasts of values ``[…, points, D]`` from those of changes, of all targets of `windows`.

        Where a model was shown the true value before each target, its change is from that one.
        """
        values = self.series.values
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is said in the row
            if teacher_forced:
                single = _SUMS[self.transform](values[windows.index - 1][:, None], predicted[..., None, :])
                return np.asarray(single[..., 0, :])
            last = values[np.asarray(windows.places) - 1][:, None]
            paths = _SUMS[self.transform](last, windows.by_window(predicted))
        return windows.points_of(paths)
