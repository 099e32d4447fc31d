"""Claims that a system's own printed numbers and cells decide, from made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.replication.systems import Published
from bench.stats.claims import ClaimOutcome

SEEDS = 20
LEVELS = np.linspace(0.9, 1.1, SEEDS)


def decided(made, test, rows, better=None, **printed):
    published = Published(**printed, claims=made.claim(test).claims)
    return made.one([made.system(published=published)], rows, better).claims[0]


@pytest.mark.parametrize(
    ("printed", "held", "said"),
    [
        ({10: 0.0417, 20: 0.0979, 30: 0.0161}, ClaimOutcome.FAILS, "0.0417 at epoch 10, 0.0979 at epoch 20"),
        ({10: 0.0417, 20: 0.0417, 30: 0.0161}, ClaimOutcome.HOLDS, "no printed loss is larger than the one before"),
    ],
)
def test_a_loss_falls_steadily_where_no_printed_number_rises(made, printed, held, said):
    rows = made.Rows().cell("S1", "rnn as published", curve={10: 0.3, 20: 0.2, 30: 0.1})
    found = decided(made, "falling-loss", rows, train_loss=printed)
    assert found.outcome is held
    assert found.cases[0][2] == f"{said}; of our 20 replicates 20 never rise at these epochs"


@pytest.mark.parametrize(
    ("error", "held"), [(0.11, ClaimOutcome.HOLDS), (0.9, ClaimOutcome.FAILS), (0.2, ClaimOutcome.INCONCLUSIVE)]
)
def test_overfitting_shows_in_a_test_error_of_twice_the_training_loss(made, error, held):
    wobble = np.exp(np.random.default_rng(0).normal(0, 0.2, SEEDS))
    rows = made.Rows().cell("S1", "rnn as published", curve={10: 0.1}, mse_scaled=error * wobble * LEVELS)
    found = decided(made, "no-overfitting", rows, train_loss={10: 0.1})
    assert found.outcome is held
    assert found.cases[0][2].startswith(f"the test error is {np.exp(np.log(10 * error * wobble).mean()):.3g} [")


@pytest.mark.parametrize(
    ("better", "held"),
    [(ClaimOutcome.HOLDS, ClaimOutcome.HOLDS), (ClaimOutcome.FAILS, ClaimOutcome.FAILS)],
)
def test_a_forecast_works_where_it_beats_persistence(made, better, held):
    rows = made.Rows().cell("S1", "rnn as described")
    found = decided(made, "beats-persistence", rows, {"S1-rnn as described": better})
    assert found.outcome is held
    assert found.cases[0][2].startswith("RMSE 1.002, persistence 2,")


@pytest.mark.parametrize(("parameters", "held"), [(641, ClaimOutcome.HOLDS), (642, ClaimOutcome.FAILS)])
def test_a_second_direction_doubles_the_parameters_of_the_layers_and_the_output(made, parameters, held):
    """torch: nn.RNN(1, 16) has 304, both directions 608; nn.Linear(32, 1) has 33."""
    shapes = {"train_inputs": [9, 20, 1], "train_targets": [9, 1, 1], "outputs": [9, 20, 32]}
    rows = made.Rows().cell("S1", "rnn as described", parameters=parameters, shapes=json.dumps(shapes))
    for row in rows.rows["runs"]:
        own = {"hidden_size": 16, "layers": 1, "bidirectional": True}
        row["spec"] = json.dumps({"model": {"kind": "rnn", "parameters": own}})
    found = decided(made, "doubled", rows)
    assert found.outcome is held
    assert found.cases[0][2] == f"parameters of the layers 304 and {parameters - 33}, output size 16 and 32"
