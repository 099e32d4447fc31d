"""Forecast what cannot be forecast: whoever is right more often than a fair coin has seen the answer.

Each target of a fair series comes with a coin: it lies above or below its median given everything before it, which
is an even chance whatever came before. A forecast that rises claims "above". An honest model's claims are made before
the coins fall, so its hits are binomial with chance 1/2, exactly, whatever the model and however its claims depend
on each other. A test on squared errors would lean on a normal approximation instead, which does not hold for
forecasts of a random walk from its own past; and it would miss a model that knows a little of the future and is
poor otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bench.canary.base import Outcome, Verdict
from bench.canary.pieces import Pieces, windows_of
from bench.data.base import FloatArray, Series
from bench.errors import CellError
from bench.running.reference import Reference
from bench.seeds import generator
from bench.suite.spec import Split
from bench.training import metrics

LATE = 3
"""Points before each target to which a claim is relative."""

ALPHA = 1e-4
"""How often, at most, an honest cell makes such a canary sing."""


@dataclass(frozen=True, eq=False)
class Fair:
    """A series with a known best forecast, and its coins ``[N, C]``."""

    series: Series
    coins: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Round:
    """What came of one round: how often each kind of claim was right ``[claims]``, of how many targets; the errors."""

    hits: NDArray[np.int64]
    targets: int
    mse: float
    best_mse: float


def play(pieces: Pieces, draw: Callable[[np.random.Generator], Fair], split: Split) -> Outcome:
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


def _round(pieces: Pieces, draw: Callable[[np.random.Generator], Fair]) -> Round:
    fair = draw(generator(pieces.cell.seed, "canary", "fair"))
    prepared = pieces.prepare(fair.series)
    trained = pieces.train(prepared)
    prediction = prepared.scaler.inverse(trained.predict(prepared.test)[0])  # [points, C]
    if not np.isfinite(prediction).all():
        raise CellError("a prediction is not finite; lower learning_rate")
    reference = Reference(fair.series, prepared.cut, windows_of(prepared)["test"], trained.teacher_forced)
    best = reference.best
    if best is None:
        raise ValueError("expected a series whose best forecast is known")
    coins = np.tile(fair.coins[prepared.cut.test], 2)  # [points, 2 C]
    hits = np.count_nonzero(claims(prediction, best) == coins, axis=0)
    mse = metrics.mse(reference.truth, prediction), metrics.mse(reference.truth, best)
    return Round(np.asarray(hits), len(prediction), *mse)


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


def judged(rounds: list[Round], *, chance: float = 0.5) -> Outcome:
    """Whether some kind of claim was right more often than chance allows; each counts as a test (Bonferroni).

    `chance` is the highest there is of being right about a target; the hits of an honest model are then no more than
    binomial.
    """
    targets = sum(each.targets for each in rounds)
    hits = np.sum([each.hits for each in rounds], axis=0)  # [claims]
    if len(hits) * chance**targets > ALPHA:
        return Outcome(Verdict.DOES_NOT_APPLY, f"{targets} test targets are too few to tell anything from chance")
    p = float(min(1.0, len(hits) * binom.sf(hits - 1, targets, chance).min()))
    best, mse = (float(np.mean([getattr(each, name) for each in rounds])) for name in ("best_mse", "mse"))
    skill = f", skill {1 - mse / best:+.3f} against the best answer" if best > 0 else ""
    chances = "even chances" if chance == 0.5 else f"chances of {chance:.1%} at most"
    words = f"right about {hits.max()} of {targets} {chances} (p = {p:.2g}){skill}"
    return Outcome(Verdict.SANG if p <= ALPHA else Verdict.QUIET, words, p, false_alarm_rate=ALPHA)
