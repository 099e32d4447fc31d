"""The results of a comparison: plain frozen values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.cells import CellKey
from bench.stats.ratios import Estimate
from bench.text import runs_of


class ChangeVerdict(StrEnum):
    """What became of one metric, of one cell, or of everything.

    `REGRESSED` and `IMPROVED` where the effect is above the threshold and significant; `EQUIVALENT` where it is shown
    to lie within the threshold; `UNDECIDED` where neither is shown; `LEAK` where an improvement is larger than an
    honest change can make it (`bench.comparing.too_good`).
    """

    REGRESSED = "regressed"
    LEAK = "suspected leak"
    NOT_COMPARABLE = "not comparable"
    UNDECIDED = "undecided"
    IMPROVED = "improved"
    EQUIVALENT = "equivalent"


WORST_FIRST = tuple(ChangeVerdict)
"""A cell is judged by the worst of its metrics: the first of these."""


def worst(verdicts: Collection[ChangeVerdict]) -> ChangeVerdict:
    """The worst of `verdicts`; of nothing, nothing can be said."""
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), ChangeVerdict.NOT_COMPARABLE)


ALARMS = frozenset({ChangeVerdict.REGRESSED, ChangeVerdict.LEAK})
"""The verdicts on a cell for which a gate closes."""

TOO_GOOD = "too good: look for a leak"
"""What the gate says of a suspected leak."""


@dataclass(frozen=True)
class ResultSide:
    """One cell in one of the two result sets.

    Parameters
    ----------
    finished, replicates
        How many replicates are ok, out of how many.
    reason
        Why the first of the others is not; empty where all are.
    fit_s, predict_s
        Medians over replicates.
    machine
        Where it was timed; several are listed.
    data_sha256
        What it was run on; several are listed, empty where it is not known.
    test_points, persistence_mse
        What it was tested on: how many targets, and the error of persistence there, in original units squared;
        empty where they are not known.
    noise_floor_mse, error_scale
        The error of the best possible forecast there, and the unit of scaled errors; `None` where they are not known.
    deterministic
        Whether one fit stands for every seed: then nothing has an interval over seeds.
    """

    cell_id: str
    finished: int
    replicates: int
    reason: str
    fit_s: float | None
    predict_s: float | None
    machine: str
    data_sha256: str
    test_points: tuple[int, ...]
    persistence_mse: tuple[float, ...]
    noise_floor_mse: float | None
    error_scale: float | None
    deterministic: bool

    @property
    def whole(self) -> bool:
        """Whether every replicate is ok."""
        return self.finished == self.replicates


@dataclass(frozen=True)
class MetricChange:
    """What became of one metric of one cell.

    Parameters
    ----------
    threshold
        The smallest effect that counts.
    pairs
        Replicates that have a finite value in both.
    relative
        Whether `effect` is new / old − 1, the geometric mean over the paired replicates; else it is new − old.
    old, new
        Means over the paired replicates, with 95 % intervals over seeds.
    effect
        With its interval at the level 1 − alpha, not corrected for the number of cells; none for a deterministic cell.
    p_value
        That there is no effect, corrected by Holm's method over the comparison; `None` where nothing was tested.
    further
        About how many more replicates would decide it; `None` unless undecided, or where it is inconclusive.
    doubt
        Why an improvement is too good to be honest; empty where it is not.
    """

    metric: str
    threshold: float
    pairs: int
    relative: bool
    old: Estimate
    new: Estimate
    effect: Estimate
    p_value: float | None
    further: int | None
    verdict: ChangeVerdict
    doubt: str = ""


@dataclass(frozen=True)
class CellChange:
    """One cell that both result sets have.

    Parameters
    ----------
    paired
        Replicates that are ok in both.
    metrics
        What became of each metric that is looked at; none where the two do not compare.
    verdict
        The worst of the metrics'.
    fit_ratio, predict_ratio
        New time over old; `None` where the machines differ. Two sessions are no test of speed.
    failing, vanished
        The seeds of replicates that were ok and no longer are, and of those that the new result set has not.
    notes
        What keeps the two from being compared, or must be known with it.
    other_settings
        The kinds of settings, in words, that are not the same in both.
    """

    key: CellKey
    old: ResultSide
    new: ResultSide
    paired: int
    metrics: tuple[MetricChange, ...]
    verdict: ChangeVerdict
    fit_ratio: float | None
    predict_ratio: float | None
    failing: tuple[int, ...] = ()
    vanished: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    other_settings: tuple[str, ...] = ()

    def losses(self) -> list[str]:
        """What became of the replicates that are not compared and should be."""
        reported = []
        if self.vanished:
            reported.append(f"{_seeds(self.vanished)} vanished")
        if self.failing and not self.new.finished:
            reported.append("no longer finishes")
        elif self.failing:
            reported.append(f"{_seeds(self.failing)} no longer ok")
        return reported

    def alarms(self) -> list[str]:
        """Why a gate closes for this cell; empty where it does not."""
        said = TOO_GOOD if self.verdict is ChangeVerdict.LEAK else str(self.verdict)
        return [*self.losses(), *([said] if self.verdict in ALARMS else [])]


@dataclass(frozen=True)
class Comparison:
    """Everything that changed from the old result set to the new one.

    Parameters
    ----------
    suite
        What both are results of.
    gate_file
        The suite file that says what counts as a change; empty where it was not looked up.
    alpha
        The chance of a false alarm that the verdicts keep to, over the whole comparison.
    thresholds
        For each metric that was looked at, the smallest change that counts.
    cells
        Those that both have.
    appeared, vanished
        Those that only the new, only the old result set has.
    failed, thinned
        Those of which replicates were ok and no longer are, and of which replicates vanished.
    fixed
        Those whose replicates all are ok, and were not.
    changed_data
        Those that were run on different data, or tested on different targets: their errors do not compare.
    old_machines, new_machines
        Where they were timed, each in one line.
    old_commits, new_commits
        Of the code that gave them; empty where they are not known.
    unreadable
        Parts that cost their cells: why they cannot be read, and what to do.
    cautions
        What else must be known with it.
    """

    suite: str
    gate_file: str
    alpha: float
    thresholds: Mapping[str, float]
    cells: tuple[CellChange, ...]
    appeared: tuple[CellKey, ...]
    vanished: tuple[CellKey, ...]
    failed: tuple[CellKey, ...]
    thinned: tuple[CellKey, ...]
    fixed: tuple[CellKey, ...]
    changed_data: tuple[CellKey, ...]
    old_machines: tuple[str, ...]
    new_machines: tuple[str, ...]
    old_commits: tuple[str, ...]
    new_commits: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def verdict(self) -> ChangeVerdict:
        """On everything: a regression also where cells vanished or fail; not comparable where some cells are not."""
        if alarms := self.alarms():
            return ChangeVerdict.LEAK if set(alarms.values()) == {TOO_GOOD} else ChangeVerdict.REGRESSED
        verdicts = {cell.verdict for cell in self.cells if not self._is_excused(cell)}
        return worst(verdicts | ({ChangeVerdict.NOT_COMPARABLE} if self.unreadable else set()))

    @property
    def all_cautions(self) -> tuple[str, ...]:
        """The cautions, those on what cannot be read first."""
        return (*self.unreadable, *self.cautions)

    @property
    def same_machines(self) -> bool:
        """Whether no two times come from different machines."""
        return len({*self.old_machines, *self.new_machines}) <= 1

    def alarms(self) -> dict[CellKey, str]:
        """Why a gate closes: each cell that got worse, with what became of it."""
        alarms = {cell.key: "; ".join(reported) for cell in self.cells if (reported := cell.alarms())}
        return dict.fromkeys(self.vanished, "vanished") | alarms

    def incomparable(self) -> tuple[CellChange, ...]:
        """The cells that should be compared and cannot be."""
        return tuple(cell for cell in self.having(ChangeVerdict.NOT_COMPARABLE) if not self._is_excused(cell))

    def having(self, *verdicts: ChangeVerdict) -> tuple[CellChange, ...]:
        """The cells with one of `verdicts`."""
        return tuple(cell for cell in self.cells if cell.verdict in verdicts)

    def _is_excused(self, cell: CellChange) -> bool:
        """Whether it has no pair solely because no replicate finished before: nothing there can have got worse."""
        return cell.key in self.fixed and not cell.old.finished and cell.key not in self.changed_data


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {runs_of(seeds)}"
