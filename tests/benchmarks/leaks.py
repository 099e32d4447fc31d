"""Leaks as a loader, a change of the runner or a plug-in could bring them, and their honest neighbours.

Each leak lies where the windows, the scaler, the training and the model are honest: in what loads the data, in
`run_cell`, or in the last step before rows are stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from bench.data.base import DatasetKind, Parameters, Provenance, Series, file_sha256
from bench.data.generated import Seeded, stream
from bench.protocol.scoring import SequenceScorer, SeriesScorer
from bench.protocol.windows import Windows
from bench.running import cell as runner
from bench.training.members import Member
from bench.tuning import study
from bench.tuning.candidates import resolve

Plant = pytest.MonkeyPatch
POINTS = 400


class PricesParameters(Parameters):
    """Parameters of the plug-ins: the file."""

    path: str = Field(min_length=1, description="A CSV file with the columns Date, Close and Volume.")


Made = Callable[[pd.DataFrame], pd.DataFrame | pd.Series]


def of_file(made: Made) -> DatasetKind:
    """A plug-in that makes its channels of the columns of a file."""

    def load(parameters: PricesParameters, _seed: int) -> Series:
        channels = made(pd.read_csv(parameters.path))
        values = channels.to_numpy(np.float64).reshape(len(channels), -1)
        path = Path(parameters.path)
        return Series(values, Provenance(path.name, file_sha256(path)))

    return DatasetKind("a plug-in", PricesParameters, load, lambda parameters: file_sha256(Path(parameters.path)))


class WaveParameters(Seeded):
    """Parameters of the plug-in that draws random numbers."""


def smoothed_wave(*, centred: bool) -> DatasetKind:
    """A plug-in that draws a noisy sine and smooths it."""

    def load(parameters: WaveParameters, seed: int) -> Series:
        noise = stream(parameters.data_seed(seed), "smoothed-wave").standard_normal(POINTS)
        noisy = pd.Series(np.sin(0.2 * np.arange(POINTS)) + 0.3 * noise)
        values = noisy.rolling(3, center=centred, min_periods=1).mean().to_numpy()[:, None]
        return Series(values, Provenance("a smoothed sine", ""))

    return DatasetKind("a plug-in", WaveParameters, load)


def _filled(table: pd.DataFrame) -> pd.Series:
    return table["Close"].ffill()


KINDS: Mapping[str, DatasetKind] = {
    "filled-forward": of_file(_filled),
    "trailing-mean": of_file(lambda table: _filled(table).rolling(5, min_periods=1).mean()),
    "returns-as-input": of_file(
        lambda table: pd.concat([_filled(table), np.log(_filled(table)).diff().fillna(0.0)], axis=1)
    ),
    "interpolated": of_file(lambda table: table["Close"].interpolate()),
    "filled-backward": of_file(lambda table: table["Close"].bfill()),
    "filled-with-the-mean": of_file(lambda table: table["Close"].fillna(table["Close"].mean())),
    "centred-mean": of_file(lambda table: _filled(table).rolling(5, center=True, min_periods=1).mean()),
    "divided-by-the-largest": of_file(lambda table: _filled(table) / _filled(table).max()),
    "next-close-as-input": of_file(lambda table: pd.concat([_filled(table), _filled(table).shift(-1).ffill()], axis=1)),
    "target-within-an-input": of_file(
        lambda table: pd.concat([_filled(table), table["Volume"] + 0.01 * _filled(table).shift(-1).ffill()], axis=1)
    ),
    "trailing-wave": smoothed_wave(centred=False),
    "centred-wave": smoothed_wave(centred=True),
}


def write_prices(path: Path, *, seed: int = 0) -> Path:
    """A file of `POINTS` days, some of them without a close."""
    random = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(random.normal(0, 0.02, POINTS)))
    closes[random.choice(np.arange(2, POINTS - 1), 30, replace=False)] = np.nan
    dates = np.datetime64("2020-01-01") + np.arange(POINTS)
    volumes = random.integers(1000, 9000, POINTS)
    pd.DataFrame({"Date": dates, "Close": closes, "Volume": volumes}).to_csv(path, index=False)
    return path


def nothing(_plant: Plant) -> None:
    """The leak, if there is one, is in the loader."""


def _watch_data(plant: Plant) -> list[Any]:
    """What `run_cell` prepared so far, the newest last."""
    honest, seen = runner.prepare, []

    def prepare(*arguments: Any, **options: Any) -> Any:
        seen.append(honest(*arguments, **options))
        return seen[-1]

    plant.setattr(runner, "prepare", prepare)
    return seen


def fit_on_the_test(plant: Plant) -> None:
    """Train windows go on to the end of the series, in `run_cell` alone."""
    honest, seen = runner.train, _watch_data(plant)

    def train(kind: Any, members: Any, data: Any, **options: Any) -> Any:
        test, own = seen[-1].test, data.train
        if isinstance(own, Windows):
            whole = dataclasses.replace(own, places=range(own.places.start, test.end - own.horizon + 1), end=test.end)
        else:
            whole = dataclasses.replace(own, places=range(test.places.stop))
        return honest(kind, members, dataclasses.replace(data, train=whole), **options)

    plant.setattr(runner, "train", train)


def epoch_by_the_test(plant: Plant) -> None:
    """Early stopping watches the test part, in `run_cell` alone."""
    honest, seen = runner.train, _watch_data(plant)

    def train(kind: Any, members: Any, data: Any, **options: Any) -> Any:
        return honest(kind, members, dataclasses.replace(data, validation=seen[-1].test), **options)

    plant.setattr(runner, "train", train)


def _test_error(trained: Any, test: Any) -> np.ndarray:
    """``[K]``."""
    return np.mean((trained.predict(test) - test.truth()) ** 2, axis=(1, 2))


def better_of_two(plant: Plant) -> None:
    """Each replicate is trained twice, and the one with the smaller test error is kept."""
    honest, seen = runner.train, _watch_data(plant)

    def train(kind: Any, members: list[Member], data: Any, **options: Any) -> Any:
        again = [dataclasses.replace(member, name=("again", member.name[1])) for member in members]
        both = [honest(kind, each, data, **options) for each in (members, again)]
        better = np.argmin([_test_error(each, seen[-1].test) for each in both], axis=0)

        def predict(examples: Any) -> np.ndarray:
            predictions = [each.predict(examples) for each in both]
            return np.stack([predictions[pick][k] for k, pick in enumerate(better)])

        fits = [both[pick].fits[k] for k, pick in enumerate(better)]
        return dataclasses.replace(both[0], fits=fits, predict=predict)

    plant.setattr(runner, "train", train)


def trial_by_the_test(plant: Plant) -> None:
    """The study is honest; which of its trials is taken is decided by the test part."""
    seen, honest = _watch_data(plant), study.tune

    def tune(kind: Any, cell: Any, data: Any, **options: Any) -> Any:
        found = honest(kind, cell, data, **options)
        candidates = [resolve(kind, cell, trial.overrides) for trial in found.trials]
        errors = [
            _test_error(runner.train(kind, runner.replicates(kind, cell, each), data), seen[-1].test).mean()
            for each in candidates
        ]
        return dataclasses.replace(found, best=candidates[int(np.argmin(errors))])

    plant.setattr(study, "tune", tune)


def pulled_to_the_truth(plant: Plant) -> None:
    """Predictions move a tenth of the way to the truth after the model, before they are scored."""
    honest = runner.prepare

    def prepare(*arguments: Any, **options: Any) -> Any:
        prepared = honest(*arguments, **options)
        truth = prepared.compared(False).truth
        return dataclasses.replace(prepared, inverse=lambda scaled: 0.9 * prepared.inverse(scaled) + 0.1 * truth)

    plant.setattr(runner, "prepare", prepare)


def centred_on_the_test(plant: Plant) -> None:
    """The mean error over the test part is subtracted from predictions."""
    honest = runner.prepare

    def prepare(*arguments: Any, **options: Any) -> Any:
        prepared = honest(*arguments, **options)
        truth = prepared.compared(False).truth

        def inverse(scaled: np.ndarray) -> np.ndarray:
            original = prepared.inverse(scaled)
            return original - (original - truth).mean(axis=0)

        return dataclasses.replace(prepared, inverse=inverse)

    plant.setattr(runner, "prepare", prepare)


def smoothed_afterwards(plant: Plant) -> None:
    """Each prediction becomes the mean of itself, the one before and the one after."""
    honest = runner.prepare

    def prepare(*arguments: Any, **options: Any) -> Any:
        prepared = honest(*arguments, **options)

        def inverse(scaled: np.ndarray) -> np.ndarray:
            padded = np.pad(prepared.inverse(scaled), ((1, 1), (0, 0)), mode="edge")
            return (padded[:-2] + padded[1:-1] + padded[2:]) / 3

        return dataclasses.replace(prepared, inverse=inverse)

    plant.setattr(runner, "prepare", prepare)


def changed_where_stored(plant: Plant) -> None:
    """Only what is stored moves: each prediction is the mean of itself and of the truth."""
    for scorer in (SeriesScorer, SequenceScorer):
        honest = scorer.columns

        def columns(self: Any, prediction: np.ndarray, honest: Any = honest) -> dict[str, Any]:
            return honest(self, (prediction + self.truth) / 2)

        plant.setattr(scorer, "columns", columns)


@dataclass(frozen=True)
class Leak:
    """One leak.

    Parameters
    ----------
    stage
        Where it lies.
    summary
        What is wrong, for the table.
    plant
        Puts it in place until the patch is undone.
    dataset, model
        Kinds that show it.
    tuned
        Whether the cell is tuned.
    """

    stage: str
    summary: str
    plant: Callable[[Plant], None] = nothing
    dataset: str = "filled-forward"
    model: str = "linear-ar"
    tuned: bool = False


_FILLED = "loader: imputation"
_SMOOTHED = "loader: smoothing"
_MIXED = "loader: inputs"
_RUNNER = "runner"
_LAST = "after the model"

LEAKS: Mapping[str, Leak] = {
    "interpolated": Leak(_FILLED, "a gap is interpolated", dataset="interpolated"),
    "filled-backward": Leak(_FILLED, "a gap is filled with the value after it", dataset="filled-backward"),
    "mean": Leak(_FILLED, "a gap is filled with the mean of the whole column", dataset="filled-with-the-mean"),
    "centred-mean": Leak(_SMOOTHED, "a centred mean of five rows of a file", dataset="centred-mean"),
    "centred-wave": Leak(_SMOOTHED, "a centred mean of three points of a formula", dataset="centred-wave"),
    "largest": Leak(_SMOOTHED, "a column is divided by its largest value", dataset="divided-by-the-largest"),
    "next-close": Leak(_MIXED, "a channel is the next value of the target", dataset="next-close-as-input"),
    "mixed": Leak(_MIXED, "a channel holds a trace of the next value", dataset="target-within-an-input"),
    "fit": Leak(_RUNNER, "`run_cell` fits on the test part too", fit_on_the_test),
    "fit-network": Leak(_RUNNER, "the same, of a network", fit_on_the_test, model="gru"),
    "epoch": Leak(_RUNNER, "`run_cell` chooses the epoch by the test part", epoch_by_the_test, model="gru"),
    "replicate": Leak(_RUNNER, "the better of two fits by the test part is stored", better_of_two, model="gru"),
    "trial": Leak(_RUNNER, "the trial is chosen by the test part", trial_by_the_test, model="gru", tuned=True),
    "pulled": Leak(_LAST, "predictions are pulled to the truth by a tenth", pulled_to_the_truth),
    "pulled-network": Leak(_LAST, "the same, of a network", pulled_to_the_truth, model="gru"),
    "centred": Leak(_LAST, "the mean error over the test part is subtracted", centred_on_the_test),
    "smoothed": Leak(_LAST, "predictions are smoothed, with the next one too", smoothed_afterwards),
    "sequences-smoothed": Leak(_LAST, "the same, within sequences", smoothed_afterwards, dataset="denoise-sine"),
    "stored": Leak(_LAST, "only stored predictions are pulled, not their errors", changed_where_stored),
    "sequences": Leak(
        _LAST, "only stored predictions are pulled, of sequences", changed_where_stored, dataset="denoise-sine"
    ),
    "sequences-fit": Leak(_RUNNER, "`run_cell` fits on test sequences too", fit_on_the_test, dataset="denoise-sine"),
}

HONEST: Mapping[str, Leak] = {
    "filled-forward": Leak(_FILLED, "a gap is filled with the value before it"),
    "trailing-mean": Leak(_SMOOTHED, "a mean of the last five rows", dataset="trailing-mean"),
    "trailing-wave": Leak(_SMOOTHED, "a mean of the last three points", dataset="trailing-wave"),
    "returns": Leak(_MIXED, "a channel is the last change of the target", dataset="returns-as-input"),
    "network": Leak(_RUNNER, "a network", dataset="filled-forward", model="gru"),
    "tuned": Leak(_RUNNER, "a tuned network", dataset="filled-forward", model="gru", tuned=True),
    "sequences": Leak(_LAST, "sequences", dataset="denoise-sine"),
}
"""What looks like a leak and is none."""
