"""The damped, harmonically forced oscillator, solved by the classical Runge–Kutta scheme."""

from __future__ import annotations

from itertools import accumulate, repeat
from math import ceil

import numpy as np
from pydantic import Field, model_validator

from bench.data.base import DatasetKind, FloatArray, Parameters, Series
from bench.data.elementary import cos
from bench.data.generated import always, generated

_MOST_STEPS = 10_000_000  # seconds of solving, and 1.6 GB on the way


class Oscillator(Parameters):
    """Parameters of `oscillator`, in dimensionless units (the undamped frequency is 1)."""

    damping: float = Field(0.2, ge=0, le=10, description="Damping γ.")
    frequency: float = Field(0.5, ge=0, le=10, description="Angular frequency Ω of the force.")
    force: float = Field(1.0, description="Amplitude F of the force.")
    position: float = Field(1.0, description="Position at t = 0.")
    velocity: float = Field(0.0, description="Velocity at t = 0.")
    step: float = Field(0.001, gt=0, le=0.1, description="Step in t of the solver.")
    duration: float = Field(20.0, gt=0, description="End of t, itself left out.")
    every: int = Field(
        20, ge=1, le=_MOST_STEPS, description="Keep every k-th point of the solution; 1 keeps all, as published."
    )

    @model_validator(mode="after")
    def _can_be_solved(self) -> Oscillator:
        if self.duration / self.step > _MOST_STEPS:
            raise ValueError(
                f"duration {self.duration:g} takes more than {_MOST_STEPS} steps of {self.step:g}: "
                "shorten duration, or lengthen step"
            )
        return self


def load(parameters: Oscillator, _seed: int) -> Series:
    """Positions of ``x″ = −2γx′ − x + F cos Ωt``, every `every`-th point of `solve`."""
    time, position = solve(parameters)
    kept = position[:: parameters.every, None].copy()
    source = (
        f"x″ = -2γx′ - x + F cos Ωt, γ = {parameters.damping}, Ω = {parameters.frequency}, F = {parameters.force}, "
        f"x(0) = {parameters.position}, x′(0) = {parameters.velocity}; classical Runge-Kutta, Δt = {parameters.step} "
        f"to t = {parameters.duration}, every {parameters.every}-th point, {len(kept)} points"
    )
    return generated(kept, source, time=time[:: parameters.every].copy(), best=always(kept))


def solve(parameters: Oscillator) -> tuple[FloatArray, FloatArray]:
    """Times and positions, ``[N]`` each, of the classical fourth-order Runge–Kutta scheme.

    The operations and their order are those of the published program (M. Hjorth-Jensen, Computational Physics,
    forced oscillator by RK4), so the values are equal to the last bit: time advances by repeated addition, and
    there are ``ceil(duration / step)`` points. Only the force, which depends on time alone, is taken out of the loop.

    Against the closed form the largest error at the published parameters is 1.2e-12, mostly the rounding of the
    repeated additions; the scheme's own error, of order ``step⁴``, is 1e-10 at a step of 0.01 and 1e-6 at 0.1.
    """
    step, drag = parameters.step, -2 * parameters.damping
    times = list(accumulate(repeat(step, ceil(parameters.duration / step) - 1), initial=0.0))
    grid = np.array(times)
    force = (parameters.force * cos(grid * parameters.frequency)).tolist()
    force_between = (parameters.force * cos((grid + step * 0.5) * parameters.frequency)).tolist()
    x, v = parameters.position, parameters.velocity
    positions = [x]
    for start, between, end in zip(force, force_between, force[1:], strict=False):
        k1x = step * v
        k1v = step * (drag * v - x + start)
        k2x = step * (v + k1v * 0.5)
        k2v = step * (drag * (v + k1v * 0.5) - (x + k1x * 0.5) + between)
        k3x = step * (v + k2v * 0.5)
        k3v = step * (drag * (v + k2v * 0.5) - (x + k2x * 0.5) + between)
        k4x = step * (v + k3v)
        k4v = step * (drag * (v + k3v) - (x + k3x) + end)
        x = x + (k1x + 2 * k2x + 2 * k3x + k4x) / 6
        v = v + (k1v + 2 * k2v + 2 * k3v + k4v) / 6
        positions.append(x)
    return grid, np.array(positions)


OSCILLATOR = DatasetKind("a damped, forced oscillator, solved by Runge-Kutta", Oscillator, load)
