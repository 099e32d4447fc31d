"""Errors of a forecast, in NumPy: the same functions serve validation, test and report.

Every function takes arrays of one shape, ``[N]`` or ``[N, …, C]``, in one unit, and pools over all their values. Sums
are float64 whatever the input. A value that is not finite raises `ValueError` with the name of its array.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.array_types import FloatArray

CLEAR = 3.0
"""How many of its standard errors a mean must lie above 0 to count as above 0."""


@dataclass(frozen=True)
class Metric:
    """What a column of errors means.

    Parameters
    ----------
    summary
        One line for ``bench list metrics``.
    unit
        What errors are measured in: the series' original units, scaled units, or none.
    better
        Which values are better.
    """

    summary: str
    unit: Literal["original", "scaled", "none"]
    better: Literal["lower", "higher"]


METRICS: Mapping[str, Metric] = {
    "rmse": Metric("square root of the mean squared error over all test targets", "original", "lower"),
    "mse": Metric("mean squared error (unit squared)", "original", "lower"),
    "mae": Metric("mean absolute error", "original", "lower"),
    "mase": Metric("mae / mean absolute error of the (seasonal) naive forecast of the train part", "none", "lower"),
    "r2": Metric("share of the targets' variance explained; empty where they are constant", "none", "higher"),
    "rmse_scaled": Metric("rmse in scaled units", "scaled", "lower"),
    "mse_scaled": Metric("mse in scaled units (unit squared)", "scaled", "lower"),
    "skill": Metric("1 - mse / mse of persistence; empty where persistence is exact", "none", "higher"),
    "learnable_fraction": Metric(
        "share of the way from persistence to the noise floor; empty where the two are within noise", "none", "higher"
    ),
    "accuracy": Metric("share of the test examples whose class got the highest probability", "none", "higher"),
    "log_loss": Metric("mean of -log of the probability given to the true class, in nats", "none", "lower"),
    "directional_accuracy": Metric(
        "share of the targets that moved whose direction was forecast; no change forecast counts one half",
        "none",
        "higher",
    ),
}


def mse(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean squared error; infinite where it exceeds float64."""
    error = _difference(truth=truth, prediction=prediction)
    unit = _unit(error)
    return float(np.mean(np.square(error / unit))) * unit * unit


def rmse(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Square root of the mean squared error."""
    return _root_mean_square(_difference(truth=truth, prediction=prediction))


def mae(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(_difference(truth=truth, prediction=prediction))))


def mase(truth: ArrayLike, prediction: ArrayLike, unit: FloatArray) -> float:
    """Mean absolute error in the `unit` ``[C]`` of each channel (Hyndman and Koehler 2006).

    NaN where a channel has none, or one that is so small that the ratio exceeds float64.
    """
    error = np.abs(_difference(truth=truth, prediction=prediction))
    ratio = float(np.mean(error / unit))
    return ratio if math.isfinite(ratio) else math.nan


def r2(truth: ArrayLike, prediction: ArrayLike) -> float:
    """1 − squared error / squared deviation of the truth from its mean in each channel, sums over all channels.

    NaN where the truth is constant in every channel: there is no variance to explain.
    """
    error = _difference(truth=truth, prediction=prediction)
    values = np.asarray(truth, np.float64)
    points = tuple(range(max(values.ndim - 1, 1)))  # every axis but the channels
    if not np.ptp(values, axis=points).any():
        return math.nan
    ratio = _root_mean_square(error) / _root_mean_square(values - values.mean(axis=points))
    return 1 - ratio * ratio


def skill(truth: ArrayLike, prediction: ArrayLike, persistence: ArrayLike) -> float:
    """1 − MSE / MSE(persistence); NaN where persistence makes no error.

    Parameters
    ----------
    truth, prediction
        The targets and the forecast.
    persistence
        The last input before each target.
    """
    error = _difference(truth=truth, prediction=prediction)
    reference = _root_mean_square(_difference(truth=truth, persistence=persistence))
    if reference == 0:
        return math.nan
    ratio = _root_mean_square(error) / reference
    return 1 - ratio * ratio


def learnable_fraction(
    truth: ArrayLike, prediction: ArrayLike, persistence: ArrayLike, *, best: ArrayLike, repeats: float = 1.0
) -> float:
    """(MSE(persistence) − MSE) / (MSE(persistence) − MSE(noise floor)).

    NaN where the denominator is not clear of 0, that is within `CLEAR` of its standard errors, taking targets as
    independent: then there is nothing to learn, or too little to measure.

    Parameters
    ----------
    truth, prediction, persistence
        As for `skill`.
    best
        The best possible forecast of each target, whose error is the noise floor.
    repeats
        How often a point is a target, on average: so many times fewer are independent.
    """
    error = _difference(truth=truth, prediction=prediction)
    reference = _difference(truth=truth, persistence=persistence)
    floor = _difference(truth=truth, best=best)
    unit = max(map(_unit, (error, reference, floor)))
    learnable = np.square(reference / unit) - np.square(floor / unit)  # paired by target
    learned = np.square(reference / unit) - np.square(error / unit)
    if learnable.mean() <= CLEAR * learnable.std() / math.sqrt(learnable.size / repeats):
        return math.nan
    return float(learned.mean() / learnable.mean())


def directional_accuracy(truth: ArrayLike, prediction: ArrayLike, persistence: ArrayLike) -> float:
    """Share of the targets that moved from the last input whose direction was forecast.

    A target that did not move has no direction and is left out. A forecast of no change is no answer and counts
    one half, so that persistence scores what a coin does. NaN where no target moved.

    Parameters
    ----------
    truth, prediction, persistence
        As for `skill`.
    """
    moved = np.sign(_difference(truth=truth, persistence=persistence))
    forecast = np.sign(_difference(prediction=prediction, persistence=persistence))
    if not moved.any():
        return math.nan
    return float(np.mean((1 + moved * forecast)[moved != 0]) / 2)


def accuracy(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Share of examples whose class got the highest probability; of equals, the first counts.

    Parameters
    ----------
    truth
        One-hot ``[N, classes]``.
    probabilities
        ``[N, classes]``.
    """
    _difference(truth=truth, probabilities=probabilities)
    return float(np.mean(np.argmax(truth, axis=-1) == np.argmax(probabilities, axis=-1)))


def log_loss(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of −log of the probability given to the true class, in nats; as for `accuracy`.

    A probability of 0 counts as the smallest positive float64, so that the mean stays finite.
    """
    _difference(truth=truth, probabilities=probabilities)
    given = np.sum(np.asarray(truth, np.float64) * np.asarray(probabilities, np.float64), axis=-1)
    return float(-np.mean(np.log(np.maximum(given, np.finfo(np.float64).tiny))))


def _difference(**pair: ArrayLike) -> FloatArray:
    """The first of two named arrays minus the second, checked."""
    (left, minuend), (right, subtrahend) = ((name, _finite(name, values)) for name, values in pair.items())
    if minuend.shape != subtrahend.shape:
        raise ValueError(f"{left} {minuend.shape} and {right} {subtrahend.shape}: expected one shape")
    return minuend - subtrahend


def _finite(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, np.float64)
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one value, got shape {array.shape}")
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise ValueError(f"{name}: expected finite values, got {wrong} of {array.size} that are not")
    return array


def _root_mean_square(values: FloatArray) -> float:
    unit = _unit(values)
    return math.sqrt(np.mean(np.square(values / unit))) * unit


def _unit(values: FloatArray) -> float:
    """The power of two next below the largest magnitude: dividing by it is exact, and squares cannot overflow."""
    largest = float(np.abs(values).max())
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0
