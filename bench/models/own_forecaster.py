"""A class with `fit` and `predict` of a user's own as a kind of model: a `Forecaster`.

As for a torch module, what its constructor is given of the data is decided by the names of its parameters; the others
are a suite's to set. Before anything runs it is tried on a short series, and what is wrong is said by the name of the
check that fails.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import create_model

from bench.array_types import FloatArray
from bench.errors import InputError, described, is_out_of_memory
from bench.models.base import ModelKind, Parameters, Shape
from bench.models.forecaster import Capabilities, FitBudget, Forecaster, forecasts, refuse_peeking
from bench.models.own_module import FACTS, OwnParameters, constructor_parameters
from bench.models.parameters import refuse_other_values, refuse_variable
from bench.models.trial_process import tried

METHODS = "fit(history, validation, *, seed, budget) and predict(history, origins, horizon)"
"""What makes a class a forecaster, in words."""


def is_forecaster_class(given: object) -> bool:
    """Whether `given` is a class whose `fit` and `predict` can be called as those of a `Forecaster`."""
    fit, predict = getattr(given, "fit", None), getattr(given, "predict", None)
    if not (isinstance(given, type) and callable(fit) and callable(predict)):
        return False
    try:
        inspect.signature(fit).bind(None, None, None, seed=0, budget=None)
        inspect.signature(predict).bind(None, None, None, 1)
    except (TypeError, ValueError):  # others, as those of scikit-learn; or code that has no signature
        return False
    return True


def forecaster_kind(place: str, constructor: Callable[..., Any], identity: str) -> ModelKind:
    """The kind of the forecasters that `constructor`, a class, makes.

    Parameters
    ----------
    place
        What messages call it.
    constructor
        A class for which `is_forecaster_class` holds.
    identity
        What identifies its source.

    Raises
    ------
    InputError
        It has a parameter that a suite cannot state, or states capabilities that there are not.
    """
    able = Capabilities.of(place, constructor)
    facts, own = constructor_parameters(place, constructor)
    parameters = create_model("ForecasterParameters", __base__=OwnParameters, **own)

    def build(chosen: Parameters, shape: Shape) -> Any:
        return constructor(**{name: FACTS[name](shape) for name in facts}, **chosen.model_dump())

    @functools.cache
    def examined(chosen: str, shape: Shape) -> str | None:
        return tried(lambda: wrong_forecaster(lambda: build(parameters.model_validate_json(chosen), shape), shape))

    def refuse(shape: Shape, chosen: Parameters) -> None:
        if wrong := examined(chosen.model_dump_json(), shape):
            raise InputError(f"{place}: {wrong}")

    return ModelKind(
        summary="a forecaster of yours",
        parameters=parameters,
        builder=build,
        gradient=False,
        forecaster=True,
        reads_covariates=False,
        refusals=(refuse_other_values, refuse_variable, able.refuse, refuse),
        stochastic=able.stochastic,
        identity=identity,
    )


def wrong_forecaster(make: Callable[[], Forecaster], shape: Shape) -> str | None:
    """What one fit and its forecasts of a short series say against a run: the check that fails, and why.

    Where memory runs out nothing is said: its cells end the same way, each by itself.
    """
    name = ""
    try:
        values, end = trial_series(shape)
        model = fitted(make(), values, end)
        name, origins = type(model).__name__, trial_origins(end, shape.horizon)
        refuse_peeking(model, values, origins, shape.horizon, forecasts(model, values, origins, shape.horizon))
    except InputError as error:
        return str(error).removeprefix(f"{name}: ")
    except Exception as error:  # whatever the code of others raises
        return None if is_out_of_memory(error) else f"it cannot be fitted and called: {described(error)}"
    return None


_LEAST = 200
"""Points of the train part of the series that a forecaster is tried on, at least."""


def trial_series(shape: Shape) -> tuple[FloatArray, int]:
    """A noisy sine of 24 points on a level, ``[N, C]`` within about [0, 1], and where its train part ends."""
    end = max(_LEAST, 2 * shape.sequence_length) + shape.horizon
    steps = np.arange(end + 8 * shape.horizon + 1.0)[:, None] + np.arange(float(shape.channels))
    noise = np.random.default_rng(0).normal(size=steps.shape)
    return 0.5 + 0.4 * np.sin(2 * np.pi * steps / 24) + 0.05 * noise, end


def trial_origins(end: int, horizon: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Eight origins after the train part, each `horizon` after the one before."""
    return end + horizon * np.arange(8)


def fitted(model: Forecaster, values: FloatArray, end: int, seed: int = 0) -> Forecaster:
    """`model`, fitted on ``values`` ``[N, C]``: nine tenths of the points before `end`, the others for validation."""
    cut = end * 9 // 10
    model.fit(values[:cut].copy(), values[cut:end].copy(), seed=seed, budget=FitBudget(epochs=1))
    return model
