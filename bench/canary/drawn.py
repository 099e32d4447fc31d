"""Give each sequence the target of one drawn by lot: whoever is right more often than by lot has seen the answer.

Targets are drawn with replacement, each on its own. Those of the test part are then independent of everything that an
honest model has seen, and each answer is right with a known chance, whatever it says of the others. Of a class that is
at most the share of the most frequent one. Of values, a coin tells whether the target lies in the upper half of all
targets, and an answer claims so where it lies above the middle of the answers. Either way the hits are no more than
binomial, exactly.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bench.canary.base import Outcome, Verdict
from bench.canary.fair import Round, judged
from bench.canary.pieces import Pieces
from bench.data.base import FloatArray, FloatArray32, Sequences
from bench.errors import CellError
from bench.seeds import generator
from bench.training import metrics


def check(pieces: Pieces) -> Outcome:
    """Train on targets by lot and answer about targets by lot, several times."""
    targets = pieces.sequences.targets
    if not np.ptp(targets, axis=0).any():
        return Outcome(Verdict.DOES_NOT_APPLY, "all targets are the same, in whatever order")
    chance = 0.5
    if pieces.sequences.task == "classify":
        chance = float(targets.mean(axis=(0, 1), dtype=np.float64).max())
    return judged([_round(pieces, number) for number in range(pieces.budget.rounds)], chance=chance)


def _round(pieces: Pieces, number: int) -> Round:
    sequences = pieces.sequences
    count, split = pieces.few(len(sequences))
    pieces = pieces.round(number, split)
    random = generator(pieces.cell.seed, "canary", "drawn")
    by_lot, rows = drawn(sequences, count, random)
    prepared = pieces.prepare(by_lot)
    trained = pieces.train(prepared)
    prediction = prepared.inverse(trained.predict(prepared.test)[0])  # [points, D]
    if not np.isfinite(prediction).all():
        raise CellError("a prediction is not finite; lower learning_rate")
    truth = by_lot.targets[prepared.cut.test].reshape(prediction.shape)
    answers = prediction.reshape(-1, *sequences.targets.shape[1:])  # [N, U, D]
    if sequences.task == "classify":
        hits = np.array([np.count_nonzero(answers[:, 0].argmax(-1) == truth.argmax(-1))])
    else:
        hits = _hits(answers, sequences.targets, rows[prepared.cut.test], random)
    best = np.tile(sequences.targets.mean(axis=0, dtype=np.float64), (len(answers), 1))
    return Round(hits, len(answers), metrics.mse(truth, prediction), metrics.mse(truth, best))


def drawn(sequences: Sequences, count: int, random: np.random.Generator) -> tuple[Sequences, NDArray[np.int64]]:
    """`count` of the `sequences`, each once, and the rows ``[count]`` of all of them that their targets are from."""
    kept = random.permutation(len(sequences))[:count]
    rows = random.integers(len(sequences), size=count)
    test = sequences.test if count == len(sequences) else None
    inputs, targets = sequences.inputs[kept], sequences.targets[rows]
    return dataclasses.replace(sequences, inputs=inputs, targets=targets, best=None, test=test), rows


def _hits(
    answers: FloatArray, all_targets: FloatArray32, rows: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """``[D]``: how many claims about the targets of `rows` are right, one for each sequence, at a step by lot."""
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
    """Whether each `place` lies in the upper half; the very middle by lot."""
    return np.asarray((place > 0) | ((place == 0) & (random.random(place.shape) < 0.5)))
