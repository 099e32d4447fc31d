"""What is required of a forecaster that is to be compared with others, check by check; see `requirements` for modules.

Each is fitted on the train part of a noisy sine and forecasts from eight origins after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from bench.array_types import FloatArray
from bench.conformance.requirements import CheckFailed, ExaminedModule
from bench.errors import BenchError, InputError, described
from bench.models.base import Shape
from bench.models.forecaster import Capabilities, Forecaster, forecasts, other_from, refuse_peeking
from bench.models.own_forecaster import fitted, trial_origins, trial_series


def _made(subject: ExaminedModule, shape: Shape) -> Forecaster:
    made: Forecaster = subject.unchecked.build(subject.parameters, shape)
    return made


def _able(subject: ExaminedModule) -> tuple[list[Shape], list[str]]:
    """The shapes that it states it can serve, and why not the others; the first is served in any case."""
    able, without = [subject.shapes[0]], []
    stated = Capabilities.of(subject.name, _made(subject, able[0]))
    for shape in subject.shapes[1:]:
        try:
            stated.refuse(shape, subject.parameters)
        except InputError:
            without.append(_size(shape))
        else:
            able.append(shape)
    return able, without


def _size(shape: Shape) -> str:
    return f"T={shape.sequence_length}, H={shape.horizon}, C={shape.channels}"


def _forecast(subject: ExaminedModule, shape: Shape, *, seed: int = 0, values: FloatArray | None = None) -> FloatArray:
    """``[8, H, C]``, of a sine or of ``values`` ``[N, C]``."""
    series, end = trial_series(shape)
    series = series if values is None else values
    model = fitted(_made(subject, shape), series, end, seed)
    return forecasts(model, series, trial_origins(end, shape.horizon), shape.horizon)


def check_shapes(subject: ExaminedModule) -> str:
    """Forecasts are ``[N, H, D]`` for what it states that it can."""
    able, without = _able(subject)
    for shape in able:
        _forecast(subject, shape)
    left = f"; not tried, as it does not state them: {'; '.join(without)}" if without else ""
    return f"[N, H, D] for {'; '.join(map(_size, able))}{left}"


def check_seeds(subject: ExaminedModule) -> str:
    """The same seed gives the same forecasts; whether another gives others is as it states."""
    shape = subject.shapes[0]
    one, again, other = (_forecast(subject, shape, seed=seed) for seed in (1, 1, 2))
    if (gap := np.abs(one - again).max()) > 0:
        raise CheckFailed(f"forecasts differ by {gap:.3g} between two fits with one seed; draw from that seed alone")
    stated, draws = Capabilities.of(subject.name, _made(subject, shape)).stochastic, bool((one != other).any())
    if draws and not stated:
        raise CheckFailed("another seed gives other forecasts, and it states stochastic = False; leave that out")
    if draws:
        return "one seed gives the same forecasts again, and another one gives others"
    return "every seed gives the same forecasts" + ("; stochastic = False would save the other fits" if stated else "")


def check_numbers(subject: ExaminedModule) -> str:
    """Constant, small and large histories give finite forecasts."""
    shape = subject.shapes[0]
    series, _ = trial_series(shape)
    kinds = {"zeros": 0 * series, "ones": 0 * series + 1, "small": 1e-6 * series, "large": 30 * series}
    for name, values in kinds.items():
        try:
            _forecast(subject, shape, values=values)
        except Exception as error:  # whatever the code of others raises
            raise CheckFailed(f"{name}: {error if isinstance(error, BenchError) else described(error)}") from error
    return f"finite forecasts of {', '.join(kinds)}"


def check_causality(subject: ExaminedModule) -> str:
    """Other values after an origin change no forecast from there; the same call again gives the same."""
    shape = subject.shapes[0]
    values, end = trial_series(shape)
    model, origins = fitted(_made(subject, shape), values, end), trial_origins(end, shape.horizon)
    before = forecasts(model, values, origins, shape.horizon)
    if (gap := np.abs(forecasts(model, values, origins, shape.horizon) - before).max()) > 0:
        raise CheckFailed(f"the same call again gives forecasts that differ by {gap:.3g}; let predict change nothing")
    for number in range(len(origins) - 1):
        refuse_peeking(model, values, origins, shape.horizon, before, number=number)
    after = forecasts(model, other_from(values, int(origins[0]) - 1), origins, shape.horizon)
    still = "" if (after != before).any() else "; nothing that it forecasts depends on the last values before an origin"
    return f"no forecast from {len(origins)} origins changes with the values from there on{still}"


def check_time(subject: ExaminedModule) -> str:
    """What a fit and a forecast take; nothing is required of them."""
    shape = subject.shapes[0]
    values, end = trial_series(shape)
    origins, began = trial_origins(end, shape.horizon), time.perf_counter()
    model = fitted(_made(subject, shape), values, end)
    between = time.perf_counter()
    forecasts(model, values, origins, shape.horizon)
    took = time.perf_counter() - between
    return f"a fit on {end} points takes {between - began:.2g} s; forecasts from {len(origins)} origins {took:.2g} s"


HISTORY_CHECKS: Mapping[str, Callable[[ExaminedModule], str]] = {
    "shapes": check_shapes,
    "seeds": check_seeds,
    "numbers": check_numbers,
    "causality": check_causality,
    "time": check_time,
}
"""In the order in which they are run."""
