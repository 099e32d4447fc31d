"""Several series under one model: each is cut by itself, and the parts of all stand next to each other.

Each series has its own train, validation and test part, in the order of time. One model is trained on the windows of
all of them. For that, the series are arranged anew: the train parts of all, one after the other, then their validation
parts, and then their test parts. Before each validation and test part stand the points of the same series that its
first window reaches back to, as inputs alone. A new piece begins at each of them, as after a gap, so that no window
reaches from one series into another. What comes before a point in this order is known before it: the train parts come
first.

Each series is scaled by its own train part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from bench.array_types import FloatArray, IntArray
from bench.data.base import Series
from bench.protocol.windows import Parts, Scaler

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ArrangedSeries(Series):
    """The parts of several series next to each other.

    Parameters
    ----------
    cut
        Of this order: the train parts of all, then the validation parts, then the test parts.
    origin
        ``[N]``: where each point stands in `whole`.
    member
        ``[N]``: the number of its series.
    last
        ``[N]``: the last point of its piece.
    whole
        ``[M, D]``: the series, one after the other, each in the order of time.
    """

    cut: Parts = field(kw_only=True)
    origin: IntArray = field(kw_only=True)
    member: IntArray = field(kw_only=True)
    last: IntArray = field(kw_only=True)
    whole: FloatArray = field(kw_only=True)

    def each(self, part: slice) -> Iterator[IntArray]:
        """The places of the points of each series in `part`, series by series."""
        for number in range(len(self.several)):
            yield np.flatnonzero(self.member[part] == number) + part.start

    def targets(self, part: slice, reach: int) -> Iterator[tuple[str, slice]]:
        """The name of each series, and its points in `part` less the `reach` that are inputs alone."""
        for (name, _), own in zip(self.several, self.each(part), strict=True):
            yield name, slice(int(own[0]) + reach, int(own[-1]) + 1)


def spans(series: Series) -> Iterator[tuple[str, int, int]]:
    """The name of each of several series, and where it begins and ends."""
    starts = [start for _, start in series.several]
    for (name, start), (_, stop) in zip(series.several, pairwise([*starts, len(series)]), strict=True):
        yield name, start, stop


def one_of(series: Series, name: str, start: int, stop: int) -> Series:
    """One of several series, by itself."""
    return replace(
        series,
        **{each: _taken(getattr(series, each), slice(start, stop)) for each in _BY_POINT},
        provenance=replace(series.provenance, source=f"{series.provenance.source}, {name!r}"),
        breaks=tuple(at - start for at in series.breaks if start < at < stop),
        several=(),
    )


_BY_POINT = ("values", "time", "covariates", "known_future")


def _taken(array: Any, which: Any) -> Any:
    return None if array is None else array[which]


def arranged(series: Series, cuts: Sequence[Parts], reach: int) -> ArrangedSeries:
    """The parts of `series` next to each other.

    Parameters
    ----------
    series
        Several.
    cuts
        The parts of each; its train part has at least `reach` points.
    reach
        How many points before its first target a window needs.
    """
    pieces: list[tuple[int, int, int]] = []  # the number of the series, and where the piece begins and ends in it
    ends: list[int] = []
    for name, back in (("train", 0), ("validation", reach), ("test", reach)):
        parts = [getattr(cut, name) for cut in cuts]
        pieces += [(number, part.start - back, part.stop) for number, part in enumerate(parts)]
        ends.append(sum(stop - start for _, start, stop in pieces))
    starts = [start for _, start in series.several]
    origin = np.concatenate([starts[k] + np.arange(start, stop) for k, start, stop in pieces])
    lengths = [stop - start for _, start, stop in pieces]
    last = np.cumsum(lengths) - 1
    firsts = last[:-1] + 1
    gaps = np.flatnonzero(np.isin(origin, series.breaks))
    given = {name: _taken(getattr(series, name), origin) for name in _BY_POINT}
    return ArrangedSeries(
        **given,
        provenance=series.provenance,
        utc=series.utc,
        breaks=tuple(sorted({*firsts.tolist(), *gaps.tolist()} - {0})),
        names=series.names,
        several=series.several,
        cut=Parts(*ends),
        origin=origin,
        member=np.repeat([k for k, _, _ in pieces], lengths),
        last=np.repeat(last, lengths),
        whole=series.values,
    )


def scaler_of_each(series: ArrangedSeries, fit: Callable[[FloatArray], Scaler], inputs: FloatArray) -> Scaler:
    """A scaler of the points of ``inputs`` ``[N, C]``, fitted on the train part of each series by itself."""
    fitted = [fit(inputs[own]) for own in series.each(series.cut.train)]
    return _by_member(fitted, series.member)


def range_of_each(series: ArrangedSeries, index: IntArray) -> Scaler:
    """The range of each series before its test part, at the points `index`."""
    known = [Scaler.fit("minmax", series.values[own]) for own in series.each(series.cut.known)]
    return _by_member(known, series.member[index])


def _by_member(scalers: Sequence[Scaler], member: IntArray) -> Scaler:
    offset, scale = (np.stack([getattr(each, name) for each in scalers]) for name in ("offset", "scale"))
    return Scaler(offset[member], scale[member])


def most_common(values: Sequence[T]) -> T:
    """What most of several series have; of equals, what comes first."""
    return Counter(values).most_common(1)[0][0]
