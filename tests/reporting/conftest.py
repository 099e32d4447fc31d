from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bench.store.schema import Rows, Status, table

GRADIENT = {"rnn", "lstm", "gru"}
LIBRARIES = json.dumps({"numpy": "2.4.0", "torch": "2.13.0", "python": "3.11"})
QUALITY = {"persistence": 1.0, "linear-ar": 0.35, "rnn": 0.25, "lstm": 0.12, "gru": 0.15}
"""How much of the gap between the noise floor and persistence each model leaves; more where there is no skill."""


@dataclass(frozen=True)
class Fake:
    """A made-up result set: plausible numbers, none of them measured."""

    datasets: Sequence[str] = ("noisy-sine", "damped-multisine", "gbm")
    models: Sequence[str] = tuple(QUALITY)
    lengths: Sequence[int] = (10, 30)
    horizons: Sequence[int] = (1,)
    seeds: int = 5
    points: int = 150
    epochs: int = 40
    failures: Mapping[tuple[str, str], tuple[Status, str]] = field(default_factory=dict)
    """(dataset, model) → how every replicate of its cells ended."""
    diverged: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)
    """(dataset, model) → the replicates that diverged."""
    absent: Sequence[tuple[str, str, int]] = ()
    """(dataset, model, sequence length) of cells that were never run."""
    common: Mapping[str, Any] = field(default_factory=dict)
    """Columns of `runs` to set in every row."""

    def rows(self) -> Rows:
        made: dict[str, list[dict[str, Any]]] = {
            "runs": [],
            "trials": [],
            "curves": [],
            "predictions": [],
            "sequences": [],
        }
        for dataset in self.datasets:
            truth, best = series(dataset, self.points)
            for model in self.models:
                for length in self.lengths:
                    for horizon in self.horizons:
                        if (dataset, model, length) not in self.absent:
                            self._cell(made, (dataset, model, length, horizon), truth=truth, best=best)
        return {name: table(name, rows) for name, rows in made.items()}

    def _cell(self, made: dict[str, list[dict[str, Any]]], place: Any, *, truth: Any, best: Any) -> None:
        dataset, model, length, horizon = place
        key = {
            "cell_id": f"{abs(hash_of(place)):016x}",
            "suite": "fake",
            "dataset": dataset,
            "model": model,
            "sequence_length": length,
            "horizon": horizon,
        }
        rng = np.random.default_rng(hash_of(place))
        kind = "persistence" if "persistence" in model else "gru" if model in GRADIENT else "linear"
        spec = {
            "dataset": {"id": dataset, "kind": dataset, "parameters": {}},
            "model": {"id": model, "kind": kind, "parameters": {}},
            "split": {"validation": 0.1, "test": 0.2},
            "training": {"epochs": self.epochs, "batch_size": 64, "learning_rate": 1e-3, "early_stopping": 10},
            "tuning": {"trials": 8, "batch": 4, "sampler": "tpe"},
            "seeds": self.seeds,
        }
        shared = {**key, **ENVIRONMENT, "spec": json.dumps(spec), "task": "forecast", **self.common}
        if (dataset, model) in self.failures:
            status, reason = self.failures[dataset, model]
            made["runs"] += [
                {**shared, "seed": seed, "status": status.value, "reason": reason} for seed in range(self.seeds)
            ]
            return
        start = self.points // 5 * 4
        index = np.arange(start, self.points)
        persistence = truth[index - horizon]
        noise = rng.normal(size=(self.seeds, len(index)))
        for seed in range(self.seeds):
            if seed in self.diverged.get((dataset, model), ()):
                reason = "the loss is not finite at epoch 3; lower learning_rate"
                made["runs"].append({**shared, "seed": seed, "status": Status.DIVERGED.value, "reason": reason})
                continue
            own = 0 if model not in GRADIENT else seed
            wobble = noise[own]
            prediction = self._prediction(
                dataset, model, truth=truth, best=best, persistence=persistence, wobble=wobble
            )
            self._replicate(made, shared, seed=seed, rng=rng, series=(index, truth, best, persistence, prediction))

    def _prediction(
        self, dataset: str, model: str, *, truth: Any, best: Any, persistence: Any, wobble: Any
    ) -> np.ndarray[Any, Any]:
        if "persistence" in model:
            return persistence
        start = self.points - len(persistence)
        gap = np.sqrt(np.mean((persistence - best[start:]) ** 2))
        share = QUALITY.get(model, 0.4)
        if dataset in {"gbm", "TSLA"}:
            return persistence + 0.02 * share * truth.std() * wobble
        return best[start:] + share * (0.7 * (persistence - best[start:]) + 0.5 * gap * wobble)

    def _replicate(
        self, made: dict[str, list[dict[str, Any]]], shared: dict[str, Any], *, seed: int, rng: Any, series: Any
    ) -> None:
        index, truth, best, persistence, prediction = series
        model, length = shared["model"], shared["sequence_length"]
        target = truth[index]
        mse = float(np.mean((prediction - target) ** 2))
        reference = float(np.mean((persistence - target) ** 2))
        floor = float(np.mean((best[index] - target) ** 2)) if "TSLA" not in shared["dataset"] else None
        gradient = model in GRADIENT
        size = {"rnn": 1, "gru": 3, "lstm": 4}.get(model, 0)
        made["runs"].append(
            {
                **shared,
                "seed": seed,
                "status": "ok",
                "reason": "",
                "mse": mse,
                "rmse": mse**0.5,
                "mae": float(np.mean(np.abs(prediction - target))),
                "r2": 1 - mse / float(np.var(target)),
                "mse_scaled": mse / 4,
                "rmse_scaled": mse**0.5 / 2,
                "error_scale": 2.0,
                "persistence_mse": reference,
                "noise_floor_mse": floor,
                "skill": 1 - mse / reference,
                "learnable_fraction": (reference - mse) / (reference - floor)
                if floor is not None and reference > floor
                else None,
                "validation_mse_scaled": mse / 4 * (1.1 if length == min(self.lengths) else 1.0),
                "epochs": self.epochs if gradient else 0,
                "best_epoch": max(1, self.epochs - 8) if gradient else 0,
                "fit_s": float((0.2 + 0.3 * size) * rng.uniform(0.9, 1.1)) if gradient else 0.0008,
                "predict_s": 0.002 * (1 + size),
                "tuning_s": 12.5 * (1 + size) if gradient else None,
                "peak_memory_bytes": 310_000_000 + 9_000_000 * size,
                "parameters": 1200 * size if gradient else (length + 1 if model == "linear-ar" else 0),
                "deterministic": not gradient,
                "hyperparameters": json.dumps({"hidden_size": 32, "learning_rate": 0.0031} if gradient else {}),
                "trials": 8 if gradient else None,
                "train_windows": self.points,
                "validation_points": 15,
                "test_points": len(index),
                "data_source": f"made up: {shared['dataset']}",
                "data_sha256": f"{hash_of(shared['dataset']):064x}",
                **self.common,
            }
        )
        place = {name: shared[name] for name in ("cell_id", "suite", "dataset", "model", "sequence_length", "horizon")}
        if gradient:
            decay = np.exp(-np.arange(1, self.epochs + 1) / rng.uniform(5, 9))
            train = mse / 4 * (0.8 + 20 * decay) * np.exp(rng.normal(0, 0.05, self.epochs))
            valid = mse / 4 * (1.0 + 22 * decay) * np.exp(rng.normal(0, 0.08, self.epochs))
            made["curves"] += [
                {**place, "seed": seed, "epoch": k + 1, "train_loss": train[k], "validation_mse_scaled": valid[k]}
                for k in range(self.epochs)
            ]
        dated = "TSLA" in shared["dataset"]
        day = datetime(2019, 1, 1, tzinfo=UTC)
        made["predictions"] += [
            {
                **place,
                "seed": seed,
                "index": int(i),
                "time": (day + timedelta(days=int(i))).date().isoformat() if dated else None,
                "channel": 0,
                "step": 1 + int(i) % shared["horizon"],
                "truth": truth[i],
                "prediction": p,
                "persistence": q,
            }
            for i, p, q in zip(index, prediction, persistence, strict=True)
        ]


ENVIRONMENT = {
    "device": "cpu",
    "host": "bench-host",
    "cpu": "Example CPU @ 2.60GHz",
    "gpu": None,
    "driver": None,
    "threads": 1,
    "python": "3.11.9",
    "libraries": LIBRARIES,
    "bench_version": "0.1.0",
    "code_version": 1,
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": False,
    "deterministic_algorithms": True,
    "machine_reference_s": 0.021,
    "started_at": datetime(2025, 6, 1, 12, 0, tzinfo=UTC),
}


def hash_of(value: Any) -> int:
    """A stable number for `value`: Python's own hash of strings changes from process to process."""
    number = 7
    for byte in repr(value).encode():
        number = (number * 131 + byte) % (2**61 - 1)
    return number


def series(dataset: str, points: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A series and its best forecast."""
    rng = np.random.default_rng(hash_of(dataset))
    t = np.arange(points)
    if dataset in {"gbm", "TSLA"}:
        walk = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.02, points)))
        return walk, np.concatenate([walk[:1], walk[:-1]])
    wave = np.sin(t / 4) * np.exp(-t / (2 * points))
    return wave + rng.normal(0, 0.08, points), wave


@pytest.fixture(scope="session")
def fake() -> Callable[..., Rows]:
    """``fake(datasets=..., failures=..., ...)``: the tables of a made-up result set."""
    return lambda **options: Fake(**options).rows()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine: install Debian's package")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
