"""The published numbers of a suite file, with their decimals, checked against what the system runs.

A published number, and each departure from the protocol, must be possible for the system.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bench.data.base import DatasetKind
from bench.models.base import ModelKind
from bench.replication.systems import Claim, Published, System
from bench.spec import AsPublished, Entry, Suite
from bench.suite.checks import Said, departures_without_effect, position_of
from bench.suite.yaml import Problems, Value

TEST_NUMBERS = {"test_rmse": "test RMSE", "test_l1": "test L1"}
"""The printed numbers that are errors on the test part, and what they are called."""


@dataclass(frozen=True)
class Printed:
    """A number as it was printed, or a range of them.

    Parameters
    ----------
    quantity
        What it is of.
    low, high
        Equal unless a range was printed.
    decimals
        How many were printed.
    """

    quantity: str
    low: float
    high: float
    decimals: int

    @property
    def tolerance(self) -> float:
        """Half a unit of the last printed decimal."""
        return float(0.5 * 10.0**-self.decimals)

    @property
    def text(self) -> str:
        """As it was printed."""
        ends = [f"{end:.{self.decimals}f}" for end in dict.fromkeys((self.low, self.high))]
        return "–".join(ends)


def decimals(values: Iterable[float]) -> int:
    """The most decimals that any of `values` is written with.

    >>> decimals([0.015, 0.0342])
    4
    """
    places = (-int(Decimal(repr(value)).as_tuple().exponent) for value in values)
    return max((place for place in places), default=0)


def train_losses(published: Published) -> dict[int, Printed]:
    """Epoch → the training loss that was printed; a number with fewer decimals lost zeros at its end."""
    shared = decimals(published.train_loss.values())
    return {
        epoch: Printed(f"train loss at epoch {epoch}", loss, loss, shared)
        for epoch, loss in sorted(published.train_loss.items())
    }


def errors_on_test(published: Published) -> dict[str, Printed]:
    """The key in the suite file → the error on the test part."""
    given = {key: getattr(published, key) for key in TEST_NUMBERS}
    return {
        key: Printed(TEST_NUMBERS[key], value, value, decimals([value]))
        for key, value in given.items()
        if value is not None
    }


def accuracy(published: Published) -> Printed | None:
    """The range of accuracies, shares of 1."""
    if published.accuracy is None:
        return None
    low, high = published.accuracy
    return Printed("test accuracy", low, high, decimals([low, high]))


_COUNTED = ("rnn", "gru", "lstm")  # recurrent layers and a linear map, whose parameters have formulas
_MODELS: Mapping[str, tuple[int, int | None]] = {
    "training-time": (2, None),
    "gates": (1, None),
    "comparable-in-some": (2, 2),
    "no-worse": (2, 2),
    "short-memory": (2, 2),
    "rests-on": (0, 0),
    "sudden-drop": (0, 0),
    "delayed": (0, 0),
    "falling-loss": (0, 0),
    "no-overfitting": (0, 0),
    "beats-persistence": (0, 0),
    "doubled": (0, 0),
}
"""How many models a claim names: at least, at most."""


def check_published(
    suite: Suite,
    systems: Sequence[tuple[Value, System]],
    *,
    datasets: Mapping[str, DatasetKind],
    models: Mapping[str, ModelKind],
    problems: Problems,
) -> None:
    """Nothing is printed, claimed or departed from that what is run cannot have.

    Parameters
    ----------
    suite, systems
        What is to be run, and where the file says so.
    datasets, models
        The registries.
    problems
        Where to say what is wrong.
    """
    cards: dict[str, list[System]] = defaultdict(list)
    for _, system in systems:
        cards[system.card].append(system)
    for value, system in systems:
        checks = _Checks(suite, system, cards[system.card], datasets, models)
        for path, text in checks.problems():
            problems.add(position_of(value, path), text)


@dataclass(frozen=True)
class _Checks:
    """One system, among those of its card."""

    suite: Suite
    system: System
    card: Sequence[System]
    datasets: Mapping[str, DatasetKind]
    models: Mapping[str, ModelKind]

    def problems(self) -> Said:
        for key, overrides in (("settings", self.system.settings), ("protocol", self.system.protocol)):
            if overrides:
                settings = overrides.over(self.suite)
                if settings.split.stride or settings.split.origins or settings.split.refit:
                    once = "split: expected each test point once, as cards show it, of one fit"
                    yield (key, "split"), f"{once}, got stride, origins or refit; leave them out"
                for path, text in departures_without_effect(settings, self.system.datasets, self.datasets):
                    yield (key, *path), text
        if self.system.settings.tuning:
            text = "tuning: expected none, since what runs as published has the settings that were published"
            yield ("settings", "tuning"), f"{text}; set it in protocol, or leave it out"
        yield from self._course()
        yield from self._errors()
        yield from self._facts()
        for number, claim in enumerate(self.system.published.claims):
            for text in self._claim(claim):
                yield ("published", "claims", number), f"{claim.test}: {text}"

    def _course(self) -> Said:
        epochs = self.system.settings.over(self.suite).training.epochs
        for epoch in self.system.published.train_loss:
            if epochs is None:
                text = "expected a budget in epochs, which the losses are printed for, got one in steps"
                yield ("published", "train_loss", str(epoch)), f"train_loss: {text}; set epochs in its settings"
            elif epoch > epochs:
                yield (
                    ("published", "train_loss", str(epoch)),
                    f"train_loss: expected an epoch ≤ {epochs}, since it is trained no longer, got {epoch}; raise "
                    "epochs in its settings, or leave this one out",
                )

    def _errors(self) -> Said:
        """Accuracies are of classes; errors and single values are of anything else."""
        published = self.system.published
        for key in ("accuracy", "test_rmse", "test_l1", "first_target", "first_prediction"):
            wanted = "classify" if key == "accuracy" else "forecast or denoise"
            tasks = {entry.id: self.datasets[entry.kind].task for entry in self.system.datasets}
            other = next((name for name, task in tasks.items() if task not in wanted), None)
            if getattr(published, key) is not None and other is not None:
                yield (
                    ("published", key),
                    f"{key}: expected data to {wanted}, got {other}, which asks to {tasks[other]}; leave {key} out",
                )

    def _facts(self) -> Said:
        published = self.system.published
        for name in published.shapes:
            model = next((each for each in self.system.models if not self.models[each.kind].gradient), None)
            if name in ("outputs", "h_n") and model is not None:
                yield (
                    ("published", "shapes", name),
                    f"{name}: expected a model that has layers, got {model.id}; leave {name} out",
                )
        own = {entry.id for entry in self.system.datasets}
        if published.points and published.points.keys() != own:
            have, given = (", ".join(sorted(names)) for names in (own, published.points))
            yield ("published", "points"), f"points: expected one for each of its datasets, {have}, got {given}; fix it"
        other = next((each for each in self.system.models if each.kind not in _COUNTED), None)
        if isinstance(published.parameters, tuple) and other is not None:
            listed = ", ".join(_COUNTED)
            yield (
                ("published", "parameters"),
                f"parameters: expected one number, since only of {listed} those of the recurrent layers and of the "
                f"linear map are known apart, got {len(published.parameters)} for {other.id}; give their sum",
            )

    def _claim(self, claim: Claim) -> Iterator[str]:
        least, most = _MODELS[claim.test]
        count = len(set(claim.models))
        if count != len(claim.models) or count < least or (most is not None and count > most):
            wanted = f"{least} or more" if most is None else str(most or "no")
            yield f"expected {wanted} kinds of models, each once, got {len(claim.models)}; fix models"
        elif claim.test == "rests-on":
            yield from self._series()
            yield from self._check_ablation()
        elif claim.test in ("sudden-drop", "beats-persistence"):
            yield from self._series()
        elif claim.test in ("falling-loss", "no-overfitting", "doubled"):
            yield from self._own(claim)
        elif claim.test == "delayed":
            if not any(self._is_real(entry) for system in self.card for entry in system.datasets):
                yield "expected a series that was observed, got data that is generated; leave the claim out"
        elif not any(set(claim.models) <= kinds for system in self.card for kinds in _kinds_by_size(system)):
            have = ", ".join(dict.fromkeys(model.kind for system in self.card for model in system.models))
            yield (
                f"expected the kinds {', '.join(claim.models)} in one system of its card, with equal hidden_size and "
                f"layers, got {have}; add models, or leave the claim out"
            )

    def _series(self) -> Iterator[str]:
        """Persistence repeats the last value of a series."""
        other = next((entry for system in self.card for entry in system.datasets if not self._is_series(entry)), None)
        if other is not None:
            yield f"expected series to forecast, got {other.id}, which is many short sequences; leave the claim out"

    def _own(self, claim: Claim) -> Iterator[str]:
        """What its own system must have."""
        if claim.test == "doubled":
            if not any(model.parameters.get("bidirectional") for model in self.system.models):
                yield "expected a bidirectional model in its system, got none; leave the claim out"
        elif not self.system.published.train_loss:
            yield "expected train_loss of its system, which decides it, got none; add it, or leave the claim out"

    def _check_ablation(self) -> Iterator[str]:
        """The comparison needs both ways of asking."""
        ways = {departs.targets for system in self.card if (departs := self._departs(system)).departures}
        if len(ways) < 2:
            given = " and ".join(sorted(ways)) or "no departure"
            yield (
                "expected systems of its card as published with targets: own and with targets: same-at-every-step, "
                f"got {given}; add the other, or leave the claim out"
            )

    def _departs(self, system: System) -> AsPublished:
        return system.settings.over(self.suite).as_published

    def _is_series(self, entry: Entry) -> bool:
        kind = self.datasets[entry.kind]
        return kind.steps is None and kind.task == "forecast"

    def _is_real(self, entry: Entry) -> bool:
        return self._is_series(entry) and self.datasets[entry.kind].fingerprint is not None


def _kinds_by_size(system: System) -> list[set[str]]:
    """The kinds of its models, those of one size together."""
    kinds: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for model in system.models:
        kinds[tuple(model.parameters.get(name) for name in ("hidden_size", "layers"))].add(model.kind)
    return list(kinds.values())
