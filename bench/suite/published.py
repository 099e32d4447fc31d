"""What a published system was printed with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.suite.fields import Count, Frozen, Name


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

    train_loss: dict[Annotated[int, Field(ge=1)], float] = Field(
        {}, description="Epoch → training loss, in the units it was trained in."
    )
    test_rmse: float | None = Field(None, description="Root mean squared error on the test part, original units.")
    test_l1: float | None = Field(None, description="Mean absolute error on the test part, original units.")
    accuracy: tuple[float, float] | None = Field(None, description="Share of test examples named right: from, to.")
    parameters: Count | None = Field(None, description="Trained numbers.")
    shapes: dict[str, tuple[Count, ...]] = Field(
        {}, description="Shape of train_inputs, train_targets, outputs (of the recurrent layers) or h_n."
    )
    first_target: float | None = Field(None, description="The first test target, original units.")
    first_prediction: float | None = Field(None, description="The prediction of it.")
    statements: tuple[Name, ...] = Field((), description="What was said in words.")
    claims: tuple[Claim, ...] = Field((), description="What was said in words, where numbers can decide it.")
