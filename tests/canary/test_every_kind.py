"""No canary raises an alarm over what `bench` comes with: every registered dataset and every registered model.

A leak is in a dataset's path or in a model: each dataset meets some models, and each model some datasets of each task.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.canary.base import CheckOutcome, CheckVerdict
from bench.canary.pieces import Pieces, changed_from
from bench.canary.watch import CANARIES, ask
from bench.data import DATASETS
from bench.models import MODELS
from bench.spec import Split, Tuning

MEET_EVERY_DATASET = ("persistence", "drift", "mean", "seasonal-naive", "linear-ar", "logistic-regression")
MEET_EVERY_DATASET += ("rnn", "lstm", "gru", "encoder-decoder")
MEET_EVERY_MODEL = ("noisy-sine", "file", "adding", "denoise-sine", "digits", "mnist")
FROM_WHEELS = ("SP500", "NASDAQ", "WTI", "VIX", "sunspots", "co2", "el-nino", "nile", "macrodata")
PAIRS = [
    (dataset, model)
    for dataset, kind in DATASETS.items()
    for model, able in MODELS.items()
    if kind.task in able.tasks
    and not able.missing(able.parameters())
    and (model in MEET_EVERY_DATASET or dataset in MEET_EVERY_MODEL)
    and (model in ("linear-ar", "rnn") or dataset not in FROM_WHEELS)
]
NOT_ADDING = ("persistence", "drift", "seasonal-naive", "encoder-decoder")
NOT_ADDING += ("dlinear", "nlinear", "n-beats", "tsmixer", "patchtst", "ets", "theta", "auto-arima")
OTHER_VALUES = {("adding", name) for name in NOT_ADDING}  # refused: targets are no values of the window's channels
FORECASTERS = [
    name for name, kind in MODELS.items() if "forecast" in kind.tasks and not kind.missing(kind.parameters())
]
SHARED = Path(__file__).parents[3] / "shared" / "data"


def sung(pieces: Pieces, *names: str) -> dict[str, CheckOutcome]:
    """What is not quiet."""
    outcomes = {name: ask(CANARIES[name], pieces) for name in names or CANARIES}
    return {name: outcome for name, outcome in outcomes.items() if outcome.verdict is not CheckVerdict.QUIET}


@pytest.mark.parametrize(("dataset", "model"), [pair for pair in PAIRS if pair[0] != "mnist"])
def test_every_dataset_and_model(dataset: str, model: str, pieces: Callable[..., Pieces]) -> None:
    loud = sung(pieces(dataset, model), "causality", "permuted", "scaler", "end-to-end")
    if (dataset, model) in OTHER_VALUES:
        assert "exclude this model for this dataset" in loud["causality"].words
    else:
        assert loud == {}


def test_mnist(pieces: Callable[..., Pieces], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    published("mnist", "train-images-idx3-ubyte.gz", monkeypatch)
    first = pieces("mnist", "mean")
    source = first.source  # read once
    for model in [model for dataset, model in PAIRS if dataset == "mnist"]:
        made = replace(pieces("mnist", model), load=lambda: source)
        assert sung(made, "causality", "permuted", "scaler", "end-to-end") == {}


@pytest.mark.parametrize("model", FORECASTERS)
def test_every_model_on_data_that_nobody_can_forecast(model: str, pieces: Callable[..., Pieces]) -> None:
    assert sung(pieces(model=model), "gbm") == {}


@pytest.mark.parametrize("model", [name for name in FORECASTERS if name != "mean"])  # which never moves
def test_silence_means_something(model: str, pieces: Callable[..., Pieces]) -> None:
    """What may move does: forecasts made after a change see it, so earlier ones would show it."""
    made = pieces(model=model)
    before = made.prepare(made.series)
    trained = made.train(before)
    after = made.prepare(changed_from(made.series, before.cut.validation_end, 0), scaler=before.scaler)
    moved = trained.predict(before.test) != trained.predict(after.test)
    assert not moved[:, 0].any()
    assert moved[:, 1:].mean() > 0.8


@pytest.mark.parametrize(
    "changes",
    [
        {"horizon": 3},
        {"horizon": 7, "sequence_length": 3},
        {"split": Split(validation=1, test=1)},
        {"split": Split(validation=20, test=100)},
    ],
    ids=["horizon 3", "horizon 7", "parts of one point", "counts"],
)
@pytest.mark.parametrize("model", ["persistence", "linear-ar", "theta", "gru", "encoder-decoder", "tcn", "patchtst"])
def test_other_windows_and_splits(model: str, changes: dict[str, Any], pieces: Callable[..., Pieces]) -> None:
    assert sung(pieces(model=model, **changes), "causality", "gbm", "scaler", "end-to-end") == {}


@pytest.mark.parametrize("options", [{"bidirectional": True}, {"layers": 2, "dropout": 0.5}], ids=str)
def test_other_architectures(options: dict[str, Any], pieces: Callable[..., Pieces]) -> None:
    made = pieces(model="lstm")
    assert sung(_with(made, **options)) == {}


def test_a_decoder_that_is_fed_true_past_values_is_no_leak(pieces: Callable[..., Pieces]) -> None:
    made = pieces(model="encoder-decoder", horizon=4)
    assert sung(_with(made, prediction="teacher-forced")) == {}


@pytest.mark.parametrize("model", ["linear-ar", "gru"])
def test_a_study_sees_nothing_of_the_test_part(model: str, pieces: Callable[..., Pieces], tuning: Tuning) -> None:
    made = pieces(model=model, tuning=tuning)
    assert sung(made, "causality") == {}
    before = int(CANARIES["causality"].check(pieces(model=model)).words.split()[0])
    assert int(CANARIES["causality"].check(made).words.split()[0]) == before + 1


def test_the_real_closes(pieces: Callable[..., Pieces], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the generated files
    published("stocks", "TSLA.csv", monkeypatch)
    assert sung(pieces("TSLA", "linear-ar")) == {}


def published(folder: str, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the files of `folder`, one of which is `file`."""
    if "BENCH_DATA" not in os.environ:
        monkeypatch.setenv("BENCH_DATA", str(SHARED / folder))
    folders = [Path(part) for part in os.environ["BENCH_DATA"].split(os.pathsep)]
    if not any([*each.glob(file), *each.glob(f"*/{file}")] for each in folders):
        pytest.skip(f"needs {file}: name its folder in BENCH_DATA")


@pytest.mark.parametrize("options", [{"bidirectional": True}, {"activation": "tanh"}, {"layers": 2}], ids=str)
def test_other_denoisers(options: dict[str, Any], pieces: Callable[..., Pieces]) -> None:
    made = _with(pieces("denoise-sine", "gru"), **options)
    assert sung(made, "causality", "permuted", "scaler", "end-to-end") == {}
    said = ask(CANARIES["causality"], made).words
    assert ("bidirectional reads the future by design" in said) == ("bidirectional" in options)


def test_sequences_that_end_early(pieces: Callable[..., Pieces]) -> None:
    made = pieces("adding", "gru", data={"count": 160, "length": 8, "shortest": 4})
    assert sung(made, "causality", "permuted", "scaler", "end-to-end") == {}


@pytest.mark.parametrize("dataset", ["digits", "denoise-sine", "adding"])
def test_a_study_of_sequences_sees_nothing_of_the_test_part(
    dataset: str, pieces: Callable[..., Pieces], tuning: Tuning
) -> None:
    made = pieces(dataset, "gru", tuning=tuning)
    assert sung(made, "causality") == {}
    before = int(ask(CANARIES["causality"], pieces(dataset, "gru")).words.split()[0])
    assert int(ask(CANARIES["causality"], made).words.split()[0]) == before + 1


def _with(pieces: Pieces, **options: Any) -> Pieces:
    model = pieces.cell.model
    entry = model.model_copy(update={"parameters": {**model.parameters, **options}})
    return replace(pieces, cell=replace(pieces.cell, model=entry))
