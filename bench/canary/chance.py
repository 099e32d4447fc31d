"""Forecast what cannot be forecast: a model that is right more often than chance has seen the targets.

`gbm` replaces the data by geometric Brownian motion, on which no forecast beats drift-adjusted persistence. `permuted`
puts the points of the series in random order, so that targets are independent of their inputs.

Each target is a coin flip: given everything before it, it is above or below its conditional median with probability
1/2. A forecast that rises claims "above". Without a leak the claims are made before the coin flips, so the number of
hits is binomial with probability 1/2, exactly, whatever the model and however its claims depend on each other. A test
on squared errors would need a normal approximation instead, which does not hold for forecasts of a random walk from its
own past. It would also miss a model that knows a little of the future and is poor otherwise.

For independent sequences, `permuted` gives each sequence the target of a randomly sampled one, with replacement. The
targets of the test part are then independent of everything that the model has seen, and each prediction is right with a
known probability. For classes, this is at most the share of the most frequent class. For values, the coin is whether
the target is in the upper half of all targets, and the prediction claims so if it is above the median prediction. In
both cases hits are at most binomial, exactly.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bench.array_types import FloatArray, FloatArray32
from bench.canary.base import Canary, CheckOutcome, CheckVerdict
from bench.canary.pieces import Pieces, windows_of
from bench.data.base import Sequences, Series
from bench.data.formulas import Gbm, load_gbm
from bench.errors import CellError
from bench.protocol import metrics
from bench.protocol.scoring import SeriesScorer
from bench.seeds import generator
from bench.spec import Split

LATE = 3
"""Points before each target to which a claim is relative."""

ALPHA = 1e-4
"""How often, at most, an honest cell makes such a canary raise an alarm."""


@dataclass(frozen=True, eq=False)
class Fair:
    """A series with a known best forecast, and its coins ``[N, C]``."""

    series: Series
    coins: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ChanceRound:
    """What came of one round: how often each kind of claim was right ``[claims]``, of how many targets; the errors."""

    hits: NDArray[np.int64]
    targets: int
    mse: float
    best_mse: float


def play(pieces: Pieces, draw: Callable[[np.random.Generator], Fair], split: Split) -> CheckOutcome:
    """Let the cell's model forecast fair series.

    Parameters
    ----------
    pieces
        The cell; its own data is not used.
    draw
        Gives a fair series, fresh for every generator.
    split
        Of that series.
    """
    numbers = range(pieces.budget.rounds)
    return judged([_round(pieces.round(number, split), draw) for number in numbers])


def _round(pieces: Pieces, draw: Callable[[np.random.Generator], Fair]) -> ChanceRound:
    fair = draw(generator(pieces.cell.seed, "canary", "fair"))
    prepared = pieces.prepare(fair.series)
    trained = pieces.train(prepared)
    scaled = trained.predict(prepared.test)[0]
    prediction = prepared.original(scaled, teacher_forced=trained.teacher_forced)  # [points, D]
    if not np.isfinite(prediction).all():
        raise CellError("a prediction is not finite; lower learning_rate")
    reference = SeriesScorer(fair.series, prepared.cut, windows_of(prepared)["test"], trained.teacher_forced)
    best = reference.best
    if best is None:
        raise ValueError("expected a series whose best forecast is known")
    coins = np.tile(fair.coins[prepared.cut.test], 2)  # [points, 2 C]
    hits = np.count_nonzero(claims(prediction, best) == coins, axis=0)
    mse = metrics.mse(reference.truth, prediction), metrics.mse(reference.truth, best)
    return ChanceRound(np.asarray(hits), len(prediction), *mse)


def claims(prediction: FloatArray, best: FloatArray) -> NDArray[np.bool_]:
    """``[points, 2 C]``: two ways to read "above" out of a forecast, both fixed before the coin falls.

    The forecast exceeds the best one by more than it did of late, which shows a little knowledge in a model that is
    otherwise right; or it exceeds what it was itself of late, which shows it in one that trained too little to know
    the level of the series.
    """
    read = np.concatenate([prediction - best, prediction], axis=1)
    before = np.vstack([np.repeat(read[:1], LATE, axis=0), read])  # [LATE + points, 2 C]
    of_late = np.mean([before[back : back + len(read)] for back in range(LATE)], axis=0)
    return np.asarray(read > of_late)


def judged(rounds: list[ChanceRound], *, chance: float = 0.5) -> CheckOutcome:
    """Whether some kind of claim was right more often than chance allows; each counts as a test (Bonferroni).

    `chance` is the highest there is of being right about a target; the hits of an honest model are then no more than
    binomial.
    """
    targets = sum(each.targets for each in rounds)
    hits = np.sum([each.hits for each in rounds], axis=0)  # [claims]
    if len(hits) * chance**targets > ALPHA:
        return CheckOutcome(
            CheckVerdict.DOES_NOT_APPLY, f"{targets} test targets are too few to tell anything from chance"
        )
    p = float(min(1.0, len(hits) * binom.sf(hits - 1, targets, chance).min()))
    best, mse = (float(np.mean([getattr(each, name) for each in rounds])) for name in ("best_mse", "mse"))
    skill = f", skill {1 - mse / best:+.3f} against the best answer" if best > 0 else ""
    chances = "even chances" if chance == 0.5 else f"chances of {chance:.1%} at most"
    words = f"right about {hits.max()} of {targets} {chances} (p = {p:.2g}){skill}"
    return CheckOutcome(CheckVerdict.ALARM if p <= ALPHA else CheckVerdict.QUIET, words, p, false_alarm_rate=ALPHA)


def check_randomised_targets(pieces: Pieces) -> CheckOutcome:
    """Train on targets at random and answer about targets at random, several times."""
    targets = pieces.sequences.targets
    if not np.ptp(targets, axis=0).any():
        return CheckOutcome(CheckVerdict.DOES_NOT_APPLY, "all targets are the same, in whatever order")
    chance = 0.5
    if pieces.sequences.task == "classify":
        chance = float(targets.mean(axis=(0, 1), dtype=np.float64).max())
    return judged([_randomised_round(pieces, number) for number in range(pieces.budget.rounds)], chance=chance)


def _randomised_round(pieces: Pieces, number: int) -> ChanceRound:
    sequences = pieces.sequences
    count, split = pieces.few(len(sequences))
    pieces = pieces.round(number, split)
    random = generator(pieces.cell.seed, "canary", "drawn")
    at_random, rows = sampled(sequences, count, random)
    prepared = pieces.prepare(at_random)
    trained = pieces.train(prepared)
    prediction = prepared.original(trained.predict(prepared.test)[0])  # [points, D]
    if not np.isfinite(prediction).all():
        raise CellError("a prediction is not finite; lower learning_rate")
    truth = at_random.targets[prepared.cut.test].reshape(prediction.shape)
    answers = prediction.reshape(-1, *sequences.targets.shape[1:])  # [N, U, D]
    if sequences.task == "classify":
        hits = np.array([np.count_nonzero(answers[:, 0].argmax(-1) == truth.argmax(-1))])
    else:
        hits = _hits(answers, sequences.targets, rows[prepared.cut.test], random)
    best = np.tile(sequences.targets.mean(axis=0, dtype=np.float64), (len(answers), 1))
    return ChanceRound(hits, len(answers), metrics.mse(truth, prediction), metrics.mse(truth, best))


def sampled(sequences: Sequences, count: int, random: np.random.Generator) -> tuple[Sequences, NDArray[np.int64]]:
    """`count` of the `sequences`, each once, and the rows ``[count]`` of all of them that their targets are from."""
    kept = random.permutation(len(sequences))[:count]
    rows = random.integers(len(sequences), size=count)
    test = sequences.test if count == len(sequences) else None
    inputs, targets = sequences.inputs[kept], sequences.targets[rows]
    return dataclasses.replace(sequences, inputs=inputs, targets=targets, best=None, test=test), rows


def _hits(
    answers: FloatArray, all_targets: FloatArray32, rows: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """``[D]``: how many claims about the targets of `rows` are right, one for each sequence, at a step at random."""
    steps = random.integers(answers.shape[1], size=len(answers))
    upper = coins(places(all_targets)[rows, steps], random)  # [N, D]
    claims = answers[np.arange(len(answers)), steps] > np.median(answers, axis=0)[steps]
    return np.asarray(np.count_nonzero(claims == upper, axis=0))


def places(targets: FloatArray32) -> NDArray[np.int64]:
    """``[N, U, D]``: how many targets of the step are smaller, less how many are larger; of equals, the first is."""
    order = np.argsort(targets, axis=0, kind="stable")
    place = np.empty(order.shape, np.int64)
    np.put_along_axis(place, order, np.arange(len(targets))[:, None, None], axis=0)
    return 2 * place - (len(targets) - 1)


def coins(place: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each `place` lies in the upper half; the very middle at random."""
    return np.asarray((place > 0) | ((place == 0) & (random.random(place.shape) < 0.5)))


def check_gbm(pieces: Pieces) -> CheckOutcome:
    """Train and forecast on geometric Brownian motions, several times."""
    if "forecast" not in pieces.kind.tasks:
        return CheckOutcome(CheckVerdict.DOES_NOT_APPLY, f"{pieces.cell.model.kind} cannot forecast")
    count, split = pieces.arena()
    return play(pieces, lambda random: motion(count, random), split)


def motion(count: int, random: np.random.Generator) -> Fair:
    """`count` points; a coin tells whether a step's growth exceeds its median, ``exp(μ − σ²/2)``."""
    parameters = Gbm(length=count)
    series = load_gbm(parameters, int(random.integers(2**63)))
    median = math.exp(parameters.drift - parameters.volatility**2 / 2)
    coins = np.zeros(series.values.shape, np.bool_)
    coins[1:] = series.values[1:] > series.values[:-1] * median
    return Fair(series, coins)


GBM = Canary("gbm", "geometric Brownian motion: none may beat persistence with drift", check_gbm, own_data=True)


def check_permuted(pieces: Pieces) -> CheckOutcome:
    """Train on permuted targets and forecast permuted targets, several times; of sequences, on targets at random."""
    if isinstance(pieces.source, Sequences):
        return check_randomised_targets(pieces)
    values = pieces.series.values
    if not np.ptp(values, axis=0).all():
        return CheckOutcome(CheckVerdict.DOES_NOT_APPLY, "a channel never changes, in whatever order")
    count, split = pieces.arena(available=len(values))
    return play(pieces, lambda random: permuted(pieces.series, count, random), split)


def permuted(series: Series, count: int, random: np.random.Generator) -> Fair:
    """`count` points of `series`, drawn without replacement, in random order.

    The best forecast is the mean of the points that are still to come. Past covariates stay with their points; what is
    known in advance is put in another random order, or it would be known of a point what it is.
    """
    order = random.permutation(len(series))[:count]
    values = series.values[order]

    def best(horizon: int) -> FloatArray:
        still_to_come = np.cumsum(values[::-1], axis=0)[::-1] / np.arange(count, 0, -1)[:, None]
        expected: FloatArray = np.full_like(values, np.nan)
        expected[horizon:] = still_to_come[1 : count - horizon + 1]
        return expected

    provenance = series.provenance
    past = None if series.covariates is None else series.covariates[order]
    fair = Series(values, provenance, best=best, covariates=past, names=series.names)
    if series.known_future is not None:
        known = series.known_future[random.permutation(len(series))[:count]]
        fair = dataclasses.replace(fair, known_future=known)
    return Fair(fair, np.stack([_coins(channel, random) for channel in values.T], axis=1))


def _coins(values: FloatArray, random: np.random.Generator) -> NDArray[np.bool_]:
    """``[N]``: whether each value belongs to the upper half of itself and all later ones; ties at random."""
    tie_break = random.permutation(len(values))
    rank = np.empty(len(values), np.int64)
    rank[np.lexsort((tie_break, values))] = np.arange(len(values))
    below = np.array([np.count_nonzero(rank[i:] < rank[i]) for i in range(len(rank))])  # smaller ones to come
    middle = np.arange(len(values) - 1, -1, -1)  # twice the place of the middle
    return np.asarray((2 * below > middle) | ((2 * below == middle) & (random.random(len(values)) < 0.5)))


PERMUTED = Canary("permuted", "the points in random order: skill must vanish", check_permuted)
