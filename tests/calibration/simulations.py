"""Simulations of every test and interval of a report: how often a claim is false, and how often an interval holds.

Each simulation gives a table of `reports/calibration.md`. Its limits are asserted by `calibrate.py`; random numbers are
fixed, so the same code gives the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import prediction_interval
from scipy.signal import lfilter
from scipy.stats import nct, t as student

from bench.reporting.ranking import by_dataset
from bench.stats.aggregates import aggregate, interquartile_mean
from bench.stats.claims import ModelClaim
from bench.stats.confidence_set import confidence_set
from bench.stats.delay import delay
from bench.stats.ranks import ranks
from bench.stats.ratios import mean_error, over_seeds
from bench.stats.verdicts import NEAR_FLOOR, Subject, at_floor
from bench.stats.window_tests import over_window

SPREADS = (0.05, 0.25, 0.5, 0.75, 1.0)
COUNTS = (3, 5, 10, 20, 30)
PERSISTENCE = (0.0, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Simulation:
    """A table, and what is asserted of it.

    Parameters
    ----------
    title, text
        What was simulated.
    head, rows
        Of the table.
    least, most
        Every share in `asserted` lies between these.
    asserted
        Where → share.
    """

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    asserted: Mapping[str, float]
    least: float = 0.0
    most: float = 1.0

    def beyond(self) -> list[str]:
        """What lies outside the limits."""
        return [
            f"{place}: {share:.4f}" for place, share in self.asserted.items() if not self.least <= share <= self.most
        ]


def share(value: float) -> str:
    return f"{value:.3f}"


def lognormal(rng: np.random.Generator, spread: float, shape: tuple[int, ...], *, mean: bool = True) -> np.ndarray:
    """Errors whose mean is 1, or whose median is."""
    return np.exp(spread * rng.normal(size=shape) - (spread**2 / 2 if mean else 0.0))


def false_claims() -> Simulation:
    """Against a fixed reference."""
    rows, asserted = [], {}
    for mean in (True, False):
        for count in COUNTS:
            entries = []
            for spread in SPREADS:
                rng = np.random.default_rng([1, count, int(100 * spread), mean])
                test = over_seeds(lognormal(rng, spread, (20_000, count), mean=mean), np.ones(count))
                sides = [float(np.mean((test.p < 0.05) & side)) for side in (test.ratio < 1, test.ratio > 1)]
                asserted[f"{'means' if mean else 'medians'} equal, {count} seeds, log-sd {spread}"] = max(sides)
                entries.append(" / ".join(map(share, sides)))
            rows.append([f"{'mean' if mean else 'median'} equal", str(count), *entries])
    return Simulation(
        "False claims over seeds",
        "A model whose errors are lognormal, against a reference that is the same for every seed, as persistence is: "
        "how often it is called better / worse though the mean (or the median) of its errors equals the reference. "
        "Stated: 2.5 % each; at most 3.5 %. 20 000 simulations each.",
        ["errors", "seeds", *(f"log-sd {spread}" for spread in SPREADS)],
        rows,
        asserted,
        most=0.035,
    )


def power() -> Simulation:
    """Five times the reference."""
    rows, asserted = [], {}
    for count in (3, 5, 10):
        entries = []
        for spread in (0.1, 0.25, 0.5, 0.6, 0.75, 1.0):
            rng = np.random.default_rng([2, count, int(100 * spread)])
            found = float(np.mean(over_seeds(5 * lognormal(rng, spread, (20_000, count)), np.ones(count)).p < 0.05))
            shift = (np.log(5) - spread**2 / 2) / spread * np.sqrt(count)
            limit = student.ppf(0.975, count - 1)
            possible = float(nct.sf(limit, count - 1, shift))
            if count == 5 and spread <= 0.6:
                asserted[f"{count} seeds, log-sd {spread}"] = found
            entries.append(f"{share(found)} ({share(possible)})")
        rows.append([str(count), *entries])
    return Simulation(
        "Power over seeds",
        "How often a model with five times the mean squared error of the reference is called worse; in brackets the "
        "power of Student's t of the logarithms, the best test of the typical error. At least 0.9 with 5 seeds up to "
        "log-sd 0.6; beyond it, five seeds do not decide so often.",
        ["seeds", *(f"log-sd {spread}" for spread in (0.1, 0.25, 0.5, 0.6, 0.75, 1.0))],
        rows,
        asserted,
        least=0.9,
    )


def two_models() -> Simulation:
    """Both sides draw random numbers."""
    rows, asserted = [], {}
    cases = ((0.3, 0.3), (1.0, 1.0), (1.0, 0.3), (1.0, 0.05))
    for count in (3, 5, 10, 30):
        entries = []
        for one, other in cases:
            rng = np.random.default_rng([3, count, int(100 * one), int(100 * other)])
            sides = [lognormal(rng, spread, (20_000, count)) for spread in (one, other)]
            found = float(np.mean(over_seeds(*sides).p < 0.05))
            asserted[f"{count} seeds, log-sd {one} and {other}"] = found
            entries.append(share(found))
        rows.append([str(count), *entries])
    return Simulation(
        "False claims between two models",
        "How often two models with equal means of lognormal errors are said to differ. Stated: 5 %; at most 6 %.",
        ["seeds", *(f"log-sd {one} and {other}" for one, other in cases)],
        rows,
        asserted,
        most=0.06,
    )


def at_the_floor() -> Simulation:
    """Just not at the noise floor."""
    rows, asserted = [], {}
    for count in COUNTS:
        entries = []
        for spread in SPREADS:
            rng = np.random.default_rng([4, count, int(100 * spread)])
            errors = (1 + NEAR_FLOOR) * lognormal(rng, spread, (10_000, count))
            subjects = [Subject(ModelClaim("", "", own, own), np.ones(count)) for own in errors]
            found = float(np.mean(at_floor(subjects) < 0.05))
            asserted[f"{count} seeds, log-sd {spread}"] = found
            entries.append(share(found))
        rows.append([str(count), *entries])
    return Simulation(
        "Falsely at the noise floor",
        f"How often a model whose mean error is {NEAR_FLOOR:.0%} above the noise floor is said to be nearer. Stated: "
        f"5 %; at most 6 %.",
        ["seeds", *(f"log-sd {spread}" for spread in SPREADS)],
        rows,
        asserted,
        most=0.06,
    )


ERRORS: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(1.0, 0.1, size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: lognormal(rng, 1.0, shape),
    "1 + exponential / 10": lambda rng, shape: (1 + 0.1 * rng.exponential(size=shape)) / 1.1,
}


def seed_intervals() -> Simulation:
    """The interval of a mean error."""
    rows, asserted = [], {}
    for count in (2, *COUNTS):
        entries = []
        for name, draw in ERRORS.items():
            rng = np.random.default_rng([5, count, len(name)])
            interval = mean_error(draw(rng, (20_000, count)))
            covered = float(np.mean((interval.low <= 1) & (interval.high >= 1)))
            if count >= 3 and name != "1 + exponential / 10":
                asserted[f"{count} seeds, {name}"] = covered
            entries.append(share(covered))
        rows.append([str(count), *entries])
    return Simulation(
        "Intervals over seeds",
        "How often the 95 % interval of a mean error holds it. At least 0.93 for normal, exponential and lognormal "
        "errors from 3 seeds on. Fewer than 10 carry a mark in the report, and fewer than 50 a note, on errors that "
        "are skewed even on a logarithmic scale, as in the last column.",
        ["seeds", *ERRORS],
        rows,
        asserted,
        least=0.93,
    )


def aggregated() -> Simulation:
    """The interval of the interquartile mean."""
    rows, asserted = [], {}
    for datasets in (1, 4, 10):
        size = np.linspace(0.5, 1.5, datasets)[:, None]
        entries = []
        for count in (3, 5, 10):
            rng = np.random.default_rng([6, datasets, count])
            scores = size * lognormal(rng, 0.3, (1000, datasets, count))
            many = size * lognormal(rng, 0.3, (20_000, datasets, count))
            true = interquartile_mean(many.reshape(len(many), -1)).mean()
            interval = aggregate(scores, resamples=400)
            covered = float(np.mean((interval.low <= true) & (interval.high >= true)))
            if count >= 10:
                asserted[f"{datasets} datasets, {count} seeds"] = covered
            entries.append(share(covered))
        rows.append([str(datasets), *entries])
    return Simulation(
        "Intervals over datasets and seeds",
        "How often the stratified bootstrap interval holds the interquartile mean of lognormal scores (log-sd 0.3). At "
        "least 0.93 with 10 seeds; fewer carry a mark in the report. 1000 simulations each.",
        ["datasets", "3 seeds", "5 seeds", "10 seeds"],
        rows,
        asserted,
        least=0.93,
    )


def persistent(
    rng: np.random.Generator, law: str, persistence: float, horizon: int, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Losses of two forecasts that are equally good: ``[series, T]`` each."""
    size = (2, shape[0], shape[1] + horizon + 200)
    shocks = rng.standard_t(3, size=size) if law == "Student's t, 3" else rng.normal(size=size)
    series = lfilter([1], [1, -persistence], shocks, axis=-1)[..., 200:]
    series = lfilter(np.ones(horizon), 1, series, axis=-1)[..., horizon:]
    if law == "squared normal":
        return series[0] ** 2, series[1] ** 2
    return 50 + series[0] / series[0].std(), np.full(shape, 50.0)


LAWS = ("normal", "Student's t, 3", "squared normal")


def window_claims() -> Simulation:
    """Losses that persist."""
    rows, asserted = [], {}
    for law in LAWS:
        for points in (100, 400):
            for horizon in (1, 6):
                entries = []
                for persistence in PERSISTENCE:
                    rng = np.random.default_rng([7, LAWS.index(law), points, horizon, int(10 * persistence)])
                    test = over_window(*persistent(rng, law, persistence, horizon, (4000, points)), horizon=horizon)
                    size = float(np.mean(test.p < 0.05))
                    asserted[f"{law}, {points} targets, h = {horizon}, AR {persistence}"] = size
                    entries.append(f"{share(size)} / {share(float(np.mean((test.low <= 1) & (test.high >= 1))))}")
                rows.append([law, str(points), str(horizon), *entries])
    return Simulation(
        "False claims over one test window",
        "How often two equally good forecasts are said to differ / how often the interval of the ratio holds 1, "
        "where the losses are an autoregression of order 1, summed over the horizon: their difference with normal or "
        "heavy-tailed shocks, or the squares of two forecasts' errors. Stated: 5 %; at most 7 %, hence coverage of "
        "at least 0.93. 4000 series each.",
        ["losses", "targets", "h", *(f"AR {persistence}" for persistence in PERSISTENCE)],
        rows,
        asserted,
        most=0.07,
    )


def confidence_sets() -> Simulation:
    """Tied models."""
    rows, asserted = [], {}
    for models in (2, 5):
        for points in (100, 400):
            entries = []
            for persistence in PERSISTENCE:
                rng = np.random.default_rng([8, models, points, int(10 * persistence)])
                shocks = rng.normal(size=(1000, models, points + 200))
                series = lfilter([1], [1, -persistence], shocks, axis=-1)[..., 200:]
                sets = [confidence_set(50 + own / own.std()) for own in series]
                kept = float(np.mean([found is not None and len(found.included) == models for found in sets]))
                asserted[f"{models} models, {points} targets, AR {persistence}"] = kept
                entries.append(share(kept))
            rows.append([str(models), str(points), *entries])
    return Simulation(
        "Model confidence sets",
        "How often the set keeps all of so many models that are equally good. Stated: 95 %; at least 92 %. 1000 "
        "series each.",
        ["models", "targets", *(f"AR {persistence}" for persistence in PERSISTENCE)],
        rows,
        asserted,
        least=0.92,
    )


def friedman() -> Simulation:
    """Horizons of one dataset."""
    rows, asserted = [], {}
    for horizons in (1, 2, 3):
        rng = np.random.default_rng([9, horizons])
        apart = together = 0
        sections = [SimpleNamespace(dataset=str(place // horizons)) for place in range(12 * horizons)]
        for _ in range(1000):
            of_dataset = np.repeat(rng.normal(size=(12, 4)), horizons, axis=0)
            errors = np.exp(0.3 * of_dataset + 0.1 * rng.normal(size=(12 * horizons, 4)))
            apart += ranks(errors).friedman_p < 0.05
            together += ranks(by_dataset(errors, sections)).friedman_p < 0.05
        asserted[f"{horizons} horizons"] = together / 1000
        rows.append([str(horizons), share(together / 1000), share(apart / 1000)])
    return Simulation(
        "Friedman's test",
        "How often 4 models that are equally good over 12 datasets are said to differ, where the horizons of a dataset "
        "share what is special about it: with one block for each dataset, as the report has it, and with one for each "
        "horizon. Stated: 5 %; at most 7 %. 1000 simulations each.",
        ["horizons", "averaged within a dataset", "counted as datasets"],
        rows,
        asserted,
        most=0.07,
    )


def published_numbers() -> Simulation:
    """Printed by a run of the very program that is repeated."""
    shares = prediction_interval.refusals(trials=4000)
    return Simulation(
        "Published numbers",
        "How often a number that one run of the same program gave is refused as better, worse or not from this code, "
        "from as many replicates; of the whole course of a loss, with 1000 simulations each. Stated: 5 %; at most 7 %, "
        "also where losses are neither normal nor lognormal. 4000 simulations each.",
        ["losses", *(f"{count} replicates" for count in prediction_interval.COUNTS)],
        [[name, *map(share, row)] for name, row in shares.items()],
        {
            f"{name}, {count}": value
            for name, row in shares.items()
            for count, value in zip(prediction_interval.COUNTS, row, strict=True)
        },
        most=0.07,
    )


Pair = tuple[np.ndarray, np.ndarray]
"""Truth and forecast, ``[T]`` each."""

START = 300
"""Points before the first that counts: an autoregression has forgotten its start, and a model has been fitted."""


def smooth_walk(rng: np.random.Generator, points: int, weights: Sequence[float], past: float) -> np.ndarray:
    """A walk whose moves are an autoregression of order 1, or a moving sum."""
    return np.cumsum(lfilter(weights, [1, -past], rng.normal(size=points + START))[START:])


def apart(*, past: float = 0.0, other: float | None = None, weights: Sequence[float] = (1.0,)) -> Callable[..., Pair]:
    """Independent walks."""
    pasts = past, past if other is None else other

    def draw(rng: np.random.Generator, points: int) -> Pair:
        truth, forecast = (smooth_walk(rng, points, weights, own) for own in pasts)
        return truth, forecast

    return draw


def cycle(rng: np.random.Generator, points: int, period: float) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(points + START) / period + rng.uniform(0, 2 * np.pi))


def of_noise(rng: np.random.Generator, points: int) -> Pair:
    return rng.normal(size=points), cycle(rng, points, 25)[START:]


def oracle(period: float, noise: float) -> Callable[..., Pair]:
    """A cycle as the forecast of itself with noise."""

    def draw(rng: np.random.Generator, points: int) -> Pair:
        signal = cycle(rng, points, period)[START:]
        return signal + noise * rng.normal(size=points), signal

    return draw


def after(steps: int, error: float, *, period: float | None = None, noise: float = 0.0) -> Callable[..., Pair]:
    """The truth some steps before, with an error: of a random walk, or of a cycle with noise."""

    def draw(rng: np.random.Generator, points: int) -> Pair:
        if period is None:
            known = np.cumsum(rng.normal(size=points + START))
        else:
            known = cycle(rng, points, period) + noise * rng.normal(size=points + START)
        return known[START:], known[START - steps : -steps] + error * rng.normal(size=points)

    return draw


def linear(period: float, noise: float) -> Callable[..., Pair]:
    """The linear forecast from 20 points, fitted before the first that counts."""

    def draw(rng: np.random.Generator, points: int) -> Pair:
        known = cycle(rng, points, period) + noise * rng.normal(size=points + START)
        past = np.lib.stride_tricks.sliding_window_view(known, 20)[:-1]
        fitted = np.linalg.lstsq(past[: START - 20], known[20:START])[0]
        return known[START:], past[START - 20 :] @ fitted

    return draw


NEVER_LATE: Mapping[str, Callable[..., Pair]] = {
    "independent, moves are white": apart(),
    **{f"independent, moves are AR {past}": apart(past=past) for past in (0.5, 0.9, 0.97)},
    "independent, moves are AR 0.5 and AR 0.97": apart(past=0.5, other=0.97),
    "independent, moves are sums of 10": apart(weights=(1.0,) * 10),
    "white noise, the forecast a cycle": of_noise,
    **{
        f"cycle of {period} with noise {noise}, the forecast without": oracle(period, noise)
        for period, noise in ((12, 0.1), (20, 0.3), (20, 1.0), (50, 0.3), (50, 1.0))
    },
}
LATE: Mapping[str, Callable[..., Pair]] = {
    "walk, its last value": after(1, 0.0),
    **{f"walk {steps} before, with error {error}": after(steps, error) for steps in (1, 2, 3) for error in (0.5, 1.0)},
    **{
        f"cycle of {period} with noise {noise}, its last value": after(1, 0.0, period=period, noise=noise)
        for period, noise in ((20, 0.1), (20, 0.3), (50, 0.1))
    },
    **{
        f"cycle of 20 with noise 0.3, {steps} before, with error 0.3": after(steps, 0.3, period=20, noise=0.3)
        for steps in (1, 2, 3)
    },
}
FOLLOWING: Mapping[str, Callable[..., Pair]] = {
    f"cycle of {period} with noise {noise}, linear of 20 points": linear(period, noise)
    for period, noise in ((20, 0.3), (50, 0.3), (20, 1.0))
}


def late_forecasts() -> Simulation:
    """Independent, noise-free and shifted."""
    rows, asserted = [], {}
    for place, (law, draw) in enumerate((NEVER_LATE | LATE | FOLLOWING).items()):
        entries = []
        for points in (80, 200, 1000):
            rng = np.random.default_rng([10, place, points])
            found = [delay(*draw(rng, points)) for _ in range(1000)]
            late, told = (np.mean([getattr(one, name) for one in found]) for name in ("late", "significant"))
            if law in NEVER_LATE or (law in LATE and points == 200):
                asserted[f"{law}, {points} targets"] = float(late if law in NEVER_LATE else 1 - late)
            entries.append(f"{share(float(late))} / {share(float(told))}")
        rows.append([law, *entries])
    return Simulation(
        "Late forecasts",
        "How often a forecast is called late / how often its best lag, of any sign, is significant. Forecasts that are "
        "independent of the truth, or are the truth without its noise, are called late in at most 5 %; forecasts that "
        "repeat earlier values in at least 95 % with 200 targets. The last rows, the best linear forecasts of a cycle "
        "with noise, have no limit: they follow earlier values. 1000 series each.",
        ["truth and forecast", "80 targets", "200 targets", "1000 targets"],
        rows,
        asserted,
        most=0.05,
    )


SIMULATIONS: Mapping[str, Callable[[], Simulation]] = {
    each.__name__: each
    for each in (
        *(false_claims, power, two_models, at_the_floor, seed_intervals, aggregated),
        *(window_claims, confidence_sets, friedman, published_numbers, late_forecasts),
    )
}


def lines(simulation: Simulation) -> Iterator[str]:
    """One section of the report."""
    yield f"## {simulation.title}"
    yield ""
    yield simulation.text
    yield ""
    yield f"| {' | '.join(simulation.head)} |"
    yield "|---" * len(simulation.head) + "|"
    for row in simulation.rows:
        yield f"| {' | '.join(row)} |"
    yield ""
