"""Parity, sums, recall and copying: each answer against a loop over what the sequence holds."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.algorithmic import (
    ASSOCIATIVE_RECALL,
    COPY,
    MODULAR_SUM,
    PARITY,
    AssociativeRecall,
    Copy,
    ModularSum,
    Parity,
)


def test_parity_counts_ones() -> None:
    sequences = PARITY.load(Parity(count=300, length=9), 0)
    assert set(np.unique(sequences.inputs)) == {-1.0, 1.0}
    for inputs, target in zip(sequences.inputs, sequences.targets, strict=True):
        assert int(target[0].argmax()) == sum(bit > 0 for bit in inputs[:, 0]) % 2
        assert target.sum() == 1
    assert sequences.targets[:, 0, 1].mean() == pytest.approx(0.5, abs=0.1)


def test_no_part_of_the_bits_says_anything_of_their_parity() -> None:
    sequences = PARITY.load(Parity(count=20_000, length=5), 1)
    odd = sequences.targets[:, 0, 1] - 0.5
    for left_out in range(5):
        others = np.delete(sequences.inputs[:, :, 0], left_out, axis=1)
        products = np.array([np.prod(others[:, list(chosen)], axis=1) for chosen in ((0,), (1, 2), (0, 1, 2, 3))])
        assert np.abs(products @ odd / len(odd)).max() < 0.02


def test_sums_go_round_at_five() -> None:
    sequences = MODULAR_SUM.load(ModularSum(count=300, length=7), 0)
    np.testing.assert_array_equal(sequences.inputs.sum(axis=2), 1)
    for inputs, target in zip(sequences.inputs, sequences.targets, strict=True):
        assert int(target[0].argmax()) == sum(int(row.argmax()) for row in inputs) % 5


def test_recall_gives_the_value_that_went_with_the_key() -> None:
    sequences = ASSOCIATIVE_RECALL.load(AssociativeRecall(count=500, pairs=3), 0)
    assert sequences.inputs.shape == (500, 7, 16)
    wanted = []
    for inputs, target in zip(sequences.inputs, sequences.targets, strict=True):
        tokens = [int(row.argmax()) for row in inputs]
        value_of = dict(zip(tokens[0:6:2], tokens[1:6:2], strict=True))
        assert len(value_of) == 3
        assert max(value_of) < 8 <= min(value_of.values())
        assert int(target[0].argmax()) == value_of[tokens[6]] - 8
        wanted.append(tokens[0:6:2].index(tokens[6]))
    np.testing.assert_allclose(np.bincount(wanted) / 500, [1 / 3] * 3, atol=0.08)


@pytest.mark.parametrize(("symbols", "delay"), [(1, 0), (4, 6)])
def test_copies_begin_at_the_signal(symbols: int, delay: int) -> None:
    sequences = COPY.load(Copy(count=100, symbols=symbols, delay=delay), 0)
    assert sequences.inputs.shape == sequences.targets.shape == (100, 2 * symbols + delay, 9)
    for inputs, targets in zip(sequences.inputs, sequences.targets, strict=True):
        start = int(inputs[:, 8].argmax())
        assert (start, inputs[:, 8].sum()) == (symbols + delay, 1)
        np.testing.assert_array_equal(targets[start:], inputs[:symbols])
        assert not targets[:start].any()
        assert not inputs[symbols:, :8].any()


@pytest.mark.parametrize("kind", [PARITY, MODULAR_SUM, ASSOCIATIVE_RECALL, COPY])
def test_answers_are_certain_and_seeds_give_other_sequences(kind) -> None:
    parameters = kind.parameters(count=50)
    first, same, other = (kind.load(parameters, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.best(), first.targets)
    np.testing.assert_array_equal(first.inputs, same.inputs)
    assert (first.inputs != other.inputs).any()
    assert first.inputs.shape[1] == kind.steps(parameters)
