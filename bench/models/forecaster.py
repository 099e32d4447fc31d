"""Forecasters: models that read the whole history of a series up to each origin, and not a window of it.

An origin is the index of the first point that is forecast from there, so that everything before it is known: the
``history[:origin]``. All forecasts of a part are requested at once, so that a forecaster can go through the history
once (filter it) in place of once for each origin; that it uses nothing from an origin on is checked by other values
there, in every run. What calls a forecaster checks its answers, and names the check that fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.errors import InputError, NotFiniteError
from bench.models.base import Parameters, Shape

ONE_SERIES = (
    "expected one series, whose history a forecaster reads, got many short sequences; exclude this model for this "
    "dataset"
)
"""Why a forecaster cannot serve independent sequences."""

GAPS = (
    "expected a series without gaps, whose whole history a forecaster reads, got some; fill them, let windows reach "
    "across them (across_gaps: true), or exclude this model for this dataset"
)
"""Why it cannot serve a series with gaps."""

SEVERAL = (
    "does not apply: it reads the whole history of one series, and these are several; state fit: local, or exclude "
    "this model for this dataset"
)
"""Why it cannot serve several series."""


@dataclass(frozen=True)
class FitBudget:
    """What one fit may spend, as the suite's `training` says it for every model.

    Parameters
    ----------
    epochs, steps
        Passes over the train part, or steps of an optimiser, at most: the suite states one of them, and the other is
        `None`.
    seconds
        Until the time limit of the cell; infinite where it has none.
    """

    epochs: int | None = 100
    steps: int | None = None
    seconds: float = math.inf


class Forecaster(Protocol):
    """A model that needs more than a window. It has no base class: any class with these methods is one.

    Values are in the suite's scaled units (the scaler is fitted on the train part), of `D` channels. A class may state
    what it can do by attributes, see `Capabilities`. A method ``parameter_count()`` may say how many numbers were
    fitted.
    """

    def fit(self, history: FloatArray, validation: FloatArray | None, *, seed: int, budget: FitBudget) -> None:
        """Fit once, before anything is forecast.

        Parameters
        ----------
        history
            ``[N, D]``: the train part, and nothing after it.
        validation
            ``[M, D]``: the points that follow, to choose by and not to fit on; `None` where there are none.
        seed
            Of every random number that is drawn, here and in `predict`.
        budget
            What the fit may spend.
        """

    def predict(self, history: FloatArray, origins: NDArray[np.int64], horizon: int) -> FloatArray:
        """Forecast `horizon` points from each origin; the same call again gives the same.

        Parameters
        ----------
        history
            ``[T, D]``: the true values up to the last origin, ``T = origins[-1]``.
        origins
            ``[N]``, ascending: the forecast from origin `o` is of the points ``o … o + horizon - 1``, and may use
            ``history[:o]`` alone.
        horizon
            `H`.

        Returns
        -------
        array
            ``[N, H, D]``.
        """


@dataclass(frozen=True)
class Capabilities:
    """What a forecaster states by attributes of these names; every forecaster has the task to `forecast` one series.

    Parameters
    ----------
    several_channels
        Whether it forecasts series of more than one channel.
    stochastic
        Whether it draws random numbers: each replicate is then a fit with a seed of its own, else one fit stands for
        all.
    horizons
        Those that it can forecast, such as ``range(1, 49)``; `None` for all.
    """

    several_channels: bool = False
    stochastic: bool = True
    horizons: Container[int] | None = None

    @classmethod
    def of(cls, place: str, given: object) -> Capabilities:
        """What `given`, which messages call `place`, states; the defaults where it states nothing.

        Raises
        ------
        InputError
            It states something else than can be stated.
        """
        stated = {name: getattr(given, name, getattr(cls, name)) for name in cls.__dataclass_fields__}
        for name in ("several_channels", "stochastic"):
            if not isinstance(stated[name], bool):
                raise InputError(f"{place}: {name}: expected True or False, got {stated[name]!r}; correct it there")
        horizons = stated["horizons"]
        if horizons is not None and not isinstance(horizons, Container):
            raise InputError(
                f"{place}: horizons: expected numbers, such as range(1, 49), or None for all, got {horizons!r}; "
                "correct it there"
            )
        return cls(**stated)

    def refuse(self, shape: Shape, _parameters: Parameters) -> None:
        """Refuse what is not among them.

        Raises
        ------
        InputError
            It is not.
        """
        if shape.channels > 1 and not self.several_channels:
            raise InputError(
                f"expected a series of one channel, as it states no several_channels, got {shape.channels}; exclude "
                "this model for this dataset"
            )
        if self.horizons is not None and shape.horizon not in self.horizons:
            raise InputError(
                f"expected a horizon among those that it states, {self.horizons}, got {shape.horizon}; exclude it "
                "there for this model"
            )


def forecasts(model: Forecaster, values: FloatArray, origins: NDArray[np.int64], horizon: int) -> FloatArray:
    """``[N, H, D]``: what `model` forecasts of ``values`` ``[T, D]``, of which it gets a copy up to the last origin.

    Raises
    ------
    InputError
        Its answer is of another shape, or not finite.
    """
    name, wanted = type(model).__name__, [len(origins), horizon, values.shape[1]]
    given = model.predict(np.array(values[: origins[-1]], dtype=np.float64), np.array(origins), horizon)
    came = np.asarray(given)
    if np.ma.is_masked(given):
        raise InputError(f"{name}: numbers: expected forecasts of all targets, got some that are masked; fill them in")
    if list(came.shape) != wanted or came.dtype.kind not in "fiu":
        raise InputError(
            f"{name}: shapes: expected forecasts {wanted} of {wanted[0]} origins, got {list(came.shape)} of "
            f"{came.dtype}; shape them as [N, H, D]"
        )
    finite = np.isfinite(came).all(axis=(1, 2))
    if not finite.all():
        raise NotFiniteError(
            f"{name}: numbers: expected finite forecasts, got NaN or infinity from the origin {origins[~finite][0]}; "
            "look for a division, a log, or too short a history"
        )
    return came.astype(np.float64)


_ROUNDING = 1e-6
"""Forecasts that differ by less, as a share of the largest value, are the same: sums in another order."""


def refuse_peeking(
    model: Forecaster,
    values: FloatArray,
    origins: NDArray[np.int64],
    horizon: int,
    before: FloatArray,
    *,
    number: int | None = None,
) -> None:
    """Change the values from one origin on: no forecast from there, or from earlier, may change.

    Parameters
    ----------
    model, values, origins, horizon
        As in `forecasts`.
    before
        ``[K, H, D]``: what it gave, at least for the origins up to that one.
    number
        Which origin, from 0; by default the one in the middle.

    Raises
    ------
    InputError
        One changes.
    """
    number = (len(origins) - 1) // 2 if number is None else number
    start = int(origins[number])
    if start == int(origins[-1]):
        return  # nothing after the last origin is handed over
    after = forecasts(model, other_from(values[: origins[-1]], start), origins, horizon)
    known = before[: number + 1]
    gaps = np.abs(after[: number + 1] - known)
    if gaps.max() > _ROUNDING * (1 + np.abs(known).max()):
        worst = int(origins[int(gaps.max(axis=(1, 2)).argmax())])
        raise InputError(
            f"{type(model).__name__}: causality: other values from point {start} on change its forecast from point "
            f"{worst} by {gaps.max():.3g}: it peeks at values after the origin, or gives something else when it is "
            "called again; forecast from history[:origin] alone"
        )


def other_from(values: FloatArray, start: int) -> FloatArray:
    """``values`` ``[T, D]`` with others from the point `start` on: each moved by one to two of its deviations."""
    spread, random = values.std(axis=0), np.random.default_rng(start)
    moved: FloatArray = values.copy()
    size = moved[start:].shape
    moved[start:] += random.choice([-1.0, 1.0], size) * random.uniform(1, 2, size) * np.where(spread > 0, spread, 1.0)
    return moved


def parameter_count(model: object) -> int | None:
    """How many numbers it fitted, where it says so."""
    count: Callable[[], Any] | None = getattr(model, "parameter_count", None)
    return None if count is None else count()
