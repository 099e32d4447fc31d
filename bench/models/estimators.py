"""Regressors of scikit-learn, LightGBM, XGBoost and CatBoost on lags.

The window is laid flat, ``[B, T·C]``. Over the horizon a regressor is used directly, one for each step and value;
recursively, one for the next step whose prediction becomes the last input of the next; or once for all steps where it
predicts several outputs (Ben Taieb, Bontempi, Atiya & Sorjamaa, "A review and comparison of strategies for multi-step
ahead time series forecasting", 2012, sections 2.1, 2.2 and 2.4).
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.array_types import FloatArray
from bench.errors import InputError, described
from bench.models.base import Batches, Parameters, Shape
from bench.models.optional import absent
from bench.models.parameters import answer_steps, refuse_other_values
from bench.registry import unknown

PACKAGES = ("sklearn", "lightgbm", "xgboost", "catboost")
"""Packages whose regressors a suite may name."""

_SEEDS = ("random_state", "random_seed")
_NOT_OPEN: Mapping[str, str] = {
    **dict.fromkeys((*_SEEDS, "seed"), "each replicate has its own, from the suite's seed"),
    **dict.fromkeys(("n_jobs", "thread_count", "nthread", "num_threads"), "it stays 1: cells run next to each other"),
    **dict.fromkeys(("verbose", "verbosity", "logging_level", "silent"), "nothing but bench prints while it runs"),
    **dict.fromkeys(("train_dir", "snapshot_file", "save_snapshot"), "nothing but bench writes files while it runs"),
}
"""Parameters that no suite may set, and why."""

_SET: Mapping[str, Mapping[str, Any]] = {
    "lightgbm": {"n_jobs": 1, "verbosity": -1},
    "xgboost": {"n_jobs": 1, "verbosity": 0},
    "catboost": {"thread_count": 1, "random_seed": 0, "verbose": False, "allow_writing_files": False},
}
"""One thread, as cells run next to each other; nothing printed, and no file written."""

Strategy = Literal["direct", "recursive", "multioutput"]


@cache
def regressor(address: str) -> type[Any]:
    """The class at ``"package.module.Class"``, of one of `PACKAGES`.

    Raises
    ------
    InputError
        It is none of them, is not installed, or is no regressor that can be made without arguments.
    """
    module, _, name = address.rpartition(".")
    package = module.partition(".")[0]
    if package not in PACKAGES:
        known = ", ".join(PACKAGES)
        raise InputError(f"expected a regressor of {known}, such as sklearn.linear_model.Ridge, got {address!r}")
    if text := absent(package):
        raise InputError(f"{address}: {text}")
    try:
        given: Any = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise InputError(f"{address}: {described(error)}") from error
    if not _is_regressor(given):
        raise InputError(f"{address}: {_instead(module)}")
    kind: type[Any] = given
    return kind


def _is_regressor(given: Any) -> bool:
    if not isinstance(given, type) or given.__module__.partition(".")[0] not in PACKAGES:
        return False
    from sklearn.base import is_regressor

    try:
        made = given()
        return hasattr(made, "get_params") and is_regressor(made)
    except Exception:  # one that is made of other estimators, which a suite cannot state
        return False


def _instead(module: str) -> str:
    there = importlib.import_module(module)
    names = sorted(name for name, each in vars(there).items() if not name.startswith("_") and _is_regressor(each))
    text = "expected a regressor that can be made without arguments, got none"
    return f"{text} ({module} has {', '.join(names)})" if names else text


@cache
def parameters_of(address: str) -> Mapping[str, Any]:
    """Every parameter of the regressor, with its default where that can be written in a suite, else `None`.

    Those that a suite may not set are left out.
    """
    kind = regressor(address)
    signature = inspect.signature(kind.__init__).parameters.values()
    names = {each.name: each.default for each in signature if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}
    names.pop("self", None)
    known = {**names, **kind().get_params(deep=False)}
    return {name: value if _is_json(value) else None for name, value in known.items() if name not in _NOT_OPEN}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


class EstimatorParameters(Parameters):
    """A regressor and how it is used; every other key is a parameter of the regressor itself."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    estimator: str = Field(
        "sklearn.ensemble.RandomForestRegressor",
        description="The regressor's class: of sklearn, or of lightgbm, xgboost or catboost where installed.",
        min_length=1,
    )
    strategy: Strategy = Field(
        "direct",
        description="Over the horizon: one regressor for each step; one for the next step, fed its own predictions; "
        "or one for all steps at once.",
    )

    @model_validator(mode="after")
    def _is_what_the_regressor_takes(self) -> EstimatorParameters:
        if lacks(self):  # which knows its parameters
            return self
        try:
            known = parameters_of(self.estimator)
        except InputError as error:
            raise _at("estimator", str(error), self.estimator) from None
        name = self.estimator.rpartition(".")[2]
        for key in self.given:
            if key in _NOT_OPEN:
                raise _at(key, f"expected no {key}, as {_NOT_OPEN[key]}; leave it out", self.given[key])
            if key not in known:
                raise _at(key, f"{name}: {unknown(key, [*known, 'strategy'], 'parameter')}", self.given[key])
        self._check_values()
        return self

    def _check_values(self) -> None:
        """Let scikit-learn say what is wrong before a fit, where a regressor declares what it takes."""
        made = self.made()
        try:
            if hasattr(made, "_parameter_constraints"):
                made._validate_params()
        except ValueError as error:
            key = next((key for key in self.given if f"'{key}'" in str(error)), "estimator")
            raise _at(key, str(error), self.given.get(key)) from None
        if self.strategy == "multioutput" and not _predicts_several(made):
            text = f"expected direct or recursive, since {type(made).__name__} predicts one value"
            raise _at("strategy", f"{text}, got multioutput", self.strategy)

    @property
    def given(self) -> Mapping[str, Any]:
        """What the suite says of the regressor itself."""
        return self.model_extra or {}

    def left_open(self) -> Mapping[str, Any]:
        """The regressor's defaults; none are known of one that is not installed."""
        return {} if lacks(self) else parameters_of(self.estimator)

    def made(self) -> Any:
        """An unfitted regressor, on one thread."""
        kind = regressor(self.estimator)
        made = kind(**{**_SET.get(kind.__module__.partition(".")[0], {}), **self.given})
        return made.set_params(n_jobs=1) if "n_jobs" in made.get_params(deep=False) else made


def _at(key: str, text: str, value: Any) -> ValidationError:
    """What is wrong with one key, said at its place in the file."""
    wrong = PydanticCustomError("estimator", "{text}", {"text": text})
    return ValidationError.from_exception_data("estimator", [InitErrorDetails(type=wrong, loc=(key,), input=value)])


def _predicts_several(estimator: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(estimator).target_tags.multi_output)


def lacks(parameters: EstimatorParameters) -> str | None:
    """What is not installed that the regressor is of, and how to install it; `None` where it is."""
    return absent(parameters.estimator.partition(".")[0])


def draws(parameters: EstimatorParameters) -> bool:
    """Whether the regressor has a seed to set; one that is not installed may have."""
    return lacks(parameters) is not None or bool(random_states(parameters.made()))


def refuse_other_recursion(shape: Shape, parameters: EstimatorParameters) -> None:
    """Refuse to feed predictions back as inputs where they are other values, or not all of them.

    Raises
    ------
    InputError
        They are.
    """
    if parameters.strategy == "recursive":
        refuse_other_values(shape, parameters)
        if shape.covariates:
            raise InputError(
                "expected a series without covariates, since strategy recursive needs all inputs of the next step and "
                f"predicts only what is forecast, got {shape.covariates}; set strategy: direct, or exclude it there"
            )


def build(parameters: EstimatorParameters, shape: Shape) -> LagEstimator:
    """The model of an entry of a suite."""
    return LagEstimator(parameters.made(), shape, parameters.strategy)


class LagEstimator:
    """Clones of an estimator on windows laid flat: ``[B, T·C]`` in, ``[B]`` or several outputs ``[B, K]`` out."""

    how = "estimator"

    def __init__(self, estimator: Any, shape: Shape, strategy: Strategy = "multioutput") -> None:
        self._prototype = cloned(estimator)
        self._strategy = strategy
        self._targets = answer_steps(shape), shape.targets[1]
        self.estimators: list[Any] = []  # fitted, one for each column of outputs; or one for all

    def seed(self, value: int) -> None:
        """Set every ``random_state`` of it."""
        self._prototype.set_params(**dict.fromkeys(random_states(self._prototype), value % 2**32))

    def fit(self, batches: Batches) -> None:
        """Fit on all train windows at once."""
        pairs = [(x.reshape(len(x), -1), y) for x, y in batches()]
        x, y = (np.concatenate(side).astype(np.float64) for side in zip(*pairs, strict=True))  # [B, T·C], [B, H, D]
        wanted = y[:, 0] if self._strategy == "recursive" else y.reshape(len(y), -1)  # [B, K]
        joint = self._strategy == "multioutput" and wanted.shape[1] > 1
        columns: Sequence[FloatArray] = [wanted] if joint else list(wanted.T)
        self.estimators = [cloned(self._prototype) for _ in columns]
        for one, column in zip(self.estimators, columns, strict=True):
            one.fit(x, column)

    def predict(self, x: FloatArray) -> FloatArray:
        """``[B, H, D]``."""
        if self._strategy == "recursive":
            return self._recursive(x.astype(np.float64))
        return self._outputs(x).reshape(len(x), *self._targets)

    def _recursive(self, window: FloatArray) -> FloatArray:
        steps = []
        for _ in range(self._targets[0]):
            steps.append(self._outputs(window)[:, None])  # [B, 1, D]
            window = np.concatenate([window[:, 1:], steps[-1]], axis=1)
        return np.concatenate(steps, axis=1)

    def _outputs(self, window: FloatArray) -> FloatArray:
        """``[B, K]``."""
        x = window.reshape(len(window), -1).astype(np.float64)
        each = [np.asarray(one.predict(x), dtype=np.float64).reshape(len(x), -1) for one in self.estimators]
        return np.concatenate(each, axis=1)

    def parameter_count(self) -> int | None:
        """Numbers that were fitted: coefficients, weights, nodes of trees; `None` where they are not known."""
        counts = [fitted_numbers(one) for one in self.estimators]
        return None if None in counts else sum(count for count in counts if count is not None)


def cloned(estimator: Any) -> Any:
    """A copy without what was fitted."""
    if not hasattr(estimator, "get_params"):
        return copy.deepcopy(estimator)
    from sklearn.base import clone

    return clone(estimator)


def random_states(estimator: Any) -> list[str]:
    """The names of its parameters for a seed, those of its parts too."""
    if not (hasattr(estimator, "get_params") and hasattr(estimator, "set_params")):
        return []
    return [name for name in estimator.get_params() if name.rpartition("__")[2] in _SEEDS]


def fitted_numbers(estimator: Any) -> int | None:
    """How many numbers were fitted: of trees their nodes, of linear models and networks their coefficients."""
    trees = list(_tree_sizes(estimator))
    if trees:
        return sum(trees)
    names = ("coef_", "intercept_", "coefs_", "intercepts_")
    sizes = [np.size(each) for name in names if name in vars(estimator) for each in _parts(vars(estimator)[name])]
    return int(sum(sizes)) if sizes else None


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _tree_sizes(estimator: Any) -> Iterator[int]:
    """Nodes of each tree: of scikit-learn's trees and forests, of boosted ones, and of LightGBM and XGBoost."""
    fitted = vars(estimator)
    if "tree_" in fitted:
        yield int(fitted["tree_"].node_count)
    members = fitted.get("estimators_", [])
    for tree in members.ravel() if isinstance(members, np.ndarray) else members:
        yield from _tree_sizes(tree)
    for stage in fitted.get("_predictors", []):  # of histogram gradient boosting
        yield from (len(tree.nodes) for tree in stage)
    if "_Booster" in fitted and hasattr(fitted["_Booster"], "trees_to_dataframe"):
        yield len(fitted["_Booster"].trees_to_dataframe())
