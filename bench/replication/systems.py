"""What a suite file says of published systems: their data and models, how they were run, and what was printed.

A suite with systems is a suite: it has their cells besides its own.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from bench.spec import (
    BUDGET,
    AsPublished,
    Count,
    Entry,
    Frozen,
    Name,
    Off,
    Product,
    Settings,
    Split,
    Suite,
    Training,
    Tuning,
)

PUBLISHED = " as published"
"""Ends the id of a model that runs as it was published, with numbers to compare."""

DESCRIBED = " as described"
"""Ends the id of a model that runs as it was described, by a document that prints nothing it gave."""

MARKS = (PUBLISHED, DESCRIBED)
"""What ends the ids of models that do not run under the protocol."""


def is_marked(model: str) -> bool:
    """Whether the id `model` ends in one of `MARKS`."""
    return model.endswith(MARKS)


def unmarked(model: str) -> str:
    """The id `model` without what marks it.

    >>> unmarked("rnn as published")
    'rnn'
    """
    return model.removesuffix(PUBLISHED).removesuffix(DESCRIBED)


SYMBOLS = ("N", "None", "T", "H", "layers", "directions")
"""What a printed shape may say instead of numbers: sequences in a batch (None in Keras), steps, units, layers."""

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
Shaped = Literal["train_inputs", "train_targets", "all_inputs", "all_targets", "outputs", "h_n", "last_state"]
Parts = Annotated[tuple[Count, ...], Field(min_length=2, max_length=2)]


Raising = Literal["nn.Sequential(nn.RNN, nn.Linear)"]
"""Printed lines of code that raise when they are run."""

ClaimTest = Literal[
    "training-time",
    "gates",
    "comparable-in-some",
    "no-worse",
    "short-memory",
    "rests-on",
    "sudden-drop",
    "delayed",
    "falling-loss",
    "no-overfitting",
    "beats-persistence",
    "doubled",
]
"""How a claim may be decided."""


class Claim(Frozen):
    """Something said in words that numbers can decide."""

    text: Name = Field(description="What was said.")
    test: ClaimTest = Field(
        description="How it is decided: each next kind of model takes longer in training; its gates are counted; two "
        "kinds err alike somewhere; the first errs no more than the second; the first fails where the second does not; "
        "what a poor result rests on; it errs most at the largest fall; a forecast is close, and comes late; the "
        "printed losses never rise; the test error is less than twice the training loss; the error is smaller than "
        "that of persistence; two directions double the parameters of the layers and the output size."
    )
    models: tuple[Name, ...] = Field((), description="Kinds of models, in the order of the claim.")
    beyond: Count | None = Field(
        None, description="Of short-memory: steps; data that asks to remember over fewer is not judged. Null for all."
    )


class Statement(Frozen):
    """Something said in words that no number decides."""

    text: Name = Field(description="What was said.")
    why: Name = Field(description="Why no number decides it.")


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
        description="Shape of train_inputs, train_targets, outputs (of the recurrent layers) or h_n; all_inputs and "
        "all_targets are of all windows, last_state is the last state of one layer. A side is a number, or a product "
        "of N (None in Keras), T, H, layers and directions.",
    )
    points: dict[Name, Count] = Field({}, description="Id of a dataset → the points of its series.")
    raises: tuple[Raising, ...] = Field((), description="Lines of code that raise when they are run.")
    first_target: float | None = Field(None, description="The first test target, original units.")
    first_prediction: float | None = Field(None, description="The prediction of it.")
    statements: tuple[Statement, ...] = Field((), description="What was said in words that no number decides.")
    claims: tuple[Claim, ...] = Field((), description="What was said in words, where numbers can decide it.")

    @property
    def gives_results(self) -> bool:
        """Whether it has anything that a run of the system gives: a number, a count or a shape."""
        words = {"statements", "claims", "points", "raises"}
        return bool(self.model_dump(exclude_defaults=True, exclude=words))


_SECTIONS: dict[str, type[Frozen]] = {
    "split": Split,
    "training": Training,
    "tuning": Tuning,
    "as_published": AsPublished,
}


def _without(section: Any, plain: Mapping[str, Any]) -> Any:
    """`section` without what is `plain`; anything else stays."""
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if key not in plain or plain[key] != value}


class Overrides(Frozen):
    """Settings of some cells, in place of the suite's; of a section, the keys that are given."""

    seeds: Count | None = Field(None, description="Replicates of each cell.")
    fresh_data: bool | None = Field(None, description="Whether each replicate has data of its own seed.")
    split: Split | None = Field(None, description="The chronological parts.")
    training: Training | None = Field(None, description="How models with weights are trained.")
    tuning: Tuning | Off | None = Field(None, description="The tuning budget; false for no tuning.")
    as_published: AsPublished | None = Field(None, description="Departures from the protocol.")

    @model_validator(mode="before")
    @classmethod
    def _given(cls, content: Any) -> Any:
        """What was given of what an earlier version kept: every key, with null or the default where none was."""
        if not isinstance(content, dict) or content.keys() != cls.model_fields.keys():
            return content
        plain = {name: kind().model_dump(mode="json") for name, kind in _SECTIONS.items()}
        given = {name: _without(value, plain.get(name, {})) for name, value in content.items() if value is not None}
        return {name: value for name, value in given.items() if value != {}}

    @model_serializer(mode="wrap")
    def _only_given(self, full: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The keys that were given, and of a section its own: read back, the others stay the suite's."""
        content = full(self)
        sections = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: {key: content[name][key] for key in content[name] if key in section.model_fields_set}
            if isinstance(section, Frozen)
            else content[name]
            for name, section in sections.items()
        }

    def over(self, settings: Settings) -> Settings:
        """`settings` with these in place."""
        changes: dict[str, Any] = {}
        for name in self.model_fields_set:
            mine, theirs = getattr(self, name), getattr(settings, name)
            if isinstance(mine, Frozen) and isinstance(theirs, Frozen):
                given = mine.model_dump(exclude_unset=True)
                kept = {key: value for key, value in theirs if not (key in BUDGET and BUDGET & given.keys())}
                mine = type(mine).model_validate({**kept, **given})
            changes[name] = mine
        return settings.model_copy(update=changes)


class SystemSettings(Frozen):
    """Everything in a system but its datasets and models."""

    id: Name = Field(description="What results and reports call it.")
    title: Name = Field(description="What it is, in a few words.")
    sequence_lengths: Annotated[tuple[Count, ...], Field(min_length=1)] | None = Field(
        None, description="Points in an input window; null for the suite's."
    )
    horizons: Annotated[tuple[Count, ...], Field(min_length=1)] | None = Field(
        None, description="Points to predict; null for the suite's."
    )
    settings: Overrides = Field(Overrides(), description="Of the run as published, in place of the suite's.")
    protocol: Overrides | Off = Field(
        Overrides(), description="Of the run under the protocol, in place of the suite's; false for no such run."
    )
    published: Published = Field(Published(), description="What was printed.")
    remark: Name | None = Field(None, description="What to keep in mind when its verdicts are read.")


class System(SystemSettings):
    """A published system: its data, its models, how it was run, and what was printed."""

    datasets: Annotated[tuple[Entry, ...], Field(min_length=1)] = Field(
        description="Names of datasets, or mappings with a kind and its parameters."
    )
    models: Annotated[tuple[Entry, ...], Field(min_length=1)] = Field(
        description="Names of models, or mappings with a kind and its parameters."
    )

    @property
    def card(self) -> str:
        """What it shares a card with: the first word of its id."""
        return self.id.split()[0]

    @property
    def mark(self) -> str:
        """What ends the ids of its models where they run as they were published, or only described."""
        return PUBLISHED if self.published.gives_results else DESCRIBED

    @property
    def named_datasets(self) -> tuple[Entry, ...]:
        """The datasets, each under the system's id, with its own behind it where there are several."""
        several = len(self.datasets) > 1
        names = (f"{self.id} {dataset.id}" if several else self.id for dataset in self.datasets)
        return tuple(
            dataset.model_copy(update={"id": name}) for dataset, name in zip(self.datasets, names, strict=True)
        )


class ReplicationSuite(Suite):
    """One suite: datasets × models × sequence lengths × horizons, and how each cell is tuned and trained.

    Next to the cross product, or instead of it, `systems` each add cells of their own.
    """

    model_config = ConfigDict(title="Suite")

    systems: tuple[System, ...] = Field((), description="Published systems: run as published, and under the protocol.")
    references: tuple[Entry, ...] = Field(
        (), description="Models that run on the data of every system under the protocol, next to the system's own."
    )

    def products(self) -> Iterator[Product]:
        """The suite's own cross product, then those of each system."""
        yield from super().products()
        for system in self.systems:
            yield from self._of_system(system)

    def _of_system(self, system: System) -> Iterator[Product]:
        """Each model on each dataset: as published or described, then under the protocol; then the references."""
        lengths = system.sequence_lengths or self.sequence_lengths
        base = self.model_copy(update={"sequence_lengths": lengths, "horizons": system.horizons or self.horizons})
        published = [model.model_copy(update={"id": f"{model.id}{system.mark}"}) for model in system.models]
        settings = system.settings.over(base).model_copy(update={"tuning": False})
        yield Product(settings, system.named_datasets, published)
        if system.protocol:
            models = [*system.models, *(each for each in self.references if each not in system.models)]
            yield Product(system.protocol.over(base), system.named_datasets, models)


def parsed(text: str) -> Suite:
    """The suite, with systems or without, that a results folder keeps as JSON.

    Raises
    ------
    ValidationError
        Of pydantic: it is not as this version writes it.
    """
    return ReplicationSuite.model_validate_json(text)


def systems_of(suite: Suite | None) -> tuple[System, ...]:
    """The published systems of `suite`."""
    return suite.systems if isinstance(suite, ReplicationSuite) else ()
