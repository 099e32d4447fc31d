"""What a suite may set for each kind of model. Imports no torch, so that checking and listing need none."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bench.errors import InputError
from bench.models.base import Parameters


class NoParameters(Parameters):
    """A kind with nothing to set."""


class SeasonalNaiveParameters(Parameters):
    """The season to repeat."""

    period: int | None = Field(
        None,
        ge=2,
        le=2**31 - 1,
        description="Points in one season; null for the lag, up to sequence_length, with the smallest squared error "
        "on train.",
    )

    def check_window(self, sequence_length: int, horizon: int) -> None:  # noqa: ARG002 - the contract's signature
        """Refuse a season longer than the window."""
        if self.period is not None and self.period > sequence_length:
            raise InputError(
                f"expected period ≤ sequence_length, got period {self.period} and sequence_length {sequence_length}; "
                "lengthen the sequence, exclude it for this model, or leave period out"
            )


class LinearARParameters(Parameters):
    """How a linear autoregression is fitted."""

    alpha: float = Field(
        1e-8,
        ge=0,
        allow_inf_nan=False,
        description="Ridge penalty on the coefficients of standardised inputs, relative to the mean squared error; "
        "0 for least squares.",
    )
    intercept: bool = Field(default=True, description="Whether to fit a constant, which is never penalised.")


class RecurrentParameters(Parameters):
    """Sizes shared by every recurrent architecture."""

    hidden_size: int = Field(32, ge=1, le=65536, description="Units in one layer and direction.")
    layers: int = Field(1, ge=1, le=64, description="Recurrent layers, one above the other.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of units zeroed between layers while training.")
    bidirectional: bool = Field(default=False, description="Whether the window is also read backwards.")

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> RecurrentParameters:
        if self.dropout > 0 and self.layers == 1:
            raise ValueError(
                f"dropout {self.dropout:g} acts between layers, and layers is 1: set layers to 2 or more, "
                "or leave dropout out"
            )
        return self


class RNNParameters(RecurrentParameters):
    """A simple recurrent network."""

    nonlinearity: Literal["tanh", "relu"] = Field("tanh", description="What each unit applies to its input.")


class EncoderDecoderParameters(RecurrentParameters):
    """An encoder and a decoder of the same cell and sizes; only the encoder may read backwards."""

    cell: Literal["lstm", "gru"] = Field("lstm", description="The recurrent cell of encoder and decoder.")
    prediction: Literal["free-running", "teacher-forced"] = Field(
        "free-running",
        description="What the decoder is fed inside the horizon when it predicts: its own last prediction, or the "
        "true past value (then its errors are one-step errors).",
    )
