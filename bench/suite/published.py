"""What a published system was printed with."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bench.suite.fields import Count, Frozen, Name

SYMBOLS = ("N", "T", "H", "layers", "directions")
"""What a printed shape may say instead of numbers: sequences in a batch, steps, units, and those of the layers."""

_PRODUCT = rf"^({'|'.join(SYMBOLS)})( ?· ?({'|'.join(SYMBOLS)}))*$"


def _epoch(key: object) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", str(key)):
        raise ValueError(f"expected an epoch, a whole number ≥ 1, got {key}")
    return int(str(key))  # JSON has no other keys than text


def _is_range_of_shares(value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if not (0 <= low <= 1 and 0 <= high <= 1):
        raise ValueError(f"expected shares from 0 to 1, got {low:g} and {high:g}; divide what is in percent by 100")
    if low > high:
        raise ValueError(f"expected the lower end first, got {low:g} and {high:g}; turn them round")
    return value


Epoch = Annotated[int, BeforeValidator(_epoch)]
Error = Annotated[float, Field(ge=0)]
Accuracy = Annotated[tuple[float, float], AfterValidator(_is_range_of_shares)]
Side = Count | Annotated[str, Field(pattern=_PRODUCT)]
"""One side of a shape: a number, or a product of symbols such as ``layers · directions``."""
Shape = Annotated[tuple[Side, ...], Field(min_length=1)]
Shaped = Literal["train_inputs", "train_targets", "outputs", "h_n"]
Parts = Annotated[tuple[Count, ...], Field(min_length=2, max_length=2)]


class Claim(Frozen):
    """Something said in words that numbers can decide."""

    text: Name = Field(description="What was said.")
    test: Literal[
        "training-time", "gates", "equal-errors", "no-worse", "short-memory", "rests-on", "sudden-drop", "delayed"
    ] = Field(
        description="How it is decided: each next kind of model takes longer in training; its gates are counted; two "
        "kinds err alike; the first errs no more than the second; the first fails where the second does not; what a "
        "poor result rests on; it errs most at the largest fall; a forecast is close, and comes late."
    )
    models: tuple[Name, ...] = Field((), description="Kinds of models, in the order of the claim.")


class Published(Frozen):
    """The numbers that a system was published with; of each family, the printed decimals are the tolerance."""

    train_loss: dict[Epoch, Error] = Field({}, description="Epoch → training loss, in the units it was trained in.")
    test_rmse: Error | None = Field(None, description="Root mean squared error on the test part, original units.")
    test_l1: Error | None = Field(None, description="Mean absolute error on the test part, original units.")
    accuracy: Accuracy | None = Field(None, description="Share of test examples named right: from, to.")
    parameters: Count | Parts | None = Field(
        None, description="Trained numbers: of all, or of the recurrent layers and of the linear map."
    )
    shapes: dict[Shaped, Shape] = Field(
        {},
        description="Shape of train_inputs, train_targets, outputs (of the recurrent layers) or h_n; a side is a "
        "number, or a product of N, T, H, layers and directions.",
    )
    first_target: float | None = Field(None, description="The first test target, original units.")
    first_prediction: float | None = Field(None, description="The prediction of it.")
    statements: tuple[Name, ...] = Field((), description="What was said in words.")
    claims: tuple[Claim, ...] = Field((), description="What was said in words, where numbers can decide it.")
