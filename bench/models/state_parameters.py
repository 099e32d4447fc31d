"""The parameters of the models that carry a state through the window, other than by a classical recurrent layer.

Imports no torch, as `bench.models.parameters`.
"""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from bench.models.base import Parameters


class StateParameters(Parameters):
    """The sizes of layers on each other."""

    hidden_size: int = Field(32, ge=1, le=65536, description="Units of one layer.")
    layers: int = Field(1, ge=1, le=64, description="Layers, one above the other.")


class LRUParameters(StateParameters):
    """Blocks around linear recurrent units."""

    state_size: int = Field(32, ge=1, le=65536, description="Complex states of one layer.")
    r_min: float = Field(0.0, ge=0, lt=1, description="Smallest radius at which an eigenvalue begins.")
    r_max: float = Field(0.99, gt=0, lt=1, description="Largest radius at which an eigenvalue begins.")
    max_phase: float = Field(
        2 * math.pi, gt=0, le=2 * math.pi, description="Largest angle at which an eigenvalue begins, in radians."
    )

    @model_validator(mode="after")
    def _a_ring_has_an_inside_and_an_outside(self) -> LRUParameters:
        if self.r_min >= self.r_max:
            raise ValueError(
                f"r_min {self.r_min:g} is not below r_max {self.r_max:g}: lower r_min, or raise r_max up to below 1"
            )
        return self


class S4DParameters(StateParameters):
    """Blocks around diagonal state space layers."""

    state_size: int = Field(
        64, ge=2, le=65536, multiple_of=2, description="States of each channel; even, since they come in pairs."
    )


class SelectiveSSMParameters(StateParameters):
    """Blocks around selective state space layers."""

    state_size: int = Field(16, ge=1, le=65536, description="States of each inner channel.")
    expand: int = Field(2, ge=1, le=64, description="Inner channels for each unit.")
    kernel_size: int = Field(4, ge=1, le=65536, description="Steps that the causal convolution sees.")

    @property
    def rank(self) -> int:
        """Of the map from the inner channels to the steps Δ: the authors' sixteenth of the units."""
        return math.ceil(self.hidden_size / 16)


class SLSTMParameters(StateParameters):
    """Layers of sLSTM."""

    heads: int = Field(1, ge=1, le=65536, description="Groups of units; the recurrent weights connect no two groups.")

    @model_validator(mode="after")
    def _heads_are_equal(self) -> SLSTMParameters:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is no multiple of heads {self.heads}: change one of them, or leave "
                "heads out"
            )
        return self


class EchoStateParameters(Parameters):
    """A fixed random reservoir and its ridge regression."""

    reservoir_size: int = Field(200, ge=1, le=4096, description="Units of the reservoir.")
    spectral_radius: float = Field(0.9, ge=0, le=10, description="Largest absolute eigenvalue of the reservoir.")
    leaking_rate: float = Field(1.0, gt=0, le=1, description="Share of a state that each step renews.")
    input_scaling: float = Field(
        1.0, gt=0, le=1e6, description="Largest absolute weight from an input, or the constant, to a unit."
    )
    alpha: float = Field(
        1e-6, ge=0, description="Ridge penalty on the coefficients of standardised states, as that of linear-ar."
    )
