"""What a suite file says, as frozen values. Loading is in `load`, expansion in `cells`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Part = Annotated[int, Field(ge=1)] | Fraction
"""A part of a series: a count of points (a whole number) or a fraction of them."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\s/\\][^/\\\n]*$")]


class Frozen(BaseModel):
    """A value that refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Split(Frozen):
    """The chronological parts of a series: train, then validation, then test."""

    validation: Part = Field(0.1, description="Validation part: a fraction, or a count of points.")
    test: Part = Field(0.2, description="Test part, at the end of the series: a fraction, or a count of points.")

    @model_validator(mode="after")
    def _leaves_a_train_part(self) -> Split:
        fractions = sum(part for part in (self.validation, self.test) if isinstance(part, float))
        if fractions >= 1:
            raise ValueError(f"validation and test take {fractions:g} of the series; leave some of it for train")
        return self


class Training(Frozen):
    """How a member is trained by gradient descent (Adam)."""

    epochs: Count = Field(100, description="Passes over the train windows, at most.")
    batch_size: Count = Field(64, description="Windows in one gradient step.")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size.")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty, as in torch.optim.Adam.")
    early_stopping: Count | Literal[False] = Field(
        10, description="Stop after this many epochs without a better validation error; false trains every epoch."
    )
    clip_norm: float | None = Field(1.0, gt=0, description="Largest norm of a member's gradient; null for none.")
    loss: Literal["mse", "mae", "huber"] = Field("mse", description="What gradient descent minimises.")
    scaler: Literal["minmax", "standard"] = Field("minmax", description="Scaling of the inputs, fitted on train.")


class Tuning(Frozen):
    """One study per cell, on the validation part only; every architecture has the same budget."""

    trials: Count = Field(20, description="Hyperparameter sets to try.")
    batch: Count = Field(8, description="Trials asked for and trained together as banks.")
    epochs: Count | None = Field(None, description="Epochs of one trial, at most; null for the training's epochs.")
    sampler: Literal["tpe", "random"] = Field("tpe", description="How the next trials are chosen.")
    pruner: Literal["hyperband", "median", "none"] = Field("hyperband", description="How poor trials end early.")


class Entry(Frozen):
    """One dataset or model of a suite, resolved: every parameter has its value.

    `stated` names the parameters that the suite file gave; tuning leaves those as they are.
    """

    id: Name
    kind: str
    parameters: dict[str, Any]
    stated: tuple[str, ...] = ()


class Exclusion(Frozen):
    """Cells to leave out: those that match every key given here; strings may be globs."""

    dataset: str | None = None
    model: str | None = None
    sequence_length: Count | None = None
    horizon: Count | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Exclusion:
        if not self.model_fields_set:
            raise ValueError("expected at least one of dataset, model, sequence_length, horizon")
        return self


class Suite(Frozen):
    """One suite: datasets × models × sequence lengths × horizons, and how each cell is tuned and trained."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
    datasets: Annotated[tuple[Entry, ...], Field(min_length=1)]
    models: Annotated[tuple[Entry, ...], Field(min_length=1)]
    sequence_lengths: Annotated[tuple[Count, ...], Field(min_length=1)] = (30,)
    horizons: Annotated[tuple[Count, ...], Field(min_length=1)] = (1,)
    seeds: Count = 10
    seed: Annotated[int, Field(ge=0)] = 0
    split: Split = Split()
    training: Training = Training()
    tuning: Tuning | Literal[False] = Tuning()
    time_limit_s: Annotated[float, Field(gt=0)] | None = None
    exclude: tuple[Exclusion, ...] = ()

    @field_validator("sequence_lengths", "horizons")
    @classmethod
    def _no_repeats(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        repeated = sorted({item for item in value if value.count(item) > 1})
        if repeated:
            raise ValueError(f"{repeated[0]} is given twice")
        return value
