"""Printed parameters and shapes, in numbers and in symbols, against layers of torch."""

from __future__ import annotations

import numpy as np
import pytest

from bench.cells import CellSpec
from bench.replication.evidence_rows import Evidence
from bench.replication.facts import facts
from bench.replication.findings import PublishedOutcome
from bench.replication.systems import Published

nn = pytest.importorskip("torch.nn")
torch = pytest.importorskip("torch")
SIZE = {"hidden_size": 16, "layers": 2, "bidirectional": True, "layer": "torch"}
SYMBOLS = {"outputs": ("N", "T", "directions · H"), "h_n": ("layers·directions", "N", "H")}


def evidence(parameters=305, *, batch=32, shapes=None, **changes):
    own = {**SIZE, **changes}
    inputs = {"train_inputs": (100, 20, 1), "train_targets": (100, 1, 1)}
    spec = {"model": {"kind": "rnn", "parameters": own}, "training": {"batch_size": batch}}
    facts = {"cell_id": "c", "dataset": "d", "model": "m", "sequence_length": 20, "horizon": 1, "task": "forecast"}
    numbers = {"parameters": np.array([float(parameters)])}
    rest = {"departures": "", "seeds": (0,), "requested": 1, "reason": "", "deterministic": False}
    return Evidence(**facts, **rest, spec=CellSpec(spec), numbers=numbers, shapes={**inputs, **(shapes or {})})


def recorded(batch, size):
    layers = nn.RNN(1, size["hidden_size"], size["layers"], batch_first=True, bidirectional=size["bidirectional"])
    outputs, h_n = layers(torch.zeros(batch, 20, 1))
    return {"outputs": tuple(outputs.shape), "h_n": tuple(h_n.shape)}


@pytest.mark.parametrize(("batch", "rows"), [(32, 32), ("all", 100), (4096, 100)])
@pytest.mark.parametrize("size", [SIZE, {**SIZE, "layers": 1}, {**SIZE, "bidirectional": False}])
def test_symbols_stand_for_what_torch_gives(batch, rows, size):
    found = list(facts(Published(shapes=SYMBOLS), evidence(batch=batch, shapes=recorded(rows, size), **size)))
    assert [finding.outcome for finding in found] == [PublishedOutcome.REPRODUCED] * 2
    assert [finding.published for finding in found] == ["[N, T, directions · H]", "[layers·directions, N, H]"]
    assert found[0].exact == f"({rows}, 20, {(1 + size['bidirectional']) * 16})"


def test_symbols_that_stand_for_something_else_cannot_be():
    (found,) = facts(Published(shapes={"outputs": ("N", "T", "H")}), evidence(shapes=recorded(32, SIZE)))
    assert found.outcome is PublishedOutcome.IMPOSSIBLE
    assert (found.published, found.exact) == ("[N, T, H]", "(32, 20, 32)")
    assert found.note == "the code gives ours, not (32, 20, 16)"


def test_symbols_without_a_value_are_not_judged():
    (found,) = facts(Published(shapes={"outputs": ("N", "T", "H")}), evidence(hidden_size=None))
    assert found.outcome is PublishedOutcome.NOT_RUN


@pytest.mark.parametrize(
    ("printed", "total", "outcome", "ours"),
    [
        ((288, 17), 305, PublishedOutcome.REPRODUCED, "288 + 17"),
        ((289, 16), 305, PublishedOutcome.IMPOSSIBLE, "288 + 17"),
        (
            (288, 17),
            321,
            PublishedOutcome.IMPOSSIBLE,
            "321",
        ),  # two bias vectors: the formulas do not add up to what was built
        (305, 305, PublishedOutcome.REPRODUCED, "305"),
    ],
)
def test_parameters_in_parts(printed, total, outcome, ours):
    keras = evidence(total, layers=1, bidirectional=False, layer="keras")
    (found,) = facts(Published(parameters=printed), keras)
    assert (found.outcome, found.exact) == (outcome, ours)


@pytest.mark.parametrize("both", [False, True])
def test_parts_are_those_of_torch(both):
    layers = nn.RNN(1, 16, 2, bidirectional=both)
    parts = [sum(p.numel() for p in module.parameters()) for module in (layers, nn.Linear((1 + both) * 16, 1))]
    (found,) = facts(Published(parameters=tuple(parts)), evidence(sum(parts), bidirectional=both))
    assert found.outcome is PublishedOutcome.REPRODUCED
    assert found.published == found.exact == f"{parts[0]} + {parts[1]}"
