"""The documented recipe reruns stored replicates from their rows alone, with NumPy and torch."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from bench.cells import Cell
from bench.data import DATASETS
from bench.models import MODELS
from bench.running.cell import run_cell
from bench.spec import AsPublished, Entry, Split, Training

RECIPE = Path(__file__).parents[2] / "docs" / "rerun.md"


@pytest.fixture(scope="module")
def rerun():
    """The function of the document's first program, which imports nothing of bench."""
    program = re.findall(r"```python\n(.*?)```", RECIPE.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    nodes = list(ast.walk(ast.parse(program)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported == {"hashlib", "json", "numpy", "torch"}
    names: dict[str, object] = {}
    exec(compile(program, str(RECIPE), "exec"), names)
    return names["rerun"]


def cell(dataset, model="rnn", *, data=None, units=8, length=20, **changes):
    """As the systems of the shipped suite are, with fewer units and epochs."""
    parameters = DATASETS[dataset].parameters(**(data or {})).model_dump(mode="json")
    values = {
        "suite": "s",
        "dataset": Entry(id="data", kind=dataset, parameters=parameters),
        "model": Entry(id=model, kind=model, parameters=MODELS[model].parameters(hidden_size=units).model_dump()),
        "sequence_length": length,
        "horizon": 1,
        "seeds": 3,
        "seed": 0,
        "split": Split(validation=0.1, test=0.2),
        "training": Training(epochs=5, learning_rate=0.01, batch_size=32, early_stopping=False),
        "tuning": None,
    }
    return Cell(**{**values, **changes})


FULL = Training(epochs=15, learning_rate=0.01, batch_size="all", early_stopping=False, clip_norm=None)
SINE = {"length": 500, "stop": 100.0}
CELLS = {
    "T01": lambda: cell(
        "noisy-sine",
        length=30,
        fresh_data=True,
        training=FULL.model_copy(update={"scaler": "symmetric"}),
        as_published=AsPublished(scaler="series", windows="minus-one", validation="none", order="in-order"),
    ),
    "T05": lambda: cell(
        "sine",
        data=SINE,
        training=FULL,
        as_published=AsPublished(scaler="series", split="windows", validation="none", order="in-order"),
    ),
    "T15": lambda: cell(
        "sine",
        data={"length": 500, "stop": 12.566370614359172, "precision": "float32"},
        training=FULL.model_copy(update={"scaler": "none"}),
        as_published=AsPublished(split="none", validation="none", order="in-order"),
    ),
    "T04's split and Keras's epsilon": lambda: cell(
        "random",
        training=FULL.model_copy(update={"epsilon": 1e-7}),
        as_published=AsPublished(split="apart", windows="minus-one", validation="none"),
    ),
    "protocol, lstm": lambda: cell("noisy-sine", "lstm"),
    "a budget in steps, one-cycle": lambda: cell(
        "noisy-sine",
        "gru",
        training=Training(
            steps=57, validate_every=9, schedule="one-cycle", learning_rate=0.01, batch_size=32, early_stopping=False
        ),
    ),
    "a budget in steps, cosine, in order": lambda: cell(
        "sine",
        data=SINE,
        training=Training(steps=60, schedule="cosine", learning_rate=0.01, batch_size=64, early_stopping=False),
        as_published=AsPublished(validation="watched", order="in-order"),
    ),
    "protocol, gru": lambda: cell("sine", "gru", data=SINE, training=FULL.model_copy(update={"clip_norm": 1.0})),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_replicate_is_rerun_from_its_row_alone(name, rerun):
    rows = run_cell(CELLS[name]())
    curves, predictions = (rows[table].to_pandas() for table in ("curves", "predictions"))
    for row in rows["runs"].to_pylist()[1:]:  # the first has the suite's own seed everywhere
        assert row["status"] == "ok"
        losses, predicted = rerun({name: row[name] for name in ("spec", "seed", "data_seed")})
        stored = curves[curves["seed"] == row["seed"]].sort_values("epoch")["train_loss"]
        np.testing.assert_allclose(losses, stored, rtol=2e-5)
        own = predictions[predictions["seed"] == row["seed"]].sort_values("index")
        np.testing.assert_allclose(predicted, own["prediction"], atol=2e-4)
        assert np.mean((predicted - own["truth"]) ** 2) == pytest.approx(row["mse"], rel=1e-3)
