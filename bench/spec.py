"""The content of a suite file, as frozen values: loaded by `bench.suite.load`, expanded by `bench.cells`."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from bench.cell_limits import CellLimits
from bench.errors import InputError, validation_text

_LARGEST = 2**31 - 1  # the results store counts as int32
FOLDER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$"


def _is_false(value: object) -> object:
    if value is not False:  # without this, 0 == False would pass as the literal
        raise ValueError("expected false")
    return value


def _is_one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError(f"expected one line of text, with no space around it, got {text!r}")
    return text


def names_a_folder(text: str) -> str:
    """`text`, which must be fit to be the name of a folder."""
    if not re.fullmatch(FOLDER, text):
        raise ValueError(
            f"expected 1 to 60 letters, digits, '.', '_' or '-', the first a letter or digit, got {text!r}"
        )
    return text


def _is_a_season(points: object) -> object:
    if isinstance(points, int) and points < 2:
        raise ValueError(
            f"expected at least 2 points in a season, got {points}: with 1 this is persistence; leave it out"
        )
    return points


Count = Annotated[int, Field(ge=1, le=_LARGEST)]
Points = Annotated[int, Field(ge=2, le=_LARGEST)]
Season = Annotated[Points | Literal["detect"] | None, BeforeValidator(_is_a_season)]
Part = (
    Annotated[int, Field(ge=1, le=_LARGEST, description="a count of points")]
    | Annotated[float, Field(gt=0, lt=1, description="a fraction of them")]
)
"""A part of a series."""

Off = Annotated[Literal[False], BeforeValidator(_is_false)]

Unit = Annotated[str, StringConstraints(min_length=1, max_length=20), AfterValidator(_is_one_line)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_is_one_line)]
"""What an entry is called. Any one line of text: it is shown, and never used as the name of a file."""


class Frozen(BaseModel):
    """A value that refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __eq__(self, other: object) -> bool:
        """Whether the fields are equal; what is kept next to them does not count."""
        return isinstance(other, Frozen) and type(self) is type(other) and dict(self) == dict(other)

    def __hash__(self) -> int:
        """Of the fields; one that holds a mapping has none."""
        return hash((type(self), *(value for _, value in self)))


P = TypeVar("P", bound=BaseModel)


class Split(Frozen):
    """The chronological parts of a series: train, then validation, then test."""

    validation: Part = Field(0.1, description="Validation part: a fraction, or a count of points.")
    test: Part = Field(0.2, description="Test part, at the end of the series: a fraction, or a count of points.")
    stride: Count | None = Field(None, description="Points from one test origin to the next; null: no point twice.")
    origins: Count | None = Field(None, description="How many origins, the last ones of the test part; null for all.")
    refit: bool = Field(default=False, description="Whether models are fitted again at each origin, on all before it.")

    @model_validator(mode="after")
    def _leaves_a_train_part(self) -> Split:
        fractions = sum(part for part in (self.validation, self.test) if isinstance(part, float))
        if fractions >= 1:
            raise ValueError(f"validation and test take {fractions:g} of the series; leave some of it for train")
        return self


class SeedPlan(Frozen):
    """Replicates that are added look by look, while claims of the report are undecided."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=True, serialize_by_alias=True)

    first: Annotated[int, Field(ge=2, le=_LARGEST)] = Field(
        3, alias="from", description="Replicates of each cell to begin with."
    )
    to: Annotated[int, Field(ge=2, le=_LARGEST)] = Field(30, description="Replicates of a cell, at most.")
    until: Literal["decided"] = Field(
        "decided", description="Cells get more replicates until the claims of the report about them are decided."
    )


BUDGET = frozenset({"epochs", "steps", "validate_every"})
"""The keys that say how long a training may be: where one section stands in for another, they go together."""

ROUNDS = 50
"""Validations in a budget in steps whose `validate_every` is left open."""


class Training(Frozen):
    """How a member is trained by gradient descent (Adam).

    The budget is in epochs or in steps. Training goes in rounds, each of which ends with a validation: a round is an
    epoch, or `validate_every` steps, which go on in the epoch, and its order, where the round before ended.
    """

    epochs: Count | None = Field(
        100, description="Passes over the train windows, at most; none where the budget is in steps."
    )
    steps: Count | None = Field(
        None, description="Steps of the optimiser, each on one batch, at most; null for a budget in epochs."
    )
    validate_every: Count | None = Field(
        None, description="Steps from one validation to the next; null for a fiftieth of steps, or for every epoch."
    )
    batch_size: Count | Literal["all"] = Field(
        64, description="Windows in one gradient step; all for one step per epoch (full batch)."
    )
    windows_per_epoch: Count | None = Field(
        None, description="Train windows drawn afresh for each epoch, without replacement; null for all of them."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size; the largest one where it has a schedule.")
    schedule: Literal["constant", "cosine", "one-cycle"] = Field(
        "constant",
        description="Learning rate over the whole budget: constant; falls to 0 as half a cosine; or first rises, and "
        "then falls to 0.",
    )
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty, as in torch.optim.Adam.")
    epsilon: float = Field(1e-8, gt=0, le=1, description="Adam's epsilon, torch's by default; Keras's is 1e-7.")
    early_stopping: Count | Off = Field(
        10,
        description="Stop after this many validations (one ends each epoch) without a better error; false spends the "
        "whole budget.",
    )
    clip_norm: float | None = Field(1.0, gt=0, description="Largest norm of a member's gradient; null for none.")
    loss: Literal["mse", "mae", "huber"] = Field("mse", description="What gradient descent minimises.")
    scaler: Literal["minmax", "symmetric", "standard", "none"] = Field(
        "minmax",
        description="Scaling fitted on train: to [0, 1], to [-1, 1], to mean 0 and deviation 1, or none.",
    )
    supervision: Literal["last", "every-step"] = Field(
        "last",
        description="Targets of a forecast: those after the window, or also the next value at each of its steps.",
    )

    @model_validator(mode="before")
    @classmethod
    def _steps_take_the_place_of_epochs(cls, content: Any) -> Any:
        in_steps = isinstance(content, dict) and content.get("steps") is not None
        return {"epochs": None, **content} if in_steps else content

    @model_validator(mode="after")
    def _has_one_budget(self) -> Training:
        if self.epochs is None and self.steps is None:
            raise ValueError("expected a budget, epochs or steps, got neither; give one of them")
        _check_one_unit(self)
        if self.validate_every is not None and self.steps is None:
            raise ValueError("validate_every counts steps, and the budget is in epochs; give steps, or leave it out")
        if self.validate_every is not None and self.steps is not None and self.validate_every > self.steps:
            raise ValueError(f"expected validate_every ≤ steps, got {self.validate_every} and {self.steps}; lower it")
        return self

    @property
    def round_steps(self) -> int | None:
        """Steps in a round; `None` for those of an epoch."""
        if self.steps is None:
            return None
        return min(self.validate_every or math.ceil(self.steps / ROUNDS), self.steps)

    @property
    def rounds(self) -> int:
        """Rounds in the whole budget; the last one may have fewer steps than the others."""
        if self.steps is None or self.round_steps is None:
            return self.epochs or 0
        return math.ceil(self.steps / self.round_steps)


def _check_one_unit(budget: Training | Tuning) -> None:
    """Refuse a budget in both units: in epochs, and in steps."""
    if budget.epochs is not None and budget.steps is not None:
        raise ValueError(
            f"expected epochs or steps, got both ({budget.epochs} and {budget.steps}); leave one of them out"
        )


class AsPublished(Frozen):
    """Departures from the protocol that published systems make; each marks the cell's rows `as published`."""

    scaler: Literal["train", "series"] = Field("train", description="Points that the scaler is fitted on.")
    split: Literal["points", "apart", "windows", "none"] = Field(
        "points",
        description="What is cut into parts: the points; the points, and no window reaches back across a cut; the "
        "windows (then parts share points); nothing (every window is trained on, and tested on).",
    )
    windows: Literal["all", "minus-one"] = Field(
        "all", description="Windows of each part: all, or len - L - 1 of them (the last is lost)."
    )
    validation: Literal["chooses", "watched", "none"] = Field(
        "chooses",
        description="Validation part: chooses the epoch whose weights are kept; is watched, and the last weights are "
        "kept; or belongs to train.",
    )
    order: Literal["shuffled", "in-order"] = Field("shuffled", description="Order of the train windows in an epoch.")
    last_batch: Literal["kept", "dropped"] = Field("kept", description="The last train batch where it is not full.")
    targets: Literal["own", "same-at-every-step"] = Field(
        "own", description="Targets of outputs at every step: their own, or the one value after the window for all."
    )

    @property
    def departures(self) -> tuple[str, ...]:
        """The options that depart from the protocol, as ``option: value``."""
        given = self.model_dump()
        return tuple(
            f"{name}: {given[name]}" for name, field in AsPublished.model_fields.items() if given[name] != field.default
        )


PROTOCOL = AsPublished()
"""No departure."""


class Tuning(Frozen):
    """One study per cell, on the validation part only; every architecture has the same budget."""

    trials: Count = Field(20, description="Hyperparameter sets to try.")
    batch: Count = Field(8, description="Trials requested and trained together as banks.")
    epochs: Count | None = Field(None, description="Epochs of one trial, at most; null for the training's budget.")
    steps: Count | None = Field(None, description="Steps of one trial, at most; null for the training's budget.")
    sampler: Literal["tpe", "random", "qmc"] = Field(
        "tpe", description="How the next trials are chosen; qmc: spread evenly (Sobol), whatever earlier ones gave."
    )
    pruner: Literal["hyperband", "halving", "median", "none"] = Field(
        "hyperband", description="How poor trials end early."
    )
    models: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        None, description="Ids of the models to tune, which may be globs; null for all."
    )

    @model_validator(mode="after")
    def _has_one_budget(self) -> Tuning:
        _check_one_unit(self)
        return self

    def trial(self, training: Training) -> Training:
        """`training` with the budget of one trial."""
        own = {"epochs": self.epochs, "steps": self.steps}
        return training if own == {"epochs": None, "steps": None} else training.model_copy(update=own)


Effect = Annotated[float, Field(gt=0, lt=10)] | None
"""The smallest change of a metric that counts; null where the metric is not looked at."""


class Thresholds(Frozen):
    """The smallest change that counts: of errors their ratio, 0.02 is 2 %; of the others their difference."""

    rmse: Effect = Field(0.02, description="Smallest relative change of the RMSE that counts.")
    mae: Effect = Field(None, description="Smallest relative change of the MAE that counts.")
    skill: Effect = Field(None, description="Smallest difference in skill that counts.")
    r2: Effect = Field(None, description="Smallest difference in R² that counts.")
    directional_accuracy: Effect = Field(None, description="Smallest difference in directional accuracy that counts.")

    @model_validator(mode="after")
    def _looks_at_something(self) -> Thresholds:
        if not self.stated():
            raise ValueError("expected a threshold for at least one metric")
        return self

    def stated(self) -> dict[str, float]:
        """The metrics that are looked at, with their thresholds."""
        return {name: value for name, value in self if value is not None}


class Gate(Frozen):
    """When a comparison with earlier results of this suite fails; no part of what a cell is."""

    thresholds: Thresholds = Field(Thresholds(), description="The smallest change that counts, metric by metric.")
    alpha: float = Field(
        0.01,
        gt=0,
        lt=0.5,
        description="Chance of a false alarm in one comparison, over all its cells and metrics (Holm).",
    )


class Entry(Frozen):
    """One dataset or model of a suite, resolved: every parameter has its value.

    `stated` names the parameters that the suite file gave; tuning leaves those as they are, unless `search` names them.
    """

    id: Name = Field(description="What results and reports call it; the kind's name where it is left out.")
    kind: str
    parameters: dict[str, Any]
    stated: tuple[str, ...] = ()
    search: dict[str, Any] = Field({}, description="Search space, in place of the kind's own: name to list or range.")
    unit: Unit | None = Field(None, description="What a series is measured in, such as USD; reports name it.")

    _parsed: tuple[dict[str, Any], BaseModel] | None = PrivateAttr(default=None)
    """Parameters, and what they were parsed to: a copy with other parameters brings those of its original."""

    @classmethod
    def of(cls, name: str, kind: str, parameters: BaseModel, stated: Sequence[str] = (), **more: Any) -> Entry:
        """The entry whose parameters are parsed already, and complete."""
        known, names = parameters.model_dump(mode="json"), tuple(sorted(stated))
        entry = cls(id=name, kind=kind, parameters=known, stated=names, **more)
        entry._parsed = entry.parameters, parameters
        return entry

    def parsed(self, kind: type[P], **changes: Any) -> P:
        """The parameters as a value of their kind's class, with `changes` in place; both are plain JSON values.

        What is parsed without changes is kept: the value is made once, however often it is requested.
        """
        if changes:
            return kind.model_validate_json(json.dumps({**self.parameters, **changes}))
        of, value = self._parsed or (None, None)
        if of is self.parameters and isinstance(value, kind):
            return value
        value = kind.model_validate_json(json.dumps(self.parameters))
        self._parsed = self.parameters, value
        return value

    @model_serializer(mode="wrap")
    def _without_empty(self, dump: Callable[[Self], dict[str, Any]]) -> dict[str, Any]:
        """Cells that were stored before entries had a search space keep their ids."""
        return {name: value for name, value in dump(self).items() if name not in ("search", "unit") or value}

    def __getstate__(self) -> dict[Any, Any]:
        """Without the parsed parameters: another process parses its own, by the class that its registry names."""
        return {**super().__getstate__(), "__pydantic_private__": {"_parsed": None}}


class Exclusion(Frozen):
    """Cells to leave out: those that match every key given here; strings may be globs."""

    dataset: str | None = Field(None, description="The id of a dataset; may be a glob.")
    model: str | None = Field(None, description="The id of a model; may be a glob.")
    sequence_length: Count | None = Field(None, description="One of sequence_lengths.")
    horizon: Count | None = Field(None, description="One of horizons.")

    @model_validator(mode="after")
    def _names_something(self) -> Exclusion:
        if not self.model_fields_set:
            raise ValueError("expected at least one of dataset, model, sequence_length, horizon")
        return self


class Settings(Frozen):
    """Everything in a suite but its datasets and models."""

    name: Annotated[str, AfterValidator(names_a_folder)] = Field(
        description="Names the folders of results and reports.", json_schema_extra={"pattern": FOLDER}
    )
    sequence_lengths: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        (30,), description="Points in an input window; one cell for each."
    )
    horizons: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        (1,), description="Points to predict; one cell for each."
    )
    seeds: Count | SeedPlan = Field(
        10,
        description="Replicates of each cell: the tuned model is trained on this many fresh seeds; or a plan by which "
        "they are added until claims are decided.",
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(0, description="Root of every random stream.")
    fresh_data: bool = Field(
        default=False,
        description="Whether each replicate is trained and tested on data of its own seed; false for one series for "
        "all, which pairs models over replicates.",
    )
    season: Season = Field(
        None, description="Points in a season, for the second reference and MASE; detect: from the train part."
    )
    split: Split = Field(Split(), description="The chronological parts: train, then validation, then test.")
    training: Training = Field(Training(), description="How models with weights are trained.")
    as_published: AsPublished = Field(
        PROTOCOL, description="Departures from the protocol; they mark every row `as published`."
    )
    tuning: Tuning | Off = Field(Tuning(), description="The tuning budget of every cell; false for no tuning.")
    time_limit_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds that one cell may work, at most; null for no limit."
    )
    limits: CellLimits = Field(CellLimits(), description="What ends the process of a cell that takes more.")
    exclude: tuple[Exclusion, ...] = Field((), description="Cells to leave out of the cross product.")
    gate: Gate = Field(Gate(), description="When `bench compare` says that results have become worse.")

    @property
    def most_seeds(self) -> int:
        """How many replicates a cell may get."""
        return self.seeds.to if isinstance(self.seeds, SeedPlan) else self.seeds

    def least_of(self, most: int) -> int:
        """How many replicates a cell gets in any case that may get so many at `most`."""
        return min(self.seeds.first, most) if isinstance(self.seeds, SeedPlan) else most

    @field_validator("seeds")
    @classmethod
    def _goes_up(cls, value: int | SeedPlan) -> int | SeedPlan:
        if isinstance(value, SeedPlan) and value.first >= value.to:
            raise ValueError(f"from {value.first} to {value.to}: expected a plan that goes up, or one number")
        return value

    @field_validator("sequence_lengths", "horizons")
    @classmethod
    def _no_repeats(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        repeated = sorted(item for item, count in Counter(value).items() if count > 1)
        if repeated:
            raise ValueError(f"{repeated[0]} is given twice")
        return value


class Product(NamedTuple):
    """Datasets × models × the lengths and horizons of the settings: each combination is a cell."""

    settings: Settings
    datasets: Sequence[Entry]
    models: Sequence[Entry]


class Origin(NamedTuple):
    """The file that a suite was loaded from, and the line and column at which it names each dataset, by its id."""

    file: str
    datasets: Mapping[str, tuple[int, int]]


class Suite(Settings):
    """One suite: datasets × models × sequence lengths × horizons, and how each cell is tuned and trained."""

    datasets: tuple[Entry, ...] = Field((), description="Names of datasets or mappings with a kind and its parameters.")
    models: tuple[Entry, ...] = Field((), description="Names of models, or mappings with a kind and its parameters.")

    _origin: Origin | None = PrivateAttr(default=None)

    def __init__(self, **content: Any) -> None:
        """A suite made by hand, of the keys that a suite file has; `InputError` where one is not as it must be."""
        try:
            super().__init__(**content)
        except ValidationError as error:
            raise InputError(f"{type(self).__name__}: {validation_text(error)}") from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # files are checked without it

    def products(self) -> Iterator[Product]:
        """The cross products that make its cells, in the order of the file."""
        yield Product(self, self.datasets, self.models)

    @property
    def size(self) -> int:
        """How many cells its products have, with those that are excluded; nothing is expanded for it."""
        return sum(
            len(datasets) * len(models) * len(settings.sequence_lengths) * len(settings.horizons)
            for settings, datasets, models in self.products()
        )

    @property
    def origin(self) -> Origin | None:
        """Where it was loaded from; `None` where that was no file."""
        return self._origin

    def loaded_from(self, origin: Origin | None) -> Self:
        """The same suite, which knows where it was loaded from; `None` where that was no file."""
        suite = self.model_copy()
        suite._origin = origin
        return suite
