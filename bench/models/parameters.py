"""The parameters of each kind of model, and the shapes that some kinds do not support. Imports no torch.

Kinds declare unsupported shapes, which are reported before anything is built. Checking and listing need no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

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

    @field_validator("period", mode="before")
    @classmethod
    def _repeats_more_than_one_point(cls, period: object) -> object:
        if period == 1 and isinstance(period, int):
            raise ValueError("expected at least 2 points in a season, got 1: with 1 this is persistence; name that")
        return period

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


class DeepParameters(Parameters):
    """Sizes shared by networks of layers that see the window at once."""

    hidden_size: int = Field(32, ge=1, le=65536, description="Width of a layer.")
    layers: int = Field(2, ge=1, le=64, description="Layers, one above the other.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of values zeroed while training, where the paper does.")


class MLPParameters(DeepParameters):
    """A multi-layer perceptron."""


class DLinearParameters(Parameters):
    """The moving average that is a linear model's trend."""

    kernel_size: int = Field(25, ge=1, le=2**31 - 1, description="Steps in the moving average; an odd number.")

    @model_validator(mode="after")
    def _as_many_steps_before_as_after(self) -> DLinearParameters:
        if self.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size {self.kernel_size} has no middle, and each average is centred on its step: set it to "
                f"{self.kernel_size + 1}"
            )
        return self


class TCNParameters(Parameters):
    """A temporal convolutional network."""

    hidden_size: int = Field(32, ge=1, le=65536, description="Channels of a convolution.")
    layers: int | None = Field(
        None,
        ge=1,
        le=31,
        description="Residual blocks of two convolutions, with dilations 1, 2, 4, …; null for the fewest that reach "
        "back over the whole window.",
    )
    kernel_size: int = Field(3, ge=2, le=1024, description="Steps that one convolution sees, a dilation apart.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of values zeroed after each convolution in training.")

    def blocks(self, sequence_length: int) -> int:
        """How many residual blocks there are for windows of this length."""
        return self.layers or next(n for n in range(1, 32) if self.receptive_field(n) >= sequence_length)

    def receptive_field(self, blocks: int) -> int:
        """Steps, up to its own, that the output of a step depends on (Bai et al. 2018, section 3.2)."""
        dilations = (1 << blocks) - 1  # 1 + 2 + 4 + …
        return 1 + 2 * (self.kernel_size - 1) * dilations


class NBeatsParameters(Parameters):
    """N-BEATS with a learned basis."""

    hidden_size: int = Field(64, ge=1, le=65536, description="Units in one fully connected layer.")
    blocks: int = Field(3, ge=1, le=64, description="Blocks, each on what those before left unexplained.")
    layers: int = Field(4, ge=1, le=64, description="Fully connected layers in each block.")
    expansion_size: int = Field(8, ge=1, le=65536, description="Coefficients of a block's backcast and forecast.")


class TSMixerParameters(DeepParameters):
    """A mixer of steps and channels; `hidden_size` is the width between the two maps over channels."""


class TransformerParameters(DeepParameters):
    """A Transformer encoder."""

    heads: int = Field(2, ge=1, le=65536, description="Attention heads; hidden_size is a multiple of them.")
    expansion: int = Field(
        4, ge=1, le=64, description="Width between the two maps after attention, in multiples of hidden_size."
    )
    norm_first: bool = Field(
        default=True, description="Whether layers are normalised where they begin, rather than where they end."
    )

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> TransformerParameters:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"heads {self.heads} do not divide hidden_size {self.hidden_size}, which they share: change one of them"
            )
        return self


class PatchTSTParameters(TransformerParameters):
    """A Transformer encoder over patches."""

    expansion: int = Field(
        2, ge=1, le=64, description="Width between the two maps after attention, in multiples of hidden_size."
    )
    norm_first: bool = Field(
        default=False, description="Whether layers are normalised where they begin, rather than where they end."
    )
    patch_length: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Steps in a patch; null for 16, or half of the window if that is less."
    )
    stride: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Steps from one patch to the next; null for half of a patch."
    )

    def patches(self, sequence_length: int) -> tuple[int, int, int]:
        """Length, stride and number of the patches of windows of this length."""
        length = self.patch_length or max(1, min(16, sequence_length // 2))
        stride = self.stride or max(1, length // 2)
        return length, stride, (sequence_length - length) // stride + 2  # Nie et al. 2023, section 3.1

    def check_window(self, sequence_length: int, horizon: int) -> None:  # noqa: ARG002 - the contract's signature
        """Refuse patches that are longer than the window, or that leave steps out."""
        length, stride, _ = self.patches(sequence_length)
        if length > sequence_length:
            raise InputError(
                f"expected patch_length ≤ sequence_length, got patch_length {length} and sequence_length "
                f"{sequence_length}; lengthen the sequence, exclude it for this model, or leave patch_length out"
            )
        if stride > length:
            raise InputError(
                f"expected stride ≤ patch_length, so that no step is left out, got stride {stride} and patch_length "
                f"{length}; lower stride or leave it out"
            )


def refuse_other_values(shape: Shape, _parameters: Parameters) -> None:
    """Refuse targets that are not of the window's own channels, where those are repeated or continued.

    Raises
    ------
    InputError
        They are something else.
    """
    if shape.targets[1] != shape.own:
        raise InputError(
            f"expected targets of the window's own {shape.own} channels, got {shape.targets[1]} other "
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
