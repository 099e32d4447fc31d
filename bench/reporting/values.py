"""The values that templates and figures use: plain and frozen, without tables or statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.reporting.by_series import LocalFits, SeriesErrors
from bench.reporting.by_step import StepErrors
from bench.reporting.costs import ProbedCell
from bench.reporting.forecasts import CellForecasts, Losses
from bench.reporting.recovery import Recovery
from bench.reporting.trained import Curves, TuningSummary
from bench.stats.claims import ClaimOutcome
from bench.stats.delay import Delay
from bench.stats.ratios import Estimate
from bench.stats.verdicts import TestedClaim, Verdict
from bench.store.membership import KeptCell
from bench.tasks import Words, together, words_of

Bounds = tuple[float, float]
"""The low and the high end of a 95 % interval."""


@dataclass(frozen=True, eq=False)
class Trace:
    """The test part: truth, persistence and one model's predictions, in `unit`.

    Parameters
    ----------
    time
        ``[T]``: datetime64, or positions in the series.
    truth, persistence
        ``[T]``.
    median, low, high
        ``[T]``: over replicates; low and high are the extremes.
    delay
        Of the median behind the truth; `None` for forecasts of several steps, and where the median does not move.
    seed
        The one replicate that is shown, where each has data of its own; else `None`.
    """

    model: str
    sequence_length: int
    time: NDArray[Any]
    truth: FloatArray
    persistence: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray
    delay: Delay | None
    seed: int | None = None
    unit: str = "original units"

    @property
    def late_steps(self) -> int:
        """How many points the median comes late; 0 where it is not shown to."""
        return self.delay.steps if self.delay and self.delay.late else 0

    @property
    def alone(self) -> str:
        """What the title of the picture adds where one replicate is shown; else nothing."""
        return "" if self.seed is None else f", seed {self.seed} alone: each seed has data of its own"


@dataclass(frozen=True)
class Rank:
    """One model's place.

    Parameters
    ----------
    average
        Of its ranks by error, 1 for the smallest; `None` where no section was finished by every ranked model.
    smallest_error, with_skill, tested
        Sections where it has the smallest error, where it beats persistence, and where that could be tested.
    fit_s
        Median over sections.
    """

    model: str
    average: float | None
    smallest_error: int
    with_skill: int
    tested: int
    fit_s: float | None


@dataclass(frozen=True)
class Ranking:
    """The models in order, the best first.

    Parameters
    ----------
    sections
        How many datasets the ranks were taken over.
    groups
        Models that are not separated from each other over the sections, by Wilcoxon's tests with Holm's correction.
    friedman_p
        Of the test that all models have equal errors; `None` where it cannot be made.
    separable
        Whether so many sections could separate two of so many models at all.
    over
        The same in words.
    note
        What was left out, and why.
    """

    ranks: tuple[Rank, ...]
    sections: int
    over: str
    note: str
    groups: tuple[tuple[str, ...], ...] = ()
    friedman_p: float | None = None
    separable: bool = False


@dataclass(frozen=True)
class Standing:
    """One model over all datasets.

    Parameters
    ----------
    error
        As a share of that of persistence: the interquartile mean over datasets and seeds, with its interval over seeds.
    fit_s
        Of one seed, the geometric mean over datasets; `None` where it was not measured on all of them.
    probed
        Whether that is the probe's time, apart from any other work; else it is the run's, next to other cells.
    on_front
        Every other model with an error as small takes longer to fit.
    """

    model: str
    error: Estimate
    fit_s: float | None
    probed: bool
    on_front: bool
    seeds: int


@dataclass(frozen=True)
class Answer:
    """A reader's question, and what the results say to it."""

    question: str
    sentences: tuple[str, ...]


class State(StrEnum):
    """How much of a cell there is."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class Cost:
    """What one cell took. Seconds are medians over replicates; `None` where they were not measured on one machine."""

    fit_s: float | None = None
    predict_s: float | None = None
    tuning_s: float | None = None
    peak_memory_bytes: int | None = None
    parameters: int | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class CellSummary:
    """One dataset × model × sequence length × horizon.

    Parameters
    ----------
    finished, replicates
        How many replicates are ok, out of how many that were requested.
    note
        Why something is missing; empty where nothing is.
    deterministic
        One fit stands for every seed.
    chosen
        The model's sequence length that is best on validation.
    rmse
        Original units; the square root of the mean squared error over all targets and replicates.
    skill, learnable_fraction
        Means over replicates, with their intervals over seeds.
    skill_in_window
        The interval of the skill over the test window.
    words
        The verdict with what qualifies it, such as the correction for the family.
    beats_persistence
        Whether its error is shown to be smaller than that of persistence, or larger: not measured where that was not
        tested, or a leak is suspected of what is not shown to be larger.
    why, why_not_best
        The tests against persistence, and against the best model on the same data, in sentences.
    words_next_to_best
        The comparison with the best model in the words of `words`; empty where there is none.
    against_persistence, against_best
        The same in numbers; `None` where no such claim is made.
    """

    cell_id: str | None
    dataset: str
    model: str
    sequence_length: int
    horizon: int
    state: State
    finished: int
    replicates: int
    note: str = ""
    deterministic: bool = False
    chosen: bool = False
    rmse: Estimate | None = None
    rmse_by_seed: tuple[float, ...] = ()
    rmse_scaled: float | None = None
    mae: float | None = None
    mase: float | None = None
    seasonal_skill: float | None = None
    skill: Estimate | None = None
    skill_in_window: Bounds | None = None
    learnable_fraction: Estimate | None = None
    directional_accuracy: float | None = None
    accuracy: float | None = None
    log_loss: float | None = None
    validation_mse_scaled: float | None = None
    verdict: Verdict = Verdict.UNFINISHED
    words: str = ""
    beats_persistence: ClaimOutcome = ClaimOutcome.NOT_MEASURED
    why: str = ""
    why_not_best: str = ""
    words_next_to_best: str = ""
    against_persistence: TestedClaim | None = None
    against_best: TestedClaim | None = None
    cost: Cost = Cost()
    hyperparameters: tuple[tuple[str, str], ...] = ()

    @property
    def tested(self) -> bool:
        """Whether something is said of its skill: it was compared with persistence, and no leak is suspected."""
        return self.beats_persistence.measured and self.verdict is not Verdict.LEAK


@dataclass(frozen=True)
class ModelPair:
    """The verdict on two models on the same data.

    Parameters
    ----------
    one, other
        The ids of their cells.
    words, claim
        The comparison of `one` with `other`, in words and in numbers.
    won
        1 where `one` is shown to have the smaller error, -1 where `other` is, else 0.
    chosen
        Both are at the sequence lengths chosen on validation; else both are at one length.
    """

    one: str
    other: str
    words: str
    claim: TestedClaim
    won: int
    chosen: bool


@dataclass(frozen=True, eq=False)
class Section:
    """One dataset at one horizon.

    Parameters
    ----------
    persistence_rmse, noise_floor_rmse
        Original units; `None` where unknown.
    season, seasonal_rmse
        Points in one, and the RMSE of the value one season ago; `None` without a season.
    linear_floor_rmse
        Of the best linear forecast at each sequence length where it is known, original units.
    cells
        Every model × sequence length, those without a row among them.
    best
        The chosen cell with the smallest error.
    rivals, untested
        The models that were tested against the best one and whose error is not shown to be larger; those that were not.
    apart
        Of those tested the ones that err many times as much, on test targets that do not decide; they are no `rivals`.
    same_data
        Whether all cells saw the same values. Where not, no claim is made: there is no best cell.
    still
        Whether the test part never moves, or persistence makes no error in it: it decides nothing.
    statement, best_set
        The finding in words; and among which models the best one is, empty where the test targets do not tell.
    levels
        Why trained models err more than persistence, where their forecasts show it.
    task, unit
        What is the job on the data, and what these are measured in; empty where that is not known.
    by_step
        Errors of the chosen cells by how far ahead they forecast, persistence first; empty for one step ahead.
    by_series
        Errors of its cells on each of several series; empty for one series.
    recoveries
        How its cells recover from level shifts at known times; empty where there are none.
    forecasts, losses
        By cell id, of every cell whose predictions are stored.
    pairs
        The verdict on every two models, at their chosen lengths and at each length; empty where nothing is tested.
    """

    title: str
    dataset: str
    horizon: int
    source: str
    data_sha256: str
    test_points: int | None
    persistence_rmse: float | None
    noise_floor_rmse: float | None
    linear_floor_rmse: Mapping[int, float]
    cells: tuple[CellSummary, ...]
    best: CellSummary | None
    rivals: tuple[str, ...]
    untested: tuple[str, ...]
    same_data: bool
    statement: str
    curves: tuple[Curves, ...]
    tuned: tuple[TuningSummary, ...]
    trace: Trace | None
    best_set: str = ""
    levels: str = ""
    task: str = "forecast"
    still: bool = False
    by_step: tuple[StepErrors, ...] = ()
    by_series: tuple[SeriesErrors, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    season: int | None = None
    seasonal_rmse: float | None = None
    apart: tuple[str, ...] = ()
    unit: str = ""
    forecasts: Mapping[str, CellForecasts] = field(default_factory=dict)
    losses: Mapping[str, Losses] = field(default_factory=dict)
    pairs: tuple[ModelPair, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether the errors of its cells say which model is better."""
        return self.same_data and not self.still

    @property
    def words(self) -> Words:
        """How to speak of its errors."""
        return words_of(self.task, self.unit)

    def chosen(self, model: str) -> CellSummary | None:
        """The cell of `model` at the sequence length chosen on validation, if one of its cells finished."""
        return next((cell for cell in self.cells if cell.model == model and cell.chosen), None)


@dataclass(frozen=True)
class Model:
    """One model of the suite; `reference` is persistence."""

    name: str
    kind: str
    reference: bool


@dataclass(frozen=True)
class Failure:
    """Replicates that ended with one status, for one reason."""

    dataset: str
    model: str
    sequence_length: int
    horizon: int
    cell_id: str
    status: str
    replicates: int
    reason: str
    advice: str


@dataclass(frozen=True)
class RowEnvironment:
    """Where rows were made: `facts` are shown as they are."""

    cells: int
    machine: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Counts:
    """How many there are.

    Parameters
    ----------
    cells, stored
        Those that the suite requests, where it is known, or that have rows; and those that have rows.
    """

    cells: int
    stored: int
    probed: int
    finished: int
    replicates: int
    replicates_finished: int


ON_PAGE = 500
"""Cells that a page shows, at most, where it shows more than one section."""


def count_on_page(sizes: Sequence[int]) -> int:
    """How many sections of so many cells each a page shows: the first ones, at least one."""
    return max(1, sum(total <= ON_PAGE for total in accumulate(sizes)))


@dataclass(frozen=True, eq=False)
class Summary:
    """A whole result set, ready to be shown.

    Parameters
    ----------
    answers
        The findings over all sections.
    cautions
        What to keep in mind before believing a number.
    kept
        The cells that are stored and no results of the suite.
    local_fits
        The errors over several series each of which has a model of its own.
    setting
        How everything was run, where it was the same for all.
    folder
        Where they were read from, relative to the working folder.
    """

    suite: str
    answers: tuple[Answer, ...]
    models: tuple[Model, ...]
    sequence_lengths: tuple[int, ...]
    sections: tuple[Section, ...]
    ranking: Ranking
    standings: tuple[Standing, ...]
    failures: tuple[Failure, ...]
    cautions: tuple[str, ...]
    kept: tuple[KeptCell, ...]
    setting: Mapping[str, str]
    environments: tuple[RowEnvironment, ...]
    probes: tuple[ProbedCell, ...]
    counts: Counts
    commands: tuple[str, ...]
    replicates: pa.Table = field(repr=False)
    folder: str
    local_fits: tuple[LocalFits, ...] = ()

    @property
    def on_page(self) -> Summary:
        """The same of the first sections alone, as a page shows them where there are many; all else stays.

        With pictures, charts and rows of every cell it would become too large for a browser.
        """
        shown = self.sections[: count_on_page([len(section.cells) for section in self.sections])]
        if len(shown) == len(self.sections):
            return self
        ids = pa.array([cell.cell_id for section in shown for cell in section.cells], pa.string())
        caution = (
            f"Of {len(self.sections)} parts, this page has the first {len(shown)}, with their tables, pictures, charts "
            "and rows. The ranking and all verdicts are of all of them. The others are in report.md and cells.csv next "
            "to this page, and `bench show` prints their rows."
        )
        replicates = self.replicates.filter(pc.is_in(self.replicates["cell_id"], value_set=ids))
        return replace(self, sections=shown, replicates=replicates, cautions=(caution, *self.cautions))

    @property
    def words(self) -> Words:
        """How to speak of the errors of all sections."""
        return together(section.words for section in self.sections)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything that the answers say."""
        return tuple(sentence for answer in self.answers for sentence in answer.sentences)
