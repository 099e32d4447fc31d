from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.canary.pieces import CheckBudget, Pieces
from bench.cells import Cell
from bench.data import DATASETS
from bench.data.base import Sequences
from bench.data.pinned import PINNED, Pinned
from bench.models import MODELS
from bench.models.base import ModelKind
from bench.models.parameters import NoParameters
from bench.protocol.prepare import load_data
from bench.spec import Entry, Split, Training, Tuning

BUDGET = CheckBudget(epochs=2, windows_per_epoch=64, trials=2, rounds=2, test_points=150)
PRICES = "TSLA", "GOOGL", "DJI", "A", "GOOG"
LENGTH = 160
SEQUENCES = 600

Make = Callable[..., Pieces]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of closes for every stock, and one of the user's own."""
    folder = tmp_path_factory.mktemp("prices")
    dates = np.datetime64("2020-01-01") + np.arange(LENGTH)
    for number, name in enumerate([*PRICES, "mine"]):
        closes = 100 * np.exp(np.cumsum(np.random.default_rng(number).normal(0, 0.02, LENGTH)))
        rows = [f"{date},{close:.6f}" for date, close in zip(dates, closes, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["Date,Close", *rows, ""]))
    return folder


@pytest.fixture
def stocks(prices: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The registered stocks read those files."""
    for name in PRICES:
        sha256 = hashlib.sha256((prices / f"{name}.csv").read_bytes()).hexdigest()
        monkeypatch.setitem(PINNED, name, Pinned(file=f"{name}.csv", address="", sha256=sha256))
    monkeypatch.setenv("BENCH_DATA", str(prices))
    return prices


def data_parameters(name: str, folder: Path) -> dict[str, Any]:
    """Parameters that make the dataset `name` short."""
    if name == "file":
        return {"path": str(folder / "mine.csv"), "column": "Close"}
    if name == "oscillator":
        return {"every": 120}
    if name in SHORT:
        return SHORT[name]
    return {} if name in PRICES or DATASETS[name].fingerprint else {"length": LENGTH}


SHORT: dict[str, dict[str, Any]] = {
    "adding": {"count": 160, "length": 8},
    "denoise-sine": {"count": 160, "length": 12},
    "parity": {"count": 160, "length": 8},
    "modular-sum": {"count": 160, "length": 6},
    "associative-recall": {"count": 160, "pairs": 3},
    "copy": {"count": 160, "symbols": 2, "delay": 4},
    "digits": {},
    "mnist": {},
}


@pytest.fixture
def pieces(stocks: Path) -> Make:
    """Pieces of a small cell."""

    def make(
        dataset: str = "noisy-sine", model: str = "linear-ar", *, data: dict[str, Any] | None = None, **changes: Any
    ) -> Pieces:
        settings = {"hidden_size": 6} if "hidden_size" in MODELS[model].parameters.model_fields else {}
        given = data_parameters(dataset, stocks) if data is None else data
        values = {
            "suite": "t",
            "dataset": _entry(dataset, DATASETS[dataset].parameters, given),
            "model": _entry(model, MODELS[model].parameters, settings),
            "sequence_length": _steps(dataset, given),
            "horizon": 1,
            "seeds": 3,
            "seed": 0,
            "split": Split(validation=0.1, test=0.3),
            "training": Training(epochs=5, learning_rate=0.01, batch_size=16),
            "tuning": None,
        }
        cell = Cell(**values | changes)
        return Pieces(cell, partial(_cut_small, partial(load_data, cell)), BUDGET)

    return make


def _steps(dataset: str, given: dict[str, Any]) -> int:
    """Sequences have their own length."""
    kind = DATASETS[dataset]
    return 6 if kind.steps is None else kind.steps(kind.parameters(**given))


def _cut_small(load: Callable[[], Any]) -> Any:
    """At most the first `SEQUENCES`, and a test part out of those."""
    source = load()
    if not isinstance(source, Sequences) or len(source) <= SEQUENCES:
        return source
    inputs, targets = source.inputs[:SEQUENCES], source.targets[:SEQUENCES]
    return replace(source, inputs=inputs, targets=targets, best=None, test=None)


def _entry(name: str, kind: Any, given: dict[str, Any]) -> Entry:
    return Entry(id=name, kind=name, parameters=kind(**given).model_dump(mode="json"), stated=tuple(given))


@pytest.fixture
def tuning() -> Tuning:
    return Tuning(trials=20, sampler="random", pruner="none")


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that leak are registered under their names."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "fakes")
    tasks = frozenset(("forecast", "denoise", "classify"))
    for name in ("Centred", "Peeking", "Tracing", "Backwards", "Together", "Answering"):
        kind = ModelKind(
            f"leaks: {name}", NoParameters, f"leaky_models:{name}", gradient=name != "Tracing", tasks=tasks
        )
        monkeypatch.setitem(MODELS, name, kind)
