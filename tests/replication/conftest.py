"""Made-up rows of published systems, whose verdicts are known."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.replication.cards import cards
from bench.replication.evidence_rows import Tables
from bench.replication.systems import Published, System
from bench.spec import Entry
from bench.store.schema import SCHEMAS, table

SEEDS = 20
LEVELS = np.linspace(0.9, 1.1, SEEDS)


def entry(name, kind="rnn", **parameters):
    return Entry(id=name, kind=kind, parameters={"hidden_size": 8, "layers": 1, **parameters})


def system(name="S1", published=None, models=("rnn",), **kinds):
    return System(
        id=name,
        title="made up",
        datasets=(Entry(id="data", kind="sine", parameters={}),),
        models=tuple(entry(model, kinds.get(model, model)) for model in models),
        published=published or Published(),
    )


class Rows:
    """Collects rows of a made-up result set."""

    def __init__(self):
        self.rows = {name: [] for name in SCHEMAS}

    def cell(self, dataset, model, *, kind="rnn", rmse=LEVELS, curve=None, seeds=SEEDS, **columns):
        key = {
            "cell_id": f"{dataset}-{model}",
            "suite": "made",
            "dataset": dataset,
            "model": model,
            "sequence_length": columns.pop("length", 20),
            "horizon": 1,
        }
        spec = json.dumps({"model": {"kind": kind, "parameters": {"hidden_size": 8, "layers": 1}}})
        shared = {"task": "forecast", "status": "ok", "reason": "", "spec": spec, "deterministic": False, **columns}
        for seed in range(seeds):
            error = float(np.broadcast_to(rmse, SEEDS)[seed])
            own = {"seed": seed, "rmse": error, "mse": error**2, "mae": error / 2, "persistence_mse": 4.0}
            own |= {"skill": 1 - error**2 / 4, "test_points": 50}
            per_seed = {name: value[seed] for name, value in shared.items() if isinstance(value, np.ndarray)}
            self.rows["runs"].append({**key, **own, **shared, **{n: float(v) for n, v in per_seed.items()}})
            for epoch, loss in (curve or {}).items():
                line = {"seed": seed, "epoch": epoch, "train_loss": float(loss * LEVELS[seed])}
                self.rows["curves"].append({**key, **line})
        return self

    def prediction(self, dataset, model, truth, predicted, *, horizon=1, persistence=None):
        key = {"cell_id": f"{dataset}-{model}", "suite": "made", "dataset": dataset, "model": model}
        known = truth if persistence is None else persistence
        by_seed = np.broadcast_to(predicted, (SEEDS, len(truth)))
        for seed in range(SEEDS):
            self.rows["predictions"] += [
                {
                    **key,
                    "sequence_length": 20,
                    "horizon": horizon,
                    "seed": seed,
                    "index": 100 + i,
                    "channel": 0,
                    "step": 1 + i % horizon,
                    "truth": float(t),
                    "prediction": float(p),
                    "persistence": float(k),
                }
                for i, (t, p, k) in enumerate(zip(truth, by_seed[seed], known, strict=True))
            ]
        return self

    def tables(self):
        return {name: table(name, rows) for name, rows in self.rows.items()}


def one(systems, rows, better=None):
    (card,) = cards(systems, Tables(rows.tables(), better))
    return card


def outcomes(card):
    return {finding.quantity: finding.outcome for run in card.runs for finding in run.all_findings}


def claim(test, *models):
    return Published.model_validate({"claims": ({"text": "said", "test": test, "models": models},)})


def reported(published, rows, models):
    return one([system(published=published, models=models)], rows).claims[0]


@pytest.fixture(scope="session")
def prediction_interval():
    """The simulation behind the published error rate of the verdicts."""
    path = Path(__file__).parents[1] / "calibration" / "prediction_interval.py"
    spec = importlib.util.spec_from_file_location("prediction_interval", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made():
    """What makes rows, and the card that comes of them."""
    return SimpleNamespace(Rows=Rows, system=system, one=one, outcomes=outcomes, claim=claim, reported=reported)
