"""The contract between a model and everything that trains, tunes or lists it. Imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from bench.array_types import FloatArray
from bench.errors import LibraryUnavailable
from bench.tasks import Task

Batches = Callable[[], Iterator[tuple[FloatArray, FloatArray]]]
"""Each call starts one pass over the train windows: pairs of inputs ``[B, T, C]`` and targets ``[B, H, D]``."""


class Parameters(BaseModel):
    """What a suite may say about one kind of model; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def departures(self) -> tuple[str, ...]:
        """What of these departs from the protocol, as published systems do; it marks the rows `as published`."""
        return ()

    def left_open(self) -> Mapping[str, Any]:
        """Values of further parameters that a suite may set or search, where their names are not known beforehand."""
        return {}

    def check_window(self, sequence_length: int, horizon: int) -> None:
        """Refuse windows that these parameters cannot serve; called for every cell before anything runs.

        Raises
        ------
        InputError
            They cannot; here none is refused.
        """


@dataclass(frozen=True)
class Shape:
    """What a model is given about its data, and all that it is given.

    Parameters
    ----------
    sequence_length
        `T`, the points in an input window.
    horizon
        `H`, the points to predict.
    channels
        `C`, the values at each point.
    task
        What is requested: to `forecast` the horizon, to `denoise` each step, to `classify` the window.
    outputs
        `D`, the values of one target: the channels, or the classes; `None` for `channels`.
    every_step
        Whether an output is wanted at every step of the window, ``[B, T, D]``, else ``[B, H, D]``.
    variable
        Whether windows may end early: NaN after their end.
    covariates
        How many of the channels, the last ones, are inputs alone: the targets are then of the first ``C - covariates``.
    """

    sequence_length: int
    horizon: int
    channels: int
    task: Task = "forecast"
    outputs: int | None = None
    every_step: bool = False
    variable: bool = False
    covariates: int = 0

    @property
    def targets(self) -> tuple[int, int]:
        """Steps and values of the output for one window."""
        steps = self.sequence_length if self.every_step else self.horizon
        return steps, self.channels if self.outputs is None else self.outputs

    @property
    def own(self) -> int:
        """How many channels of the window, the first ones, are no covariates: those that a series is forecast in."""
        return self.channels - self.covariates

    @property
    def without_covariates(self) -> Shape:
        """The same, less the covariates."""
        outputs = None if self.outputs == self.own else self.outputs
        return replace(self, channels=self.own, outputs=outputs, covariates=0)


class ClosedForm(Protocol):
    """A model that is fitted without gradients; in closed form and without random numbers, unless `stochastic`."""

    def fit(self, batches: Batches) -> None:
        """Fit on the train windows; `batches` may be called more than once, each call is one pass."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Predict ``[B, H, D]`` from ``x`` ``[B, T, C]``."""

    def parameter_count(self) -> int | None:
        """How many numbers were fitted; `None` where that is not known."""


@dataclass(frozen=True)
class FloatRange:
    """A tunable real number in ``[low, high]``, on a log scale where `log`."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class IntegerRange:
    """A tunable whole number in ``[low, high]``."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """A tunable value out of `options`."""

    options: tuple[str | int | float | bool | None, ...]


SearchRange = FloatRange | IntegerRange | Choice


class StatedRange(Parameters):
    """How a suite states a range: of whole numbers where both ends are, else of real ones."""

    low: int | float = Field(description="The smallest value.")
    high: int | float = Field(description="The largest one.")
    log: bool = Field(default=False, description="Whether it is searched on a log scale.")


Options = Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=1)]
StatedSearch = dict[str, Options | StatedRange]
"""What a suite says under ``search``: the name of a parameter → a list of values, or ``{low, high, log}``."""


def search_ranges(stated: Mapping[str, Any]) -> dict[str, SearchRange]:
    """What a suite's ``search``, as plain JSON values, stands for; the checks are those of `StatedSearch`.

    >>> search_ranges({"max_depth": [4, None], "alpha": {"low": 0.1, "high": 1, "log": True}})["alpha"]
    FloatRange(low=0.1, high=1, log=True)
    """
    ranges: dict[str, SearchRange] = {}
    for name, given in stated.items():
        if isinstance(given, Mapping):
            whole = isinstance(given["low"], int) and isinstance(given["high"], int)
            kind = IntegerRange if whole else FloatRange
            ranges[name] = kind(given["low"], given["high"], given.get("log", False))
        else:
            ranges[name] = Choice(tuple(given))
    return ranges


@dataclass(frozen=True)
class ModelKind:
    """One registered kind of model.

    Parameters
    ----------
    summary
        One line for ``bench list models``.
    parameters
        What a suite may set, with defaults and ranges.
    builder
        ``"module:function"`` of ``build(parameters, shape) -> model``, imported when it is first called, so
        that listing and checking need no torch; or that function itself. The model is a `torch.nn.Module` that maps
        ``[B, T, C]`` to ``[B, H, C]`` where `gradient`, a `Forecaster` where `forecaster`, else a `ClosedForm`.

        A module with the attribute ``takes_targets = True`` is called ``module(x, targets)`` while it trains (teacher
        forcing) and ``module(x)`` when it predicts; with ``teacher_forced_prediction = True`` also when it predicts.
        Step `k` of its output may depend on ``targets[:, :k]`` and on no later target. A module with ``stackable =
        True`` also takes the members of a bank at once: given weights ``[K, …]`` it maps ``[K, B, T, C]``, or ``[1, B,
        T, C]`` for all of them, to ``[K, B, H, C]`` (the layers of `bench.kernels` and `bench.models.layers` do);
        others are stepped as one by ``torch.vmap`` where that can be, else one by one. With ``without_autograd = True``
        it is trained by ``module.losses_and_gradients(x, targets, loss, weights)`` where the compiled kernels are;
        `weights` are the parameters' ``[K, …]`` one after another, and the gradients are laid out as those.
    gradient
        Whether it is trained by gradient descent.
    forecaster
        Whether it is a `Forecaster` (`bench.models.forecaster`), which reads the history of a series and not windows of
        it; it is then none of `gradient`.
    tasks
        What it can do.
    refusals
        What of a shape it cannot do: each raises `InputError` for such a shape, given it and the parameters.
    stochastic
        Whether a model without gradients draws random numbers, or which parameters make it do so: each replicate is
        then a fit of its own, and the model has the method ``seed(integer)``, called before `fit`.
    identity
        What else identifies its cells, such as a hash of its source; `None` for kinds of `bench` and of distributions,
        which are known by their versions.
    reads_covariates
        Whether it looks at inputs that are not forecast; else it forecasts each series from its own past alone.
    in_original_units
        Whether it stays what its name says, of the values themselves, where a dataset has its models forecast changes
        (`transform`).
    lacks
        ``lacks(parameters)``: what is not installed that these parameters need, and how to install it, in one line;
        `None` where nothing is. Such cells are stored as `unavailable`, and the others run.
    search
        The search space that tuning explores: names of `parameters` or of the suite's training settings.
        A parameter that the suite states is fixed and leaves the space. An entry of a suite may state another space.
    """

    summary: str
    parameters: type[Parameters]
    builder: str | Callable[[Any, Shape], Any]
    gradient: bool = True
    forecaster: bool = False
    tasks: frozenset[Task] = frozenset({"forecast"})
    search: Mapping[str, SearchRange] = field(default_factory=dict)
    refusals: tuple[Callable[[Shape, Any], None], ...] = ()
    stochastic: bool | Callable[[Any], bool] = False
    identity: str | None = None
    reads_covariates: bool = True
    in_original_units: bool = False
    lacks: Callable[[Any], str | None] | None = None

    def draws(self, parameters: Parameters) -> bool:
        """Whether it draws random numbers, for its initial weights or while it is fitted."""
        return self.gradient or self.is_stochastic(parameters)

    def is_stochastic(self, parameters: Parameters) -> bool:
        """Whether it draws some while it is fitted without gradients."""
        return self.stochastic(parameters) if callable(self.stochastic) else self.stochastic

    def missing(self, parameters: Parameters) -> str | None:
        """What is not installed that they need, in one line; `None` where nothing is."""
        return self.lacks(parameters) if self.lacks else None

    def check(self, parameters: Parameters, shape: Shape) -> None:
        """Refuse what it cannot do, without building it.

        Raises
        ------
        InputError
            The parameters cannot serve windows of this shape.
        """
        parameters.check_window(shape.sequence_length, shape.horizon)
        for refuse in self.refusals:
            refuse(self.seen(shape), parameters)

    def seen(self, shape: Shape) -> Shape:
        """`shape` as the model is given it: a forecaster's history has no covariates."""
        return shape.without_covariates if self.forecaster else shape

    def build(self, parameters: Parameters, shape: Shape) -> Any:
        """A fresh model; its initial weights come from torch's global generator.

        Raises
        ------
        InputError
            The parameters cannot serve windows of this shape.
        LibraryUnavailable
            A library is not installed that it needs.
        """
        if text := self.missing(parameters):
            raise LibraryUnavailable(text)
        self.check(parameters, shape)
        shape = self.seen(shape)
        if not isinstance(self.builder, str):
            return self.builder(parameters, shape)
        module, function = self.builder.split(":")
        return getattr(importlib.import_module(module), function)(parameters, shape)
