"""Datasets and models given as Python objects → kinds that are registered for one run.

A frame is known by its values and times, a module by its source, an estimator by its source and its parameters: they
are part of the identity of its cells, so that a changed object is run again and an unchanged one is not.
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from bench.array_types import FloatArray
from bench.data import dataset_kinds
from bench.data.base import DatasetKind, Provenance, Series, SeriesParameters
from bench.data.files.order import Columns, check, gaps
from bench.data.files.table import require_columns, row_number
from bench.errors import DataError, InputError, described
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.models.estimators import LagEstimator, random_states
from bench.models.from_source import kind_at
from bench.models.own_forecaster import METHODS, forecaster_kind, is_forecaster_class
from bench.models.own_module import is_module_class, module_kind
from bench.models.parameters import NoParameters, refuse_variable
from bench.registry import added, is_address
from bench.source_code import source_hash
from bench.text import cut, listed


def registered(datasets: Mapping[str, Any], models: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Kinds of these objects, by name, for the length of a ``with`` block.

    Raises
    ------
    InputError
        An object is none of what can be run, or its name is that of a registered kind.
    """
    for what, objects, kinds in (("dataset", datasets, dataset_kinds()), ("model", models, model_kinds())):
        for name in objects:
            if not isinstance(name, str):
                raise InputError(f"{what}s: expected text as the name of each object, got {name!r}")
            if not _is_a_name(name):
                raise InputError(
                    f"{what}s: expected a name in one line of at most 200 characters without '/' and '\\', got "
                    f"{cut(name, 80)!r}; give it another name"
                )
            if name in kinds:
                raise InputError(f"{what}s: {name!r} is a kind that bench has; give yours another name")
    return added(
        {
            "bench.datasets": {name: dataset_kind(name, given) for name, given in datasets.items()},
            "bench.models": {name: model_kind(name, given) for name, given in models.items()},
        }
    )


def _is_a_name(name: str) -> bool:
    """Whether a suite can say `name`, and nobody takes it for a path."""
    plain = bool(name) and name == name.strip() and name.isprintable()
    return plain and len(name) <= 200 and not set(name) & set("/\\")


class FrameParameters(SeriesParameters):
    """What a suite may set for a frame."""

    max_gap: float | None = Field(
        10.0, ge=1, description="Largest step in time, in multiples of the median step; null for any."
    )


def dataset_kind(name: str, given: Any) -> DatasetKind:
    """The kind of a DataFrame, of a Series or of a pair of a DataFrame and the name of its column.

    Raises
    ------
    InputError
        It is none of them, or the column is not there, or not one of numbers.
    """
    if isinstance(given, DatasetKind):
        return replace(given, identity=_digest(_source(f"datasets: {name}", given.load)))
    column = _column(name, given)
    label = "" if column.name is None else str(column.name)
    values: FloatArray = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    time, utc = _times(column.index)
    digest = hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").data)
    if time is not None:
        digest.update(np.ascontiguousarray(time.astype("datetime64[ns]").astype("<i8")).data)
    origin = Provenance(f"{name}, column {label!r}" if label else name, digest.hexdigest())

    def load(parameters: FrameParameters, _seed: int) -> Series:
        check(Columns(Path(name), values, time, row_number, utc=utc), label, parameters.max_gap)
        return Series(values[:, None], origin, time, utc=utc, breaks=tuple(gaps(time).tolist()))

    return DatasetKind("a column of a DataFrame", FrameParameters, load, lambda _parameters: origin.sha256)


def _column(name: str, given: Any) -> pd.Series[Any]:
    frame, wanted = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if isinstance(frame, pd.DataFrame):
        column = frame[_name_of_column(name, frame, wanted)]
    elif isinstance(frame, pd.Series) and wanted is None:
        column = frame
    else:
        raise InputError(
            f"datasets: {name}: expected a DataFrame, a Series or (DataFrame, column), got {type(given).__name__}"
        )
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind == "c":
        raise DataError(f"{name}: column {column.name!r}: expected numbers, got {column.dtype}; store it as float64")
    return column


def _name_of_column(name: str, frame: pd.DataFrame, wanted: Any) -> Any:
    if wanted is not None:
        require_columns(Path(name), str(wanted), None, names=[str(each) for each in frame.columns])
        return next(each for each in frame.columns if str(each) == str(wanted))
    numeric = list(frame.select_dtypes("number").columns)
    if len(numeric) != 1:
        have = f"{len(numeric)} ({', '.join(map(str, numeric))})" if numeric else "none"
        raise DataError(
            f"{name}: expected one column of numbers, got {have}; name the one that is meant: "
            f"datasets={{{name!r}: (frame, 'column')}}"
        )
    return numeric[0]


def _times(index: pd.Index[Any]) -> tuple[NDArray[Any] | None, bool]:
    """Those of an index of dates, and whether they are in UTC, as where it has a zone."""
    if not isinstance(index, pd.DatetimeIndex):
        return None, False
    naive = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return np.array(naive.to_numpy()), index.tz is not None


def model_kind(name: str, given: Any) -> ModelKind:
    """The kind of a torch module class, of a function that builds a module, of an estimator, or of a forecaster class.

    Raises
    ------
    InputError
        It is none of them, or its source cannot be read.
    """
    place = f"models: {name}"
    if isinstance(given, str):
        if not is_address(given):
            raise InputError(f"{place}: expected an address such as ./mynet.py:MyNet, got {cut(given, 80)!r}")
        return kind_at(given)
    if isinstance(given, ModelKind):
        builder = _addressed(given.builder) if isinstance(given.builder, str) else _source(place, given.builder)
        search = sorted((name, repr(choices)) for name, choices in given.search.items())
        return replace(given, identity=_digest(f"{builder}\n{search}"))
    if is_module_class(given) or inspect.isfunction(given):
        return module_kind(place, given, _digest(_source(place, given)))
    if is_forecaster_class(given):
        return forecaster_kind(place, given, _digest(_source(place, given)))
    if not isinstance(given, type) and all(callable(getattr(given, method, None)) for method in ("fit", "predict")):
        return _of_estimator(place, given)
    came = f"the class {given.__name__}" if isinstance(given, type) else f"an object of {type(given).__name__}"
    advice = "; give the class, so that every replicate begins anew" if is_module_class(type(given)) else ""
    raise InputError(
        f"{place}: expected a torch.nn.Module class, a function that builds one, an estimator with fit and predict, or "
        f"a class with {METHODS}, got {came}{advice}"
    )


def _addressed(builder: str) -> str:
    """What identifies a builder that is given as ``"module:function"``; code of bench is known by its version."""
    module = builder.partition(":")[0]
    return builder if module.partition(".")[0] == "bench" else f"{builder}\n{source_hash(module).sha256}"


def _of_estimator(place: str, estimator: Any) -> ModelKind:
    known = f"{_source(place, type(estimator))}\n{_stable(place, _settings(estimator))}"
    return ModelKind(
        summary="an estimator of yours, on lags",
        parameters=NoParameters,
        builder=lambda _parameters, shape: LagEstimator(estimator, shape),
        gradient=False,
        refusals=(refuse_variable,),
        stochastic=bool(random_states(estimator)),
        identity=_digest(known),
    )


def _settings(estimator: Any) -> dict[str, Any]:
    return dict(estimator.get_params()) if hasattr(estimator, "get_params") else dict(vars(estimator))


def _stable(place: str, value: Any) -> str:
    """`value` as text: equal for equal values, and never for others.

    Raises
    ------
    InputError
        It is neither plain nor code, and cannot be pickled.
    """
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return repr(value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"array {value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()}"
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_stable(place, each)}' for key, each in sorted(value.items(), key=repr))}}}"
    if inspect.isfunction(value) or isinstance(value, type):
        return _source(place, value)
    if hasattr(value, "get_params"):
        return f"{_source(place, type(value))}({_stable(place, _settings(value))})"
    try:
        return f"{type(value).__qualname__} {hashlib.sha256(pickle.dumps(value, protocol=5)).hexdigest()}"
    except Exception as error:  # whatever a class of others raises
        raise InputError(
            f"{place}: expected values that can be pickled, which identify its cells, got {type(value).__name__}: "
            f"{described(error)}"
        ) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _source(place: str, given: Callable[..., Any]) -> str:
    """The source of a function, or of a class and its bases that are neither Python's nor torch's.

    Raises
    ------
    InputError
        It cannot be read, as of what was typed at a prompt.
    """
    if not isinstance(given, type):
        return f"{_text(place, given)}{_captured(place, given)}"
    own = [base for base in given.__mro__ if base.__module__.partition(".")[0] not in ("builtins", "torch", "abc")]
    methods = [each for base in own for each in vars(base).values() if inspect.isfunction(each)]
    captured = "".join(_captured(place, each) for each in methods)
    return "\n".join(_text(place, base) for base in own or [given]) + captured


def _captured(place: str, function: Callable[..., Any]) -> str:
    """What `function` took from the function that it was made in, and its defaults: its source says neither."""
    if not inspect.isfunction(function):
        return ""
    taken = dict(inspect.getclosurevars(function).nonlocals)
    taken.pop("__class__", None)  # of ``super()``
    values = {name: value for name, value in taken.items() if value is not function}
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return f"\n{_stable(place, values)}{_stable(place, defaults)}" if values or defaults else ""


def _text(place: str, given: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(given)
    except (OSError, TypeError):  # a notebook knows the source of functions alone
        functions = [each for each in vars(given).values() if inspect.isfunction(each)]
    with suppress(OSError, TypeError):  # what neither knows is refused below
        if functions:
            return "\n".join(map(inspect.getsource, functions))
    name = getattr(given, "__qualname__", listed([type(given).__name__]))
    raise InputError(
        f"{place}: expected source that can be read, which identifies its cells, got none of {name}; "
        "define it in a file or in a notebook"
    )
