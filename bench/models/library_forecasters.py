"""Models of Darts and of NeuralForecast as forecasters.

A suite names a class of a list; its sizes of windows are those of the suite, so is how long it is trained, and all
else is the library's. Darts' global models and networks, and all of NeuralForecast, are fitted once on the train part
and read the last points before each origin. Of Darts' local models, ARIMA and the Kalman filter are estimated once too
and read the whole history; the others cannot forecast another series than the one they were fitted on, and are fitted
again on the history before each origin. None is given the validation part.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.array_types import FloatArray
from bench.errors import InputError, described
from bench.models.base import Parameters, Shape
from bench.models.forecaster import FitBudget
from bench.models.optional import absent
from bench.registry import unknown

Origins = NDArray[np.int64]

LOCAL = (
    *("ARIMA", "ExponentialSmoothing", "FFT", "FourTheta", "KalmanForecaster", "NaiveDrift", "NaiveMean"),
    *("NaiveMovingAverage", "NaiveSeasonal", "Theta"),
)
"""Darts' models of one series, which know nothing of windows."""

REGRESSIONS = ("LinearRegressionModel", "RandomForestModel")
"""Darts' regressions on lags."""

NETWORKS = (
    *("BlockRNNModel", "DLinearModel", "NBEATSModel", "NHiTSModel", "NLinearModel", "TCNModel", "TiDEModel"),
    *("TransformerModel", "TSMixerModel"),
)
"""Darts' networks, which need pytorch-lightning."""

OF_NEURALFORECAST = (
    *("BiTCN", "DilatedRNN", "DLinear", "GRU", "KAN", "LSTM", "MLP", "NBEATS", "NHITS", "NLinear", "PatchTST"),
    *("RNN", "TCN", "TiDE", "TimesNet", "VanillaTransformer"),
)
"""NeuralForecast's networks of one series that give one forecast, the same again when they are called again."""

_WINDOWS = "it is the suite's, sequence_lengths or horizons"
_BUDGET = "the suite's training says how long every model is trained"
_NOT_OPEN: Mapping[str, str] = {
    **dict.fromkeys(("random_state", "random_seed"), "each replicate has its own, from the suite's seed"),
    **dict.fromkeys(("n_epochs", "max_steps", "early_stop_patience_steps", "val_check_steps"), _BUDGET),
    **dict.fromkeys(("lags", "input_chunk_length", "output_chunk_length", "h", "input_size"), _WINDOWS),
    **dict.fromkeys(
        ("model_name", "work_dir", "save_checkpoints", "log_tensorboard"), "nothing but bench writes files"
    ),
    **dict.fromkeys(("pl_trainer_kwargs", "trainer_kwargs"), "cells run next to each other, on one thread each"),
    "alias": "the id of the entry is its name",
}
"""Parameters that no suite may set, and why."""


@dataclass(frozen=True)
class OpenClasses:
    """Which of a library's classes a suite may name.

    Parameters
    ----------
    module
        Where they are.
    names
        Those of them.
    """

    module: str
    names: tuple[str, ...]

    def name_in(self, address: str) -> str:
        """The name of the class at ``"module.Class"``.

        Raises
        ------
        InputError
            It is none of `names`.
        """
        module, _, name = address.rpartition(".")
        if module != self.module:
            example = f"{self.module}.{self.names[1]}"
            raise InputError(f"expected a model of {self.module}, such as {example}, got {address!r}")
        if name not in self.names:
            raise InputError(f"{self.module}: {unknown(name, self.names, 'model')}")
        return name


DARTS = OpenClasses("darts.models", (*LOCAL, *REGRESSIONS, *NETWORKS))
NEURALFORECAST = OpenClasses("neuralforecast.models", OF_NEURALFORECAST)


@cache
def _class(address: str) -> type[Any]:
    module, _, name = address.rpartition(".")
    with _quiet():
        kind: type[Any] = getattr(importlib.import_module(module), name)
    return kind


@cache
def _signature(address: str) -> Mapping[str, Any]:
    """Every parameter that the constructor takes, those of its bases too, with its default."""
    known: dict[str, Any] = {}
    for base in _class(address).__mro__:
        if ".models" in base.__module__ and "__init__" in vars(base):  # the other bases are of no model
            for each in inspect.signature(vars(base)["__init__"]).parameters.values():
                if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                    known.setdefault(each.name, each.default)
    known.pop("self", None)
    return known


def parameters_of(address: str) -> Mapping[str, Any]:
    """Those that a suite may set, each with its default where that can be written in a suite, else `None`."""
    known = {name: value for name, value in _signature(address).items() if name not in _NOT_OPEN}
    return {name: _plain(value) for name, value in known.items()}


def _plain(value: Any) -> Any:
    value = value.value if isinstance(value, Enum) else value
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """What the libraries say of their progress is not the user's concern."""
    loggers = [logging.getLogger(name) for name in ("darts", "pytorch_lightning", "lightning_fabric", "lightning")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


class LibraryParameters(Parameters):
    """A class of a library; every other key is a parameter of its constructor."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    library: ClassVar[OpenClasses]

    model: str = Field(min_length=1)

    @model_validator(mode="after")
    def _is_what_the_class_takes(self) -> LibraryParameters:
        try:
            name = self.library.name_in(self.model)
        except InputError as error:
            raise _at("model", str(error), self.model) from None
        for key in self.given:
            if key in _NOT_OPEN:
                raise _at(key, f"expected no {key}, as {_NOT_OPEN[key]}; leave it out", self.given[key])
        if self.lacking():  # which knows its parameters
            return self
        known = parameters_of(self.model)
        for key in self.given:
            if key not in known:
                raise _at(key, f"{name}: {unknown(key, known, 'parameter')}", self.given[key])
        return self

    @property
    def given(self) -> Mapping[str, Any]:
        """What the suite says of the model itself."""
        return self.model_extra or {}

    @property
    def name(self) -> str:
        """That of the class."""
        return self.model.rpartition(".")[2]

    def lacking(self) -> str | None:
        """What is not installed that it needs, in one line."""
        return absent(self.library.module.partition(".")[0])

    def left_open(self) -> Mapping[str, Any]:
        """The constructor's defaults; none are known of a library that is not installed."""
        return {} if self.lacking() else parameters_of(self.model)

    def made(self, **more: Any) -> Any:
        """A model of these parameters, and of those of `more` that its constructor takes."""
        known = _signature(self.model)
        given = {name: _as_enum(known[name], value) for name, value in self.given.items()}
        with _quiet():
            return _class(self.model)(**given, **{name: value for name, value in more.items() if name in known})


def _as_enum(default: Any, value: Any) -> Any:
    return type(default)(value) if isinstance(default, Enum) and value is not None else value


def _at(key: str, text: str, value: Any) -> ValidationError:
    """What is wrong with one key, said at its place in the file."""
    wrong = PydanticCustomError("library", "{text}", {"text": text})
    return ValidationError.from_exception_data("library", [InitErrorDetails(type=wrong, loc=(key,), input=value)])


class DartsParameters(LibraryParameters):
    """A model of Darts."""

    library = DARTS

    model: str = Field("darts.models.ExponentialSmoothing", description="The class, of darts.models.", min_length=1)

    def lacking(self) -> str | None:
        """Its networks need one library more."""
        return super().lacking() or (absent("pytorch_lightning") if self.name in NETWORKS else None)


class NeuralForecastParameters(LibraryParameters):
    """A model of NeuralForecast."""

    library = NEURALFORECAST

    model: str = Field("neuralforecast.models.NHITS", description="The class, of neuralforecast.models.", min_length=1)


def lacks(parameters: LibraryParameters) -> str | None:
    """What is not installed that it needs, and how to install it; `None` where nothing is lacking."""
    return parameters.lacking()


def draws(parameters: LibraryParameters) -> bool:
    """Whether it draws random numbers: networks and forests do."""
    return isinstance(parameters, NeuralForecastParameters) or parameters.name in (*NETWORKS, "RandomForestModel")


def refuse_other_arguments(shape: Shape, parameters: LibraryParameters) -> None:
    """Refuse what the library's own constructor refuses.

    Raises
    ------
    InputError
        It raises.
    """
    if not parameters.lacking() and (wrong := _refused(type(parameters), parameters.model_dump_json(), shape)):
        raise InputError(f"{parameters.name}: expected arguments that it takes, got {wrong}; see its documentation")


@cache
def _refused(kind: type[LibraryParameters], chosen: str, shape: Shape) -> str | None:
    adapter: Any = DartsForecaster if kind is DartsParameters else NeuralForecastForecaster
    try:
        adapter(kind.model_validate_json(chosen), shape).new(0, FitBudget(epochs=1), 1)
    except Exception as error:  # whatever a library raises
        return described(error)
    return None


_ON_CPU: Mapping[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}
"""What Lightning's trainer is given: one process, nothing printed, and no file written."""


class DartsForecaster:
    """A model of Darts; see the module for what is fitted when."""

    def __init__(self, parameters: DartsParameters, shape: Shape) -> None:
        self._parameters, self._shape = parameters, shape
        self._fresh: Callable[[], Any] = lambda: self.new(0, FitBudget(), 1)
        self._fitted: list[Any] = []  # one for each channel of a local model, one for all of another

    @property
    def _local(self) -> bool:
        return self._parameters.name in LOCAL

    @property
    def _type(self) -> Any:
        return np.float32 if self._parameters.name in NETWORKS else np.float64

    def new(self, seed: int, budget: FitBudget, windows: int) -> Any:
        """An unfitted model, which is trained on so many windows in an epoch."""
        length, horizon = self._shape.sequence_length, self._shape.horizon
        sizes: dict[str, Any] = {"random_state": seed % 2**31}
        if self._parameters.name in REGRESSIONS:
            sizes |= {"lags": length, "output_chunk_length": horizon}
        elif not self._local:
            batches = math.ceil(windows / self._parameters.given.get("batch_size", 32))
            epochs = budget.epochs if budget.steps is None else math.ceil(budget.steps / batches)
            sizes |= {"input_chunk_length": length, "output_chunk_length": horizon, "n_epochs": epochs}
            sizes |= {"pl_trainer_kwargs": dict(_ON_CPU)}
        return self._parameters.made(**sizes)

    def fit(self, history: FloatArray, validation: FloatArray | None, *, seed: int, budget: FitBudget) -> None:  # noqa: ARG002 - the contract's signature
        """Fit on the train part ``[N, D]``; a local model, one for each channel."""
        windows = max(len(history) - self._shape.sequence_length - self._shape.horizon + 1, 1)
        self._fresh = lambda: self.new(seed, budget, windows)
        parts = [history[:, [channel]] for channel in range(history.shape[1])] if self._local else [history]
        with _quiet():
            self._fitted = [self._fitted_on(part) for part in parts]

    def _fitted_on(self, values: FloatArray) -> Any:
        model = self._fresh()
        model.fit(self._series(values), **({"verbose": False} if self._parameters.name in NETWORKS else {}))
        return model

    def _series(self, values: FloatArray) -> Any:
        return importlib.import_module("darts").TimeSeries.from_values(values.astype(self._type))

    def predict(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """``[N, H, D]``, each origin from what lies before it."""
        with _quiet():
            if not self._local:
                return self._from_windows(history, origins, horizon)
            columns = [history[:, [channel]] for channel in range(history.shape[1])]
            each = [
                [self._of_one(model, column[:origin], horizon) for origin in origins]
                for model, column in zip(self._fitted, columns, strict=True)
            ]
        return np.stack(each, axis=-1)

    def _of_one(self, model: Any, values: FloatArray, horizon: int) -> FloatArray:
        """``[H]``: of one channel, from all of its past."""
        if model.supports_transferable_series_prediction:
            forecast = model.predict(horizon, series=self._series(values))
        else:
            forecast = self._fitted_on(values).predict(horizon)
        return np.asarray(forecast.values()[:, 0], np.float64)

    def _from_windows(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        (model,) = self._fitted
        length = self._shape.sequence_length
        series = [self._series(history[origin - length : origin]) for origin in origins]
        forecasts = model.predict(horizon, series=series, verbose=False, show_warnings=False)
        return np.stack([np.asarray(each.values(), np.float64) for each in forecasts])

    def parameter_count(self) -> int | None:
        """Weights of a network; of the others they are not known."""
        if self._parameters.name not in NETWORKS:
            return None
        return sum(int(each.numel()) for each in self._fitted[0].model.parameters())


class NeuralForecastForecaster:
    """A network of NeuralForecast, trained once on all channels as series of one kind."""

    def __init__(self, parameters: NeuralForecastParameters, shape: Shape) -> None:
        self._parameters, self._shape = parameters, shape
        self._core: Any = None

    def new(self, seed: int, budget: FitBudget, windows: int) -> Any:
        """An untrained network, for which an epoch has so many windows."""
        given = self._parameters.given
        batch = given.get("windows_batch_size", 0) or _signature(self._parameters.model)["windows_batch_size"]
        steps = budget.steps or (budget.epochs or 1) * math.ceil(windows / batch)
        with _quiet():
            return _class(self._parameters.model)(
                h=self._shape.horizon,
                input_size=self._shape.sequence_length,
                max_steps=steps,
                random_seed=seed % 2**31,
                **given,
                **_ON_CPU,
            )

    def fit(self, history: FloatArray, validation: FloatArray | None, *, seed: int, budget: FitBudget) -> None:  # noqa: ARG002 - the contract's signature
        """Train on the train part ``[N, D]``."""
        windows = max(len(history) - self._shape.sequence_length - self._shape.horizon + 1, 1) * history.shape[1]
        module = importlib.import_module("neuralforecast")
        with _quiet():
            self._core = module.NeuralForecast([self.new(seed, budget, windows)], freq=1)
            self._core.fit(_frame(list(history.T)), val_size=0)

    def predict(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """``[N, H, D]``: each window before an origin is a series of its own."""
        length, channels = self._shape.sequence_length, history.shape[1]
        windows = [history[origin - length : origin, channel] for origin in origins for channel in range(channels)]
        with _quiet():
            frame = self._core.predict(df=_frame(windows)).sort_values(["unique_id", "ds"])
        values: FloatArray = frame[self._parameters.name].to_numpy(np.float64)
        return values.reshape(len(origins), channels, horizon).swapaxes(1, 2)

    def parameter_count(self) -> int:
        """Weights."""
        return sum(int(each.numel()) for each in self._core.models[0].parameters())


def _frame(series: list[FloatArray]) -> Any:
    """Series of one length as the long table that NeuralForecast reads."""
    import pandas as pd

    length = len(series[0])
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(series)), length),
            "ds": np.tile(np.arange(length), len(series)),
            "y": np.concatenate(series).astype(np.float32),
        }
    )
