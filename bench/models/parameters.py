"""The parameters of each kind of model, and the shapes that some kinds do not support. Imports no torch.

Kinds declare unsupported shapes, which are reported before anything is built. Checking and listing need no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bench.errors import InputError
from bench.models.base import Parameters, Shape


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


class SizeParameters(Parameters):
    """Sizes shared by every recurrent architecture."""

    hidden_size: int = Field(32, ge=1, le=65536, description="Units in one layer and direction.")
    layers: int = Field(1, ge=1, le=64, description="Recurrent layers, one above the other.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of units zeroed between layers while training.")
    bidirectional: bool = Field(default=False, description="Whether the window is also read backwards.")

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> SizeParameters:
        if self.dropout > 0 and self.layers == 1:
            raise ValueError(
                f"dropout {self.dropout:g} acts between layers, and layers is 1: set layers to 2 or more, "
                "or leave dropout out"
            )
        return self


class RecurrentParameters(SizeParameters):
    """A recurrent network with a linear map of its states."""

    layer: Literal["torch", "keras"] = Field(
        "torch",
        description="Whose weights: torch's, or Keras's, which begin glorot-uniform, orthogonal and with zero biases "
        "(1 at an LSTM's forget gate), and have one bias vector (two in a GRU).",
    )
    activation: Literal["none", "tanh"] = Field("none", description="What is applied to the outputs.")
    truncate: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="Steps that gradients flow back through, at most; null for all of the window.",
    )
    carries_state: bool = Field(
        default=False,
        description="Whether a batch of training begins with the state that the one before ended in; each batch then "
        "holds the windows that follow those of the one before.",
    )

    @model_validator(mode="after")
    def _one_direction_where_state_is_cut_or_carried(self) -> RecurrentParameters:
        named = [f"truncate {self.truncate}"] * (self.truncate is not None) + ["carries_state"] * self.carries_state
        if named and self.bidirectional:
            raise ValueError(
                f"{' and '.join(named)} need states that go forward alone, and bidirectional is true: leave one of "
                "them out"
            )
        return self

    def departures(self) -> tuple[str, ...]:
        """Keras's weights are how some systems were published."""
        return (f"layer: {self.layer}",) if self.layer != "torch" else ()


class RNNParameters(RecurrentParameters):
    """A simple recurrent network."""

    nonlinearity: Literal["tanh", "relu"] = Field("tanh", description="What each unit applies to its input.")


class EncoderDecoderParameters(SizeParameters):
    """An encoder and a decoder of the same cell and sizes; only the encoder may read backwards."""

    cell: Literal["lstm", "gru"] = Field("lstm", description="The recurrent cell of encoder and decoder.")
    prediction: Literal["free-running", "teacher-forced"] = Field(
        "free-running",
        description="What the decoder is fed inside the horizon when it predicts: its own last prediction, or the "
        "true past value (then its errors are one-step errors).",
    )


def refuse_other_values(shape: Shape, _parameters: Parameters) -> None:
    """Refuse targets that are not of the window's own channels, where those are repeated or continued.

    Raises
    ------
    InputError
        They are something else.
    """
    if shape.targets[1] != shape.channels:
        raise InputError(
            f"expected targets of the window's own {shape.channels} channels, got {shape.targets[1]} other "
            "values; exclude this model for this dataset"
        )


def refuse_variable(shape: Shape, _parameters: Parameters) -> None:
    """Refuse windows that end early.

    Raises
    ------
    InputError
        They may.
    """
    if shape.variable:
        raise InputError(
            "expected windows of one length, got some that end early; exclude this model for this dataset, or give its "
            "sequences one length"
        )


def refuse_every_step(shape: Shape, _parameters: Parameters) -> None:
    """Refuse a request for an output at every step.

    Raises
    ------
    InputError
        It is.
    """
    if shape.every_step:
        raise InputError(
            "expected targets after the window alone, got some at each of its steps; set supervision: last"
        )


def refuse_both_ways(shape: Shape, parameters: RecurrentParameters) -> None:
    """Refuse recurrent layers that read backwards, or carry state, where windows or targets leave no sense to it.

    Raises
    ------
    InputError
        They do.
    """
    if shape.variable and (parameters.bidirectional or parameters.carries_state):
        which = "bidirectional" if parameters.bidirectional else "carries_state"
        raise InputError(
            f"expected windows of one length, since {which} is true, got some that end early; leave {which} out, or "
            "give the sequences one length"
        )
    if shape.every_step and shape.task == "forecast" and parameters.bidirectional:
        raise InputError(
            "expected targets after the window alone, since bidirectional is true and each step has seen the next, got "
            "some at every step; leave bidirectional out, or set supervision: last"
        )


def answer_steps(shape: Shape) -> int:
    """Steps of one target: all of the window to denoise, else the horizon, whatever else training may request."""
    return shape.sequence_length if shape.task == "denoise" else shape.horizon
