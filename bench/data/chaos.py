"""Deterministic chaos: nothing in these series is random, and yet what is not known to the last digit is soon lost.

Two maps (logistic, Hénon) and three flows (Lorenz, Rössler, Mackey–Glass), of which the first coordinate is seen. A
small error of the state grows as ``exp(λ t)``: λ, the largest Lyapunov exponent, says at which horizon no forecast from
values of a given precision can have skill. The exponents at the usual parameters are those of J. C. Sprott, "Chaos and
Time-Series Analysis", 2003, appendix A, and for Mackey–Glass, where sources differ, the growth over 1.5e5 units of time
by the method of G. Benettin et al., Meccanica 15, 1980; for other parameters none is stated.

Every operation is an IEEE 754 addition, multiplication or division of float64: a series is the same on every machine.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from bench.data.base import DatasetKind, Series
from bench.data.generated import SeededSeries, Spread, always, generated, stream

State = tuple[float, ...]

SINGLE = 2.0**-24
"""The precision of the values that networks are given, relative: they are rounded to float32."""

_MOST_STEPS = 10_000_000


class Chaotic(SeededSeries, abc.ABC):
    """What the chaotic series have in common."""

    length: int = Field(2000, ge=2, le=1_000_000, description="Points.")
    noise: Spread = Field(0.0, ge=0, description="Standard deviation of the noise of each measurement.")
    discard: int = Field(1000, ge=0, le=1_000_000, description="Points left out before the first: the way to the set.")

    formula: ClassVar[str]
    exponent: ClassVar[float]
    """The largest Lyapunov exponent at the parameters' defaults, per unit of time, in nats."""

    @abc.abstractmethod
    def states(self, start: NDArray[np.float64]) -> Iterator[State]:
        """The states at each point from one near the usual start, moved by `start` ``[3]``, N(0, 1)."""

    @property
    def between(self) -> float:
        """Time from one point to the next."""
        return 1.0

    @property
    def usual(self) -> bool:
        """Whether the parameters of the law are the defaults, for which the exponent is stated."""
        own = set(type(self).model_fields) - set(Chaotic.model_fields) - {"step", "every"}
        return all(getattr(self, name) == type(self).model_fields[name].default for name in own)

    def lost_after(self, precision: float) -> float:
        """Points until an error of `precision`, relative to the spread of the series, has grown to all of it.

        >>> round(LogisticMap().lost_after(2.0**-24))
        24
        """
        return math.log(1 / precision) / (self.exponent * self.between)


class LogisticMap(Chaotic):
    """Parameters of `logistic-map`."""

    growth: float = Field(4.0, gt=3.57, le=4, description="Growth r; chaotic for most values above 3.57.")

    formula: ClassVar[str] = "x' = r x (1 - x)"
    exponent: ClassVar[float] = math.log(2)

    def states(self, start: NDArray[np.float64]) -> Iterator[State]:
        """One number within (0, 1)."""
        x = 0.1 + 0.2 * abs(float(start[0])) % 0.8
        while True:
            yield (x,)
            x = self.growth * x * (1 - x)


class Henon(Chaotic):
    """Parameters of `henon`."""

    a: float = Field(1.4, ge=1, le=1.42, description="Strength of the fold.")
    b: float = Field(0.3, ge=-0.3, le=0.3, description="Contraction of areas.")

    formula: ClassVar[str] = "x' = 1 - a x² + y, y' = b x"
    exponent: ClassVar[float] = 0.41922

    def states(self, start: NDArray[np.float64]) -> Iterator[State]:
        """Both coordinates."""
        x, y = 0.01 * float(np.tanh(start[0])), 0.0
        while True:
            yield x, y
            x, y = 1 - self.a * x * x + y, self.b * x


class _Flow(Chaotic):
    """A chaotic flow, solved by the classical Runge–Kutta method and sampled."""

    step: float = Field(0.01, gt=0, le=0.1, description="Step in t of the solver.")
    every: int = Field(5, ge=1, le=10_000, description="Keep every k-th point of the solution.")

    @model_validator(mode="after")
    def _can_be_solved(self) -> _Flow:
        steps = (self.length + self.discard) * self.every
        if steps > _MOST_STEPS:
            raise ValueError(f"expected at most {_MOST_STEPS} steps of the solver, got {steps}: lower length or every")
        return self

    @property
    def between(self) -> float:
        """Time from one point to the next."""
        return self.step * self.every


class _OfThree(_Flow):
    """A flow of three coordinates."""

    @abc.abstractmethod
    def slope(self, x: float, y: float, z: float) -> State:
        """The rates of change."""

    @abc.abstractmethod
    def begin(self, start: NDArray[np.float64]) -> State:
        """The first state, moved by `start`."""

    def states(self, start: NDArray[np.float64]) -> Iterator[State]:
        """All three coordinates."""
        return islice(_solved(self.slope, self.begin(start), self.step), 0, None, self.every)


class Lorenz(_OfThree):
    """Parameters of `lorenz`."""

    sigma: float = Field(10.0, gt=0, le=100, description="Prandtl number σ.")
    rho: float = Field(28.0, gt=0, le=200, description="Rayleigh number ρ, relative to its critical value.")
    beta: float = Field(8 / 3, gt=0, le=100, description="Shape β of the cells.")

    formula: ClassVar[str] = "x′ = σ (y - x), y′ = x (ρ - z) - y, z′ = x y - β z"
    exponent: ClassVar[float] = 0.9056

    def slope(self, x: float, y: float, z: float) -> State:
        """E. N. Lorenz, Journal of the Atmospheric Sciences 20, 1963, eqs. 25–27."""
        return self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z

    def begin(self, start: NDArray[np.float64]) -> State:
        """Anywhere near the set, to which all ways lead."""
        x, y, z = (float(value) for value in start)
        return 1.0 + x, 1.0 + y, 20.0 + z


class Rossler(_OfThree):
    """Parameters of `rossler`."""

    step: float = Field(0.02, gt=0, le=0.1, description="Step in t of the solver.")
    every: int = Field(25, ge=1, le=10_000, description="Keep every k-th point of the solution.")
    a: float = Field(0.2, gt=0, le=0.3, description="Growth a of the spiral.")
    b: float = Field(0.2, gt=0, le=2, description="Inflow b.")
    c: float = Field(5.7, gt=0, le=20, description="Height c at which the spiral folds.")

    formula: ClassVar[str] = "x′ = -y - z, y′ = x + a y, z′ = b + z (x - c)"
    exponent: ClassVar[float] = 0.0714

    def slope(self, x: float, y: float, z: float) -> State:
        """O. E. Rössler, Physics Letters A 57, 1976, eq. 2."""
        return -y - z, x + self.a * y, self.b + z * (x - self.c)

    def begin(self, start: NDArray[np.float64]) -> State:
        """Near (1, 1, 0): farther out some ways lead to infinity."""
        x, y = (0.1 * float(np.tanh(value)) for value in start[:2])
        return 1.0 + x, 1.0 + y, 0.0


class MackeyGlass(_Flow):
    """Parameters of `mackey-glass`."""

    step: float = Field(0.1, gt=0, le=0.5, description="Step in t of the solver.")
    every: int = Field(10, ge=1, le=10_000, description="Keep every k-th point of the solution.")
    beta: float = Field(0.2, gt=0, le=10, description="Rate β of production.")
    gamma: float = Field(0.1, gt=0, le=10, description="Rate γ of decay.")
    delay: float = Field(17.0, gt=0, le=1000, description="Delay τ in t; a whole number of steps.")

    formula: ClassVar[str] = "x′ = β x(t-τ) / (1 + x(t-τ)¹⁰) - γ x"
    exponent: ClassVar[float] = 0.0053

    @model_validator(mode="after")
    def _delay_is_steps(self) -> MackeyGlass:
        steps = self.delay / self.step
        if round(steps) < 3 or abs(steps - round(steps)) > 1e-9 * steps:
            raise ValueError(f"expected a delay of 3 or more whole steps of {self.step:g}, got {steps:g}: change step")
        return self

    def states(self, start: NDArray[np.float64]) -> Iterator[State]:
        """The newest value alone; the state is all of them back to t − τ. It is 1.2, moved by `start`, up to t = 0."""
        lag = round(self.delay / self.step)
        x = [1.2 + 0.1 * float(np.tanh(start[0]))] * (lag + 3)
        for number in range(1 << 62):
            if not number % self.every:
                yield (x[-1],)
            before, then, after, later = x[-lag - 2], x[-lag - 1], x[-lag], x[-lag + 1]
            between = (9 * (then + after) - before - later) / 16  # cubic, so that the method keeps its order
            x.append(self._stepped(x[-1], self._made(then), self._made(between), self._made(after)))
            del x[0]

    def _made(self, x: float) -> float:
        """M. C. Mackey & L. Glass, Science 197, 1977, eq. 4b, at n = 10."""
        square = x * x
        fourth = square * square
        return self.beta * x / (1 + fourth * fourth * square)

    def _stepped(self, x: float, made: float, between: float, after: float) -> float:
        """One step of the classical Runge–Kutta method, with what is made at its start, middle and end."""
        step, gamma = self.step, self.gamma
        k1 = made - gamma * x
        k2 = between - gamma * (x + step / 2 * k1)
        k3 = between - gamma * (x + step / 2 * k2)
        k4 = after - gamma * (x + step * k3)
        return x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _solved(slope: Callable[[float, float, float], State], state: State, step: float) -> Iterator[State]:
    """States of the classical fourth-order Runge–Kutta scheme, the first among them."""
    half, sixth = step / 2, step / 6
    while True:
        yield state
        x, y, z = state
        a = slope(x, y, z)
        b = slope(x + half * a[0], y + half * a[1], z + half * a[2])
        c = slope(x + half * b[0], y + half * b[1], z + half * b[2])
        d = slope(x + step * c[0], y + step * c[1], z + step * c[2])
        state = tuple(
            s + sixth * (k1 + 2 * k2 + 2 * k3 + k4) for s, k1, k2, k3, k4 in zip(state, a, b, c, d, strict=True)
        )


def load_chaos(kind: str, parameters: Chaotic, seed: int) -> Series:
    """The first coordinate at each point, and noise.

    The best forecast is the value without noise: what is known exactly is exactly predictable. With noise nobody knows
    the state, so that is a bound which no forecast reaches.
    """
    seed = parameters.data_seed(seed)
    random = stream(seed, kind)
    states = parameters.states(random.standard_normal(3))
    kept = islice(states, parameters.discard, parameters.discard + parameters.length)
    clean = np.array([state[0] for state in kept])[:, None]
    values = clean + parameters.noise * random.standard_normal(clean.shape) if parameters.noise else clean
    time = np.arange(len(values)) * parameters.between
    return generated(values, _source(parameters, float(clean.std())), seed=seed, time=time, best=always(clean))


def _source(parameters: Chaotic, spread: float) -> str:
    given: dict[str, Any] = parameters.model_dump(exclude={"seed", "length", "noise", "discard"})
    law = ", ".join(f"{name} = {value:.6g}" for name, value in given.items())
    noise = f" + N(0, {parameters.noise}²)" if parameters.noise else ""
    source = f"{parameters.formula}{noise}, {law}, {parameters.length} points"
    if not parameters.usual or not spread:
        return source
    precision = max(SINGLE, parameters.noise / spread)
    return (
        f"{source}; largest Lyapunov exponent {parameters.exponent:.3g} per unit of t: what is known to "
        f"{precision:.1g} of its spread is lost after about {parameters.lost_after(precision):.0f} points"
    )


def _kind(name: str, summary: str, parameters: type[Chaotic]) -> DatasetKind:
    def load(given: Chaotic, seed: int) -> Series:
        return load_chaos(name, given, seed)

    return DatasetKind(f"{summary}: predictable for a while", parameters, load)


LOGISTIC_MAP = _kind("logistic-map", "the logistic map, chaotic", LogisticMap)
HENON = _kind("henon", "the Hénon map, chaotic", Henon)
LORENZ = _kind("lorenz", "Lorenz's convection, chaotic", Lorenz)
ROSSLER = _kind("rossler", "Rössler's spiral, chaotic", Rossler)
MACKEY_GLASS = _kind("mackey-glass", "Mackey and Glass's delayed feedback, chaotic", MackeyGlass)
