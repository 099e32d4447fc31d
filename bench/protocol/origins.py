"""Rolling origins: a test part that is forecast from many points, each time for the whole horizon.

Windows laid end to end forecast each point once, and all begin at one hour of the day where the horizon is a day: the
error at a step ahead is then the error at an hour, and few origins say little about another stretch of the series. Here
the origin, the last point that a forecast sees, moves by `stride` points through the test part. Every origin has its
whole horizon there, so that each step ahead is forecast equally often, and all origins weigh the same.

Models are fitted once, before the first origin; what they see moves on with the origin. Tashman calls that updating,
in contrast to recalibration, which fits again at every origin: with ``refit: true``, on a train part that grows.

References
----------
L. J. Tashman, "Out-of-sample tests of forecasting accuracy: an analysis and review", International Journal of
Forecasting 16 (2000), pages 437-450.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.array_types import FloatArray
from bench.errors import DataError
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, Scaler, Windows, evaluation_windows, train_windows
from bench.spec import Split
from bench.text import plural


def rolling_windows(
    windows: Windows, part: slice, split: Split, *, breaks: Sequence[int] = (), source: str = ""
) -> Windows:
    """Windows over the test part from the origins that `split` says, in the order of time.

    The first targets are at the first point of the part and at every `stride`-th after it, as long as the horizon ends
    within the part; without a stride, at every `horizon`-th. A window that would reach across one of `breaks` is left
    out; the others stay where they are. Of these, the last `origins` are kept.

    Parameters
    ----------
    windows
        Those laid end to end over the part: the series, the sequence length and the horizon are theirs.
    part, breaks
        The points of the test part, and those that follow a gap.
    source
        Where the points come from, for messages: `Provenance.source`.

    Raises
    ------
    DataError
        The part has fewer points than one stride, or fewer origins than `split` says.
    """
    named, horizon = f"{source}: " if source else "", windows.horizon
    points, stride = part.stop - part.start, split.stride or horizon
    if stride > points:
        raise DataError(
            f"{named}the test part has {plural(points, 'point')}, but split says stride: {stride}, so there would be "
            f"no second origin; give a larger test part, or a stride of at most {points}"
        )
    last = part.stop - horizon
    dense = replace(windows, places=range(part.start, last + 1), end=part.stop).between(breaks)
    first = np.asarray(dense.places, np.int64)
    places = first[(first - part.start) % stride == 0]
    if split.origins is not None and split.origins > len(places):
        gaps = " without a gap" if len(places) < len(range(part.start, last + 1, stride)) else ""
        raise DataError(
            f"{named}{plural(points, 'test point')} have {plural(len(places), 'origin')}{gaps} for a horizon of "
            f"{horizon} at a stride of {stride}, but split says origins: {split.origins}; lower origins or stride, or "
            "give a larger test part"
        )
    places = places[-(split.origins or len(places)) :]
    whole = bool(len(places)) and not len(breaks)
    return replace(
        windows,
        places=range(int(places[0]), int(places[-1]) + 1, stride) if whole else places,
        end=int(places[-1]) + horizon if len(places) else part.stop,
    )


@dataclass(frozen=True, eq=False)
class Refit:
    """One origin, and what a fit before it may see.

    Parameters
    ----------
    origin
        The index of the first point that is forecast.
    data
        Train and validation: all points before the origin, the last of them for validation.
    test
        The one window from this origin.
    scaler
        Fitted on this train part; `data` and `test` are in its units.
    """

    origin: int
    data: TrainingData
    test: Windows
    scaler: Scaler


def refits(
    values: FloatArray,
    test: Windows,
    cut: Parts,
    *,
    scaled: Callable[[FloatArray, slice], tuple[Scaler, FloatArray]],
    breaks: Sequence[int] = (),
    source: str = "",
) -> Iterator[Refit]:
    """Each origin of `test` in the order of time, with all that lies before it cut and scaled anew.

    The validation part keeps its size and ends where the forecast begins; the train part is all before it. The series
    ends with the last target of the window, so that nothing after it is at hand.

    Parameters
    ----------
    values
        ``[N, C]``: the series in original units.
    test, cut
        The test windows of the suite, and its parts; at the first point of the test part these are the parts of
        the refit too.
    scaled
        ``scaled(values, train)`` gives a scaler that is fitted on the `train` part of some of the values, and these in
        its units, as windows show them.
    breaks, source
        As in `rolling_windows`.

    Raises
    ------
    DataError
        Gaps leave no window for validation before an origin.
    """
    length, horizon, validation_points = test.sequence_length, test.horizon, cut.validation_end - cut.train_end
    ends = np.broadcast_to(np.asarray(test.end), (len(test),))
    for origin, last in zip(np.asarray(test.places).tolist(), ends.tolist(), strict=True):
        end = min(origin + horizon, last)
        parts = Parts(origin - validation_points, origin, end)
        fitted, shown = scaled(values[:end], parts.train)
        train, validation = (
            replace(part, covariates=test.covariates, begin=test.begin).between(breaks)
            for part in (
                train_windows(shown, parts, length, horizon),
                evaluation_windows(shown, parts.validation, length, horizon),
            )
        )
        if not validation:
            raise DataError(
                f"{f'{source}: ' if source else ''}expected a window without a gap in the {validation_points} points "
                f"before point {origin}, which choose there, got none; give a larger validation part, or let windows "
                "reach across gaps: across_gaps: true"
            )
        yield Refit(
            origin,
            TrainingData(train, validation),
            replace(test, values=shown, places=range(origin, origin + 1), end=end),
            fitted,
        )
