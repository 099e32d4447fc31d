"""Chronological splits, scaling fitted on the train part, and windows that are views of the series.

A window is identified by its place: the index of its first target. Its inputs are the `sequence_length` points before
that place and its targets the `horizon` points from it on. Inputs may reach back across a boundary between parts;
targets never cross one. Nothing here grows with series × sequence length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.errors import DataError
from bench.spec import PROTOCOL, AsPublished, Part, Split
from bench.tasks import Task


@dataclass(frozen=True)
class Parts:
    """The boundaries of a series of `n` points: train | validation | test.

    `lost` targets at the end of each part are left out, as some published systems do, and the first `apart` of the
    validation and of the test part; under the protocol none is.
    """

    train_end: int
    validation_end: int
    n: int
    lost: int = 0
    apart: int = 0

    @property
    def train(self) -> slice:
        """The points that models and scalers are fitted on."""
        return slice(0, self.train_end)

    @property
    def validation(self) -> slice:
        """The points that choose epochs and hyperparameters."""
        start = self.train_end + self.apart
        return slice(start, max(start, self.validation_end - self.lost))

    @property
    def test(self) -> slice:
        """The points that are opened once, at the end."""
        return slice(self.validation_end + self.apart, self.n - self.lost)

    @property
    def known(self) -> slice:
        """The points before the test part; where nothing was held out, those of train."""
        return slice(0, max(self.train_end, self.validation_end))


def divided(n: int, split: Split, as_published: AsPublished, sequence_length: int, *, source: str = "") -> Parts:
    """The parts of `n` points under the protocol, or with the departures of `as_published`; `source` as for `parts`.

    Raises
    ------
    DataError
        A part would be empty.
    """
    lost = int(as_published.windows == "minus-one")
    if as_published.split == "none":
        return Parts(n, sequence_length, n, lost)
    first = sequence_length if as_published.split == "windows" else 0
    if as_published.validation == "none":
        cut = _cut(n - first, 0, _points(split.test, n - first), source=source, least=0)
    else:
        cut = parts(n - first, split, source=source)
    apart = sequence_length if as_published.split == "apart" else 0
    return Parts(first + cut.train_end, first + cut.validation_end, n, lost, apart)


def parts(n: int, split: Split, *, source: str = "") -> Parts:
    """Cut `n` points as `split` says; fractions are rounded to the nearest point.

    Parameters
    ----------
    n, split
        How many points there are, and what part of them is what.
    source
        Where the points come from, for messages: `Provenance.source`.

    Raises
    ------
    DataError
        A part would be empty.
    """
    return _cut(n, _points(split.validation, n), _points(split.test, n), source=source, least=1)


def _cut(n: int, validation: int, test: int, *, source: str, least: int) -> Parts:
    """The parts of these sizes; of `validation`, at `least` this many."""
    train = n - validation - test
    if min(train, test) < 1 or validation < least:
        raise DataError(
            f"{_named(source)}a series of {n} points cannot be split into train {train}, validation {validation}, "
            f"test {test}: every part needs at least 1 point; give a longer series or smaller parts"
        )
    return Parts(train, train + validation, n)


def _named(source: str) -> str:
    return f"{source}: " if source else ""


def _points(part: Part, n: int) -> int:
    return part if isinstance(part, int) else round(part * n)


def check_length(
    n: int,
    split: Split,
    sequence_length: int,
    horizon: int,
    *,
    as_published: AsPublished = PROTOCOL,
    source: str = "",
) -> Parts:
    """The parts of a series that has at least one train window; `as_published` and `source` as for `divided`.

    Raises
    ------
    DataError
        The series is too short for this split, sequence length and horizon; the message says how many points
        are needed.
    """
    cut = divided(n, split, as_published, sequence_length, source=source)
    needed = sequence_length + horizon + cut.lost
    if cut.train_end < needed:
        raise DataError(
            f"{_named(source)}{n} points leave {cut.train_end} for train after validation "
            f"{cut.validation_end - cut.train_end} and test {n - cut.validation_end}, but one window of "
            f"sequence_length {sequence_length} + horizon {horizon} needs {needed}: give a longer series, "
            "a shorter sequence_length or smaller parts"
        )
    later_parts = {"validation": cut.validation_end - cut.train_end, "test": n - cut.validation_end}
    for name, points in later_parts.items():
        if points < horizon and (points > 0 or name == "test"):  # as some are published, parts overlap
            unseen = "be tested" if name == "test" else "choose anything"
            raise DataError(
                f"{_named(source)}{n} points leave {points} for {name}, but a horizon of {horizon} is longer: steps "
                f"{points + 1} to {horizon} would never {unseen}; give a larger {name} part, or a horizon of at most "
                f"{points}"
            )
        if cut.apart and 0 < points < needed:
            raise DataError(
                f"{_named(source)}{name} has {points} points, but one window of sequence_length {sequence_length} + "
                f"horizon {horizon} needs {needed} of its own (split: apart): give more, or a shorter sequence_length"
            )
    return cut


_ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Values of one level that differ by less, as a share of it, are one value that was rounded."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """An affine map per channel: scaled = (original - offset) / scale; or one per point and channel."""

    offset: FloatArray  # [C], or [N, C]
    scale: FloatArray  # [C], or [N, C], positive

    @classmethod
    def fit(cls, kind: str, values: FloatArray) -> Scaler:
        """Fit on ``values`` ``[N, C]``.

        `minmax` maps them onto [0, 1], `symmetric` onto [-1, 1], `standard` to mean 0 and deviation 1, and `none`
        leaves them as they are. A channel that never changes, but for the rounding of its values, keeps its unit: its
        scale is 1.
        """
        low, high = values.min(axis=0), values.max(axis=0)
        offset, scale = {
            "minmax": lambda: (low, high - low),
            "symmetric": lambda: ((low + high) / 2, (high - low) / 2),
            "standard": lambda: (values.mean(axis=0), values.std(axis=0)),
            "none": lambda: (np.zeros_like(low), np.ones_like(low)),
        }[kind]()
        varies = (high - low > _ROUNDING * np.maximum(np.abs(low), np.abs(high))) & (scale > 0)
        return cls(offset, np.where(varies, scale, 1.0))

    def of_first(self, count: int) -> Scaler:
        """That of the first channels, as many as `count`."""
        whole = count == self.offset.shape[-1]
        return self if whole else Scaler(self.offset[..., :count], self.scale[..., :count])

    def of_points(self, index: NDArray[np.int64]) -> Scaler:
        """That of the points ``[points]`` at `index`."""
        return self if self.offset.ndim == 1 else Scaler(self.offset[index], self.scale[index])

    def transform(self, values: FloatArray) -> FloatArray:
        """Original units to scaled units; the last axis holds the channels."""
        return (values - self.offset) / self.scale

    def inverse(self, values: FloatArray) -> FloatArray:
        """Scaled units to original units."""
        return values * self.scale + self.offset


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows over one scaled series, by the places of their first targets.

    Parameters
    ----------
    values
        ``[N, C]`` the whole series in scaled units, shared and never copied: what is forecast, then covariates.
    places
        The index of the first target of each window, ascending: evenly spaced, or ``[W]`` where gaps come between.
    end
        The first index past the last target; ``[W]`` of each window where gaps come between.
    sequence_length, horizon
        Points in, points out.
    covariates
        How many of the channels, the last ones, are inputs alone.
    begin
        The first point of the series that has values: changes have none at the first.
    """

    values: FloatArray
    places: range | NDArray[np.int64]
    end: int | NDArray[np.int64]
    sequence_length: int
    horizon: int
    covariates: int = 0
    begin: int = 0

    def __len__(self) -> int:
        return len(self.places)

    @property
    def task(self) -> Task:
        """Windows over a series are there to forecast it."""
        return "forecast"

    @property
    def channels(self) -> int:
        """`C`."""
        return int(self.values.shape[1])

    @property
    def outputs(self) -> int:
        """`D`: all channels but the covariates are forecast."""
        return self.channels - self.covariates

    @property
    def history(self) -> FloatArray:
        """``[N - begin, D]``: the past of what is forecast, without covariates."""
        return self.values[self.begin :, : self.outputs]

    @property
    def variable(self) -> bool:
        """Windows of a series are all of one length."""
        return False

    @property
    def points(self) -> int:
        """How many targets there are; a point that is forecast from several origins is as many."""
        return int(self._counted.sum())

    @property
    def index(self) -> NDArray[np.int64]:
        """``[points]``: the index of each target in the series, origin by origin."""
        targets = np.asarray(self.places)[:, None] + np.arange(self.horizon)
        return np.asarray(targets[self._counted])

    @property
    def _counted(self) -> NDArray[np.bool_]:
        """``[W, H]``: which steps lie before the `end` of their window."""
        left = self.end - np.asarray(self.places)
        return np.asarray(np.arange(self.horizon) < left[:, None])

    def inputs(self, which: slice | NDArray[np.int64]) -> FloatArray:
        """``[B, T, C]``: a view for a slice, a gathered batch for an array of window numbers."""
        views: FloatArray = sliding_window_view(self.values, self.sequence_length, axis=0)  # [N - T + 1, C, T]
        if isinstance(which, slice) and isinstance(chosen := self.places[which], range):
            rows = slice(chosen.start - self.sequence_length, chosen.stop - self.sequence_length, chosen.step)
            return views[rows].swapaxes(1, 2)
        gathered: FloatArray = views[self.first_targets(which) - self.sequence_length]
        return gathered.swapaxes(1, 2)

    def targets(self, which: slice | NDArray[np.int64]) -> FloatArray:
        """``[B, H, D]``; where a window overruns its `end`, its last target is repeated and never counted."""
        steps = self.first_targets(which)[:, None] + np.arange(self.horizon)  # [B, H]
        last = np.atleast_1d(self.last_targets(which))[:, None]
        targets: FloatArray = self.values[:, : self.outputs][np.minimum(steps, last)]
        return targets

    def first_targets(self, which: slice | NDArray[np.int64]) -> NDArray[np.int64]:
        """The index of the first target of each window of those numbered `which`."""
        if not isinstance(self.places, range):
            return self.places[which]
        if isinstance(which, slice):
            chosen = self.places[which]
            return np.arange(chosen.start, chosen.stop, chosen.step)
        return self.places.start + which * self.places.step

    def last_targets(self, which: slice | NDArray[np.int64]) -> int | NDArray[np.int64]:
        """The index of the last target that a window may have: of each, or of all of them."""
        return self.end - 1 if isinstance(self.end, int) else self.end[which] - 1

    def between(self, breaks: Sequence[int]) -> Windows:
        """Those that reach across none of `breaks`, indices of points that follow a gap.

        Where windows tile, they begin anew after each: the first `sequence_length` points from there are inputs alone.
        """
        places, end = self.places, self.end
        if not (breaks and isinstance(places, range) and isinstance(end, int)):
            return self
        whole = self.horizon if places.step < self.horizon else 1
        pieces = []
        for start, stop in pairwise([0, *(at for at in breaks if 0 < at < end), end]):
            first = max(places.start, start + self.sequence_length) if start else places.start
            pieces.append((range(first, min(places.stop, stop - whole + 1), places.step), stop))
        pieces = [piece for piece in pieces if len(piece[0])] or pieces[-1:]
        if len(pieces) == 1:
            return replace(self, places=pieces[0][0], end=pieces[0][1])
        ends = np.concatenate([np.full(len(piece), stop) for piece, stop in pieces])
        return replace(self, places=np.concatenate([np.asarray(piece) for piece, _ in pieces]), end=ends)

    def truth(self) -> FloatArray:
        """``[points, D]``: every target, origin by origin."""
        targets = self.values[:, : self.outputs]
        if isinstance(self.places, range) and isinstance(self.end, int) and self.places.step == self.horizon:
            return targets[self.places.start : self.end]
        return targets[self.index]

    def assemble(self, predictions: FloatArray) -> FloatArray:
        """Window predictions ``[W, H, D]``, one after the other: ``[points, D]``; the overrun is cut off."""
        return np.asarray(predictions[self._counted])

    def by_window(self, points: FloatArray) -> FloatArray:
        """``[…, points, D]`` as ``[…, W, H, D]``, with 0 where a window overruns its `end`."""
        *several, _, values = points.shape
        windows = np.zeros((*several, *self._counted.shape, values))
        windows[..., self._counted, :] = points
        return windows

    def points_of(self, windows: FloatArray) -> FloatArray:
        """The opposite of `by_window`."""
        return np.asarray(windows[..., self._counted, :])

    def steps(self) -> NDArray[np.int64]:
        """``[points]``: how far each target lies ahead of the last input, 1 … horizon."""
        return np.asarray(np.nonzero(self._counted)[1] + 1)


def train_windows(values: FloatArray, cut: Parts, sequence_length: int, horizon: int) -> Windows:
    """Every window whose inputs and targets all lie in the train part."""
    end = cut.train_end - cut.lost
    return Windows(values, range(sequence_length, end - horizon + 1), end, sequence_length, horizon)


def evaluation_windows(values: FloatArray, part: slice, sequence_length: int, horizon: int) -> Windows:
    """Windows that predict every point of `part` exactly once: a new one begins every `horizon` points."""
    return Windows(values, range(part.start, part.stop, horizon), part.stop, sequence_length, horizon)
