"""Run the whole cell again with another test part: what is stored of everything before it must stay the same.

The other checks take a cell apart and look at its windows, scaler, training and predictions. This one holds the path
around them, from the source to the rows: the loader, `run_cell`, and the last step before storing.

- **Loader**: rows of the file, or draws of the formula, are replaced from a point t on, for several t. What it loads of
  the points before t must not move. It does where a gap is filled with the help of later values, where a filter is
  centred, and where a channel holds the target.
- **Run**: `run_cell` runs on the data as they are and on twins that differ in the test part alone. Chosen
  hyperparameters, trials, epochs, validation errors and learning curves must be equal, and so must every stored
  prediction that is made before the twin differs.

The better of two fits on the test part may well be the same one on another test part. So twins differ in kind. Where
the truth is far above all predictions, the fit that predicts more is better, and where it is far below, the other one.
Of a series, the truth is the next input: there the fit that goes along with its inputs may win both times, and one that
does not wins on a test part that goes up and down, or stays at the mean.

All comparisons are exact, as those of `causality`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.canary.base import Canary, CheckOutcome, CheckVerdict, Move, distance, judged
from bench.canary.pieces import Pieces, changed_from, spread_of, with_other_inputs, with_other_targets
from bench.canary.sources import Load, Replaced
from bench.data import dataset_kinds
from bench.data.base import DatasetKind, Sequences, Series
from bench.data.stand_ins import CannotReplace
from bench.errors import CellError, one_line
from bench.protocol.windows import Parts
from bench.registry import added, lookup
from bench.running.cell import run_cell
from bench.store.schema import Rows, Status

_GAPS = 8
"""So many ends of gaps are looked at, spread over the series."""

_SEQUENCES = 2000
"""Of more sequences than this, so many are run."""

_CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "runs": {
        "hyperparameters": ("hyperparameters",),
        "epochs": ("epochs", "best_epoch"),
        "validation errors": ("validation_mse_scaled",),
    },
    "trials": {"trials": ("state", "parameters", "epochs", "validation_mse_scaled")},
    "curves": {"learning curves": ("seed", "epoch", "train_loss", "validation_mse_scaled")},
}
"""Table → what of it the test part must not change, and its columns."""


SEVERAL = (
    "several series have no point from which on all is another: the test part of one comes before the train part of "
    "the next; causality and scaler look at their parts, and with fit: local this looks at each"
)


class Twin(NamedTuple):
    """The cell's data with another test part.

    Parameters
    ----------
    cause
        What differs, in words.
    load
        Gives it, as `DatasetKind.load`.
    first
        The first point, or sequence, that differs.
    step
        Of sequences: the last step that does not.
    """

    cause: str
    load: Load
    first: int
    step: float = np.inf


def check_end_to_end(pieces: Pieces) -> CheckOutcome:
    """Load over other sources, run the cell on its twins, and compare all that must not depend on what differs."""
    if isinstance(pieces.source, Series) and pieces.source.several:
        return CheckOutcome(CheckVerdict.DOES_NOT_APPLY, SEVERAL)
    path = _Path(pieces)
    where = "of what is loaded and stored"
    return judged([*path.loads(), *path.runs()], where=where, besides=path.limits)


@dataclass(frozen=True, eq=False)
class _Path:
    """The path of one cell, from its source to its rows."""

    pieces: Pieces

    @cached_property
    def kind(self) -> DatasetKind:
        """Of the dataset."""
        return lookup(dataset_kinds(), self.pieces.cell.dataset.kind, "dataset")

    @cached_property
    def source(self) -> Series | Sequences:
        """What the cell is run on."""
        return _thinned(self.pieces.source)

    @cached_property
    def cut(self) -> Parts:
        """Its parts."""
        return self.pieces.prepare(self.source).cut

    @cached_property
    def replaced(self) -> Replaced:
        """The dataset over other sources."""
        parameters = self.pieces.cell.dataset.parsed(self.kind.parameters)
        return Replaced(self.kind, parameters, self.pieces.cell.seed)

    @cached_property
    def limits(self) -> str:
        """Why other sources were not loaded; empty where they were."""
        try:
            self._try_source()
        except CannotReplace as reason:
            return f"; the loader was not checked: {reason}"
        return ""

    def _try_source(self) -> None:
        """Whether another source gives other data, and the same one the same.

        Raises
        ------
        CannotReplace
            It does not.
        """
        whole = self.pieces.source
        if self._delay < 0:
            raise CannotReplace("it gives more points than its file has rows")
        if _distance(whole, self._loaded(len(whole) + self._delay), len(whole)) > 0:
            raise CannotReplace("the data of this check are not what it loads")
        if _distance(whole, self._loaded(self.pieces.prepare(whole).cut.test.start + self._delay), len(whole)) == 0:
            raise CannotReplace("neither rows of a file nor random numbers decide its test part")

    @cached_property
    def _delay(self) -> int:
        """How many rows later than its number the row of a point may lie: as many as the loader leaves out."""
        table = self.replaced.table
        return 0 if table is None else len(table.fields) - len(self.pieces.source)

    def _loaded(self, first: int) -> Series | Sequences:
        try:
            return self.replaced.load(first)(self.replaced.parameters, self.pieces.cell.seed)
        except CannotReplace:
            raise
        except Exception as error:  # whatever a plug-in raises
            raise CannotReplace(f"it refuses other values: {one_line(error)}") from error

    def loads(self) -> Iterator[Move]:
        """What is loaded of the points before t, when the source is another from there on."""
        if self.limits:
            return
        for t in self.times():
            size = _distance(self.pieces.source, self._loaded(t + self._delay), t)
            yield Move("what is loaded before it", f"another source from point {t} on", size)

    def times(self) -> list[int]:
        """Both boundaries, the middle of the train and of the test part, the last point, and the ends of gaps."""
        cut = self.pieces.prepare(self.pieces.source).cut
        middles = cut.train_end // 2, (cut.validation_end + cut.n) // 2
        table = self.replaced.table
        gaps = [] if table is None else table.after_gaps(self.replaced.columns)
        chosen = gaps[:: 1 + len(gaps) // _GAPS]
        times = {cut.train_end, cut.validation_end, *middles, cut.n - 1, *(row - self._delay for row in chosen)}
        return sorted(t for t in times if 0 < t < cut.n)

    def runs(self) -> Iterator[Move]:
        """What is stored of the cell, next to what is stored of its twins."""
        before = self._run(self._own)
        for row in before["runs"].select(["status", "reason"]).to_pylist():
            if row["status"] != Status.OK:
                raise CellError(row["reason"])
        for twin in self.twins():
            after = self._run(twin.load)
            yield from _moves(before, after, twin.cause)
            yield Move("stored predictions", twin.cause, _predictions(before, after, self._made_before(before, twin)))

    def _run(self, load: Load) -> Rows:
        kind = dataclasses.replace(self.kind, load=lambda parameters, seed: _thinned(load(parameters, seed)))
        with added({"bench.datasets": {self.pieces.cell.dataset.kind: kind}}):
            return run_cell(self.pieces.whole)

    def _own(self, parameters: Any, seed: int) -> Series | Sequences:
        """The data as they are; other replicates may have other data."""
        return self.pieces.source if seed == self.pieces.cell.seed else self.kind.load(parameters, seed)

    def twins(self) -> Iterator[Twin]:
        """Another test part from its source on, and from its middle on; and such as favour one kind of fit."""
        start, middle = self.cut.test.start, (self.cut.test.start + self.cut.test.stop) // 2
        for first in sorted({start, middle}):
            yield Twin(f"another source from {self._point} {first} on", self._from_source(first), first)
        if isinstance(self.source, Series):
            yield Twin("a test part that stays high", self._changed(partial(_raised, by=2), start), start)
            yield Twin("a test part that stays low", self._changed(partial(_raised, by=-2), start), start)
            yield Twin("a test part that goes up and down", self._changed(_alternating, start), start)
            yield Twin("a test part that stays at the mean", self._changed(partial(_alternating, by=0), start), start)
        else:
            for side in (0, 1):
                yield Twin("other test targets", self._changed(partial(_one_sided, side=side), start), len(self.source))
            yield from self._late_steps(self.source)

    def _late_steps(self, source: Sequences) -> Iterator[Twin]:
        """Other steps in the second half of each test sequence, where no step is predicted from later ones."""
        step = source.inputs.shape[1] // 2
        if source.task == "denoise" and not self.pieces.cell.model.parameters.get("bidirectional"):
            rows = self.cut.test

            def change(given: Sequences, _first: int, seed: int) -> Sequences:
                return with_other_inputs(given, rows, seed, after=step)

            yield Twin(f"other steps after step {step}", self._changed(change, 0), len(source), step)

    @property
    def _point(self) -> str:
        return "point" if isinstance(self.source, Series) else "sequence"

    def _from_source(self, first: int) -> Load:
        """Data whose source is another; where it cannot be, whose values are others."""
        if not self.limits and len(self.source) == len(self.pieces.source):
            return self.replaced.load(first + self._delay)
        return self._changed(_others, first)

    def _changed(self, change: Any, first: int) -> Load:
        def load(parameters: Any, data_seed: int) -> Series | Sequences:
            before = _thinned(self._own(parameters, data_seed))
            after: Series | Sequences = change(before, first, self.pieces.cell.seed)
            if isinstance(before, Series) and isinstance(after, Series):
                return self.pieces.kept_positive(before, after)
            return after

        return load

    def _made_before(self, rows: Rows, twin: Twin) -> NDArray[np.bool_]:
        """``[rows]``: which stored predictions were made before the twin differs."""
        stored = rows["predictions"]
        index, step = (stored[name].to_numpy() for name in ("index", "step"))
        if isinstance(self.source, Sequences):
            return np.asarray((index < twin.first) & (step <= twin.step))
        shown = index - (1 if _is_teacher_forced(stored, self.source) else step)
        return np.asarray(shown < twin.first)


def _thinned(source: Series | Sequences) -> Series | Sequences:
    """At most `_SEQUENCES` of independent sequences, in their order, with their share of a test part."""
    if not isinstance(source, Sequences) or len(source) <= _SEQUENCES:
        return source
    kept = np.linspace(0, len(source) - 1, _SEQUENCES).round().astype(np.int64)
    test = None if source.test is None else int(np.count_nonzero(kept >= len(source) - source.test))
    inputs, targets = source.inputs[kept], source.targets[kept]
    return dataclasses.replace(source, inputs=inputs, targets=targets, best=None, test=test)


def _others(source: Series | Sequences, first: int, seed: int) -> Series | Sequences:
    """Every value from `first` on is another."""
    if isinstance(source, Series):
        return changed_from(source, first, seed)
    rows = slice(first, None)
    return with_other_targets(with_other_inputs(source, rows, seed), rows, seed)


def _one_sided(source: Sequences, first: int, _seed: int, *, side: int) -> Sequences:
    """The targets from sequence `first` on all of the first or the last class, or all twice their range off."""
    targets = source.targets.copy()
    if source.task == "classify":
        targets[first:] = np.eye(targets.shape[-1], dtype=np.float32)[-side]
    else:
        targets[first:] += (2 - 4 * side) * max(np.float32(np.ptp(targets)), np.float32(1))
    return dataclasses.replace(source, targets=targets, best=None)


def _raised(series: Series, first: int, _seed: int, *, by: float) -> Series:
    """Higher by so many times its range from `first` on."""
    values = series.values.copy()
    values[first:] += by * spread_of(series.values)
    return dataclasses.replace(series, values=values, best=None)


def _alternating(series: Series, first: int, _seed: int, *, by: float = 1) -> Series:
    """The mean before `first`, plus and minus so many times its range in turn, from there on."""
    values = series.values.copy()
    turns = np.where(np.arange(len(values) - first) % 2, 1.0, -1.0)[:, None]
    values[first:] = values[:first].mean(axis=0) + by * turns * spread_of(series.values)
    return dataclasses.replace(series, values=values, best=None)


def _distance(before: Series | Sequences, after: Series | Sequences, count: int) -> float:
    """The `distance` of the first `count` points, or sequences."""
    if isinstance(before, Series) and isinstance(after, Series):
        parts = ("values", "covariates", "known_future")
        pairs = [(one, getattr(after, part)) for part in parts if (one := getattr(before, part)) is not None]
        return max(distance(one[:count], np.inf if other is None else other[:count]) for one, other in pairs)
    if isinstance(before, Sequences) and isinstance(after, Sequences):
        return max(distance(getattr(before, of)[:count], getattr(after, of)[:count]) for of in ("inputs", "targets"))
    return np.inf


def _moves(before: Rows, after: Rows, cause: str) -> Iterator[Move]:
    """What the test part must not change, in all tables but the predictions.

    Raises
    ------
    CellError
        A replicate of the twin was not trained to its end.
    """
    lost = after["runs"].filter(pc.is_null(after["runs"]["best_epoch"]))
    if lost.num_rows:
        raise CellError(f"{cause}: {lost['reason'][0].as_py()}")
    for table, choices in _CHOICES.items():
        for what, columns in choices.items():
            if before[table].num_rows or after[table].num_rows:
                yield Move(what, cause, max(_between(before[table][name], after[table][name]) for name in columns))


def _between(before: pa.ChunkedArray, after: pa.ChunkedArray) -> float:
    """The `distance` of two columns; of text, infinite where it differs."""
    if pa.types.is_string(before.type):
        return 0.0 if before.to_pylist() == after.to_pylist() else np.inf
    return distance(*(column.cast(pa.float64()).to_numpy() for column in (before, after)))


def _predictions(before: Rows, after: Rows, known: NDArray[np.bool_]) -> float:
    """How far stored predictions differ where they are `known` before anything does; of replicates that have any."""
    own, other = before["predictions"], after["predictions"]
    seeds = np.intersect1d(own["seed"].to_numpy(), other["seed"].to_numpy())
    chosen = np.isin(own["seed"].to_numpy(), seeds)
    values = own["prediction"].to_numpy()[chosen]
    others = other["prediction"].to_numpy()
    if len(values) != len(others):
        return np.inf
    return distance(values[known[chosen]], others[known[chosen]])


def _is_teacher_forced(stored: pa.Table, series: Series) -> bool:
    """Whether the stored persistence repeats the value right before each target, however far ahead it lies."""
    index, channel = stored["index"].to_numpy(), stored["channel"].to_numpy()
    return bool((stored["persistence"].to_numpy() == series.values[index - 1, channel]).all())


END_TO_END = Canary(
    "end-to-end", "another test part at the source: what is stored of all before it must not move", check_end_to_end
)
