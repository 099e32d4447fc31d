"""Stability of a ranking: the errors are drawn again, by seeds, by blocks of the test window or by trials, and ranked.

Resampled errors are arrays ``[resamples, models]``, of each dataset. How often the order stays says how much of it is
due to these seeds, this stretch of data, these trials. It is no test: of two models that are equally good, either is
first half of the time.

References
----------
P. Hall and H. Miller, "Using the bootstrap to quantify the authority of an empirical ranking", The Annals of Statistics
37 (2009).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.array_types import FloatArray
from bench.seeds import generator
from bench.stats.ranks import average_ranks

DRAWS = 1000
"""Resamples: the standard error of a share of one half is then 1.6 %."""


@dataclass(frozen=True, eq=False)
class RankStability:
    """How a ranking fares when its errors are drawn again.

    Parameters
    ----------
    order
        ``[models]``: the places of the models in the given average ranks, the first one first.
    stays
        How often the model that is first has the smallest average rank, shared or not.
    tau, tau_low
        Kendall's tau-b between the given average ranks and those of a resample: the mean, and what 95 % of resamples
        exceed; 0 where all ranks of one are equal.
    swapped
        ``[models - 1]``: how often two neighbours in `order` have the other order; a tie counts half.
    first
        ``[datasets]``: how often the model with the smallest error on a dataset has it there again.
    """

    order: tuple[int, ...]
    stays: float
    tau: float
    tau_low: float
    swapped: FloatArray
    first: FloatArray


def rank_stability(given: FloatArray, resampled: FloatArray) -> RankStability:
    """Compare the ranks of errors drawn again with those of the `given` ones.

    `given` are ``[datasets, models]``, `resampled` ``[datasets, resamples, models]``; all are finite. Ranks are
    averaged over datasets, ties shared.

    References
    ----------
    M. G. Kendall, Biometrika 33 (1945), for tau-b.
    """
    before = average_ranks(given).mean(axis=0)
    now = average_ranks(resampled).mean(axis=0)  # [resamples, models]
    order = np.argsort(before, kind="stable")
    taus = _tau(before, now)
    step = now[:, order[:-1]] - now[:, order[1:]]
    again = np.take_along_axis(resampled, given.argmin(axis=1)[:, None, None], axis=2)[..., 0]
    return RankStability(
        order=tuple(order.tolist()),
        stays=float((now[:, order[0]] <= now.min(axis=1)).mean()),
        tau=float(taus.mean()),
        tau_low=float(np.quantile(taus, 0.05)),
        swapped=((step > 0) + (step == 0) / 2).mean(axis=0),
        first=(again <= resampled.min(axis=2)).mean(axis=1),
    )


def _tau(before: FloatArray, now: FloatArray) -> FloatArray:
    """``[resamples]``: Kendall's tau-b of ``[models]`` with each of ``[resamples, models]``."""
    one, other = np.triu_indices(len(before), k=1)
    signs, signs_now = np.sign(before[one] - before[other]), np.sign(now[:, one] - now[:, other])
    untied = np.abs(signs).sum() * np.abs(signs_now).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau: FloatArray = np.nan_to_num(signs_now @ signs / np.sqrt(untied))
    return tau


def draw_seeds(mse: Sequence[FloatArray], *name: str, draws: int = DRAWS) -> FloatArray:
    """``[resamples, models]``: mean errors on one dataset over seeds that are drawn again with replacement.

    The same draws serve all models with as many seeds. Deviations from the mean are widened by ``sqrt(n / (n - 1))``,
    which the bootstrap of `n` lacks.

    Parameters
    ----------
    mse
        Of each model ``[seeds]``, the finite ones; their number may differ.
    name
        Of the random stream.
    """
    resampled = np.empty((draws, len(mse)))
    for count in {len(own) for own in mse}:
        models = [place for place, own in enumerate(mse) if len(own) == count]
        values = np.stack([mse[place] for place in models])
        times = generator(0, "ranks over seeds", *name, count).multinomial(count, np.full(count, 1 / count), size=draws)
        mean = values.mean(axis=1)
        widened = mean + (times @ values.T / count - mean) * math.sqrt(count / max(count - 1, 1))
        resampled[:, models] = np.maximum(widened, 0.0)
    return resampled


def block_length(points: int, horizon: int = 1) -> int:
    """Targets in a block: the root of all, and a horizon at least, within which losses depend on each other."""
    return min(points, max(horizon, math.isqrt(points)))


def draw_blocks(losses: FloatArray, *name: str, horizon: int = 1, draws: int = DRAWS) -> FloatArray:
    """``[resamples, models]``: mean losses on one dataset over blocks of the test window that are drawn again.

    Parameters
    ----------
    losses
        ``[models, T]``, at the same targets, in the order of time; the same blocks serve all models.
    name
        Of the random stream.
    horizon
        Steps ahead.

    References
    ----------
    D. N. Politis and J. P. Romano, "A circular block-resampling procedure for stationary data" (1992).
    """
    points = losses.shape[1]
    size = block_length(points, horizon)
    blocks = -(-points // size)
    circle = np.concatenate([np.zeros((len(losses), 1)), losses, losses[:, :size]], axis=1)
    before = np.cumsum(circle, axis=1)  # of all losses before each target
    means = (before[:, size : size + points] - before[:, :points]) / size  # of the block that begins at each target
    starts = generator(0, "ranks over blocks", *name, points).integers(points, size=(draws, blocks))
    return np.stack([own[starts].mean(axis=1) for own in means], axis=1)


def selection(errors: FloatArray, trials: int) -> FloatArray:
    """``[finished]``: how likely each trial, the best first, is the one chosen of as many trials drawn again.

    The smallest of `trials` draws with replacement is at least the k-th one where all are: ``((trials - k + 1) /
    trials) ** trials``. Draws without a trial that finished choose nothing, and are left out.

    Parameters
    ----------
    errors
        ``[finished]``: validation errors, ascending.
    trials
        All that were paid for, those that were pruned or failed among them.
    """
    beyond = ((trials - np.arange(len(errors) + 1)) / trials) ** trials
    return np.asarray((beyond[:-1] - beyond[1:]) / (1 - beyond[-1]))


def draw_trials(errors: FloatArray, trials: int, *name: str, draws: int = DRAWS) -> FloatArray:
    """``[resamples]``: the validation error of the trial that is chosen when they are drawn again; see `selection`."""
    reached = np.cumsum(selection(errors, trials))
    picks = np.searchsorted(reached, generator(0, "ranks over trials", *name, trials).random(draws) * reached[-1])
    return np.asarray(errors[np.minimum(picks, len(errors) - 1)])
