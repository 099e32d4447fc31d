"""The steps of `run_cell` on a small training budget, and pairs of datasets that are equal up to a time.

Independent sequences have no time between them: there, some sequences of the pair differ and the others are equal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench import seeds
from bench.array_types import FloatArray, FloatArray32
from bench.cells import Cell
from bench.data.base import Sequences, Series
from bench.errors import CellError
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.protocol.prepare import Prepared, arranged, prepare
from bench.protocol.windows import Scaler, Windows
from bench.registry import lookup
from bench.running.cell import replicates
from bench.seeds import generator
from bench.spec import BUDGET, Split
from bench.store.schema import Status
from bench.training.fit import Trained, train
from bench.tuning.candidates import resolve, space


def changed_from(series: Series, t: int, seed: int) -> Series:
    """Every point from `t` on moved, up or down, by once to twice the range of its channel.

    Past covariates move too; what is known in advance stays as it is known.
    """
    random = generator(seed, "canary", "twin", t)
    values = _moved(series.values, t, random)
    past = None if series.covariates is None else _moved(series.covariates, t, random)
    return dataclasses.replace(series, values=values, covariates=past, best=None)


def known_from(series: Series, t: int, seed: int) -> Series:
    """What is known in advance of every point from `t` on moved as in `changed_from`, and nothing else."""
    if series.known_future is None:
        return series
    known = _moved(series.known_future, t, generator(seed, "canary", "known", t))
    return dataclasses.replace(series, known_future=known, best=None)


def _moved(values: FloatArray, t: int, random: np.random.Generator) -> FloatArray:
    moved, spread = values.copy(), spread_of(values)
    shape = moved[t:].shape
    moved[t:] += random.choice([-1.0, 1.0], shape) * random.uniform(1, 2, shape) * spread
    return moved


def spread_of(values: FloatArray) -> FloatArray:
    """The range of each channel; 1 where it never changes."""
    spread = np.ptp(values, axis=0)
    return np.where(spread > 0, spread, 1.0)


def multiplied_from(series: Series, t: int, factor: float, *, known: bool = False) -> Series:
    """Every value and past covariate from `t` on multiplied by `factor`; or what is `known` in advance, alone."""
    names = ("known_future",) if known else ("values", "covariates")
    changes = {name: array.copy() for name in names if (array := getattr(series, name)) is not None}
    for array in changes.values():
        array[t:] *= factor
    return dataclasses.replace(series, best=None, **changes)


def with_other_inputs(sequences: Sequences, rows: slice, seed: int, *, after: int = 0) -> Sequences:
    """The inputs of the sequences `rows` moved as in `changed_from`, from step `after` on; NaN stays."""
    inputs = sequences.inputs.copy()
    inputs[rows, after:] += _shift(inputs[rows], seed)[:, after:]
    return dataclasses.replace(sequences, inputs=inputs, best=None)


def with_other_targets(sequences: Sequences, rows: slice, seed: int) -> Sequences:
    """The targets of the sequences `rows` moved as in `changed_from`; each class becomes another."""
    targets = sequences.targets.copy()
    if sequences.task == "classify":
        targets[rows] = np.roll(targets[rows], 1, axis=-1)
    else:
        targets[rows] += _shift(targets[rows], seed)
    return dataclasses.replace(sequences, targets=targets, best=None)


def with_larger(sequences: Sequences, rows: slice, factor: float) -> Sequences:
    """The sequences `rows`, and their targets but for classes, multiplied by `factor`."""
    inputs, targets = sequences.inputs.copy(), sequences.targets.copy()
    inputs[rows] *= np.float32(factor)
    if sequences.task != "classify":
        targets[rows] *= np.float32(factor)
    return dataclasses.replace(sequences, inputs=inputs, targets=targets, best=None)


def _shift(values: FloatArray32, seed: int) -> NDArray[np.float32]:
    """Up or down by once to twice the range of each channel, at random."""
    random = generator(seed, "canary", "twin")
    spread = np.nanmax(values, axis=(0, 1)) - np.nanmin(values, axis=(0, 1))
    size = random.uniform(1, 2, values.shape) * np.where(spread > 0, spread, 1.0)
    return (random.choice([-1.0, 1.0], values.shape) * size).astype(np.float32)


if TYPE_CHECKING:
    from bench.tuning.study import Tuned


@dataclass(frozen=True)
class CheckBudget:
    """How much a check trains.

    Parameters
    ----------
    epochs, windows_per_epoch
        Of one training, at most; the suite's own where they are smaller.
    trials
        Of one study, where the suite tunes.
    replicates
        Members of the bank that is examined.
    rounds
        Independent series of a statistical check, one member each.
    test_points
        Test targets of each of them.
    """

    epochs: int = 10
    windows_per_epoch: int = 256
    trials: int = 2
    replicates: int = 2
    rounds: int = 3
    test_points: int = 300

    def __str__(self) -> str:
        return (
            f"{self.replicates} replicates, {self.epochs} epochs of at most {self.windows_per_epoch} windows, "
            f"{self.trials} trials; {self.rounds} rounds of {self.test_points} test targets for what is left to chance"
        )


def windows_of(prepared: Prepared) -> dict[str, Windows]:
    """The windows of each part of a series; a system that was published without a validation part has none of it."""
    parts = {"train": prepared.data.train, "validation": prepared.data.validation, "test": prepared.test}
    return {part: windows for part, windows in parts.items() if isinstance(windows, Windows)}


_VALIDATION_POINTS = 50
_TRAIN_WINDOWS = 150


@dataclass(frozen=True, eq=False)
class Pieces:
    """One cell, ready to be taken apart: every method is the function that `run_cell` calls.

    Parameters
    ----------
    cell
        As the suite has it.
    load
        Gives its data.
    budget
        What a check may spend.
    """

    cell: Cell
    load: Callable[[], Series | Sequences]
    budget: CheckBudget = CheckBudget()

    @cached_property
    def source(self) -> Series | Sequences:
        """The cell's own data; of several series, their parts next to each other."""
        return arranged(self.cell, self.load())

    @property
    def series(self) -> Series:
        """The cell's own data, which is a series."""
        if not isinstance(self.source, Series):
            raise TypeError("expected a series, got independent sequences")
        return self.source

    @property
    def sequences(self) -> Sequences:
        """The cell's own data, which is independent sequences."""
        if not isinstance(self.source, Sequences):
            raise TypeError("expected independent sequences, got a series")
        return self.source

    @property
    def kind(self) -> ModelKind:
        """The cell's kind of model."""
        return lookup(model_kinds(), self.cell.model.kind, "model")

    @cached_property
    def small(self) -> Cell:
        """The cell within the budget."""
        training, budget = self.cell.training, self.budget
        windows = min(training.windows_per_epoch or budget.windows_per_epoch, budget.windows_per_epoch)
        epochs = min(training.rounds, budget.epochs)
        update = {**dict.fromkeys(BUDGET), "epochs": epochs, "windows_per_epoch": windows}
        return dataclasses.replace(
            self.cell,
            training=training.model_copy(update=update),
            tuning=None,
            seeds=min(self.cell.seeds, budget.replicates),
            time_limit_s=None,
        )

    def kept_positive(self, before: Series, after: Series) -> Series:
        """`after`, whose values differ from those of `before` by some of their range; by a factor where that is needed.

        Returns are known of values above 0 alone.
        """
        if self.cell.dataset.parameters.get("transform") not in ("returns", "log-returns"):
            return after
        growth = np.exp((after.values - before.values) / spread_of(before.values))
        return dataclasses.replace(after, values=before.values * growth)

    def twin(self, t: int) -> Series:
        """The cell's own series with other values from `t` on."""
        return self.kept_positive(self.series, changed_from(self.series, t, self.cell.seed))

    def prepare(self, source: Series | Sequences, *, scaler: Scaler | None = None) -> Prepared:
        """`source` in the place of the cell's own data: cut, scaled, with windows over it."""
        return prepare(self.small, source, scaler=scaler)

    def train(self, prepared: Prepared) -> Trained:
        """The cell's replicates.

        Raises
        ------
        CellError
            One of them diverged.
        """
        cell, kind = self.small, self.kind
        trained = train(kind, replicates(kind, cell, resolve(kind, cell)), prepared.data)
        for fit in trained.fits:
            if fit.status is not Status.OK:
                raise CellError(fit.reason or fit.status)
        return trained

    @cached_property
    def whole(self) -> Cell:
        """The small cell with a study within the budget, where the suite tunes: what `run_cell` is given."""
        tuning = self.cell.tuning
        if tuning:
            trials = min(tuning.trials, self.budget.trials)
            update = {"trials": trials, "batch": trials, "epochs": self.small.training.epochs, "steps": None}
            tuning = tuning.model_copy(update=update)
        return dataclasses.replace(self.small, tuning=tuning, data_sha256=None)

    def tune(self, prepared: Prepared) -> Tuned | None:
        """A short study of the cell; `None` where the suite does not tune or leaves nothing to tune."""
        if not (self.whole.tuning and space(self.kind, self.whole)):
            return None
        from bench.tuning.study import tune  # optuna: only where something is tuned

        return tune(self.kind, self.whole, prepared.data)

    def round(self, number: int, split: Split) -> Pieces:
        """The same pieces for one round of a statistical check: one replicate, on streams of its own."""
        seed = seeds.integer(self.cell.seed, "canary", number)
        return dataclasses.replace(self, cell=dataclasses.replace(self.cell, seed=seed, seeds=1, split=split))

    def few(self, available: int) -> tuple[int, Split]:
        """As `arena`, of independent sequences."""
        wanted = _TRAIN_WINDOWS + _VALIDATION_POINTS + self.budget.test_points
        if available < wanted:
            return available, self.cell.split
        return wanted, Split(validation=_VALIDATION_POINTS, test=self.budget.test_points)

    def arena(self, available: int | None = None) -> tuple[int, Split]:
        """How many points a statistical check wants, and their split; the cell's own where fewer are `available`."""
        cell, budget = self.cell, self.budget
        train_points = cell.sequence_length + cell.horizon + _TRAIN_WINDOWS
        wanted = train_points + _VALIDATION_POINTS + budget.test_points
        if available is not None and available < wanted:
            return available, cell.split
        return wanted, Split(validation=_VALIDATION_POINTS, test=budget.test_points)
