"""Tasks on which families of architectures are proved to differ, each as many independent sequences.

Parity and the sum modulo five are regular languages that need a state for each remainder: G. Delétang et al., "Neural
networks and the Chomsky hierarchy", 2023; W. Merrill, J. Petty & A. Sabharwal, "The illusion of state in state-space
models", 2024, show which linear recurrences cannot keep one. Associative recall asks for the value that went with one
of several keys: S. Arora et al., "Zoology", 2023; a fixed state holds only so many. Copying after a delay: S.
Hochreiter & J. Schmidhuber, "Long short-term memory", 1997, and M. Arjovsky, A. Shah & Y. Bengio, "Unitary evolution
recurrent neural networks", 2016. Nothing is random in an answer, so the noise floors are 0.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from bench.array_types import FloatArray32, IntArray
from bench.data.base import DatasetKind, Sequences
from bench.data.generated import Seeded, generated_sequences, stream

MODULUS = 5
SYMBOLS = 8


class _Many(Seeded):
    count: int = Field(5000, ge=3, le=1_000_000, description="Sequences.")


def _one_hot(classes: IntArray, count: int) -> FloatArray32:
    """``[…, count]``, 1 at the class."""
    hot: FloatArray32 = (classes[..., None] == np.arange(count)).astype(np.float32)
    return hot


def _classified(inputs: FloatArray32, classes: IntArray, count: int, *, source: str, seed: int) -> Sequences:
    targets = _one_hot(classes, count)[:, None]
    return generated_sequences(
        inputs, targets, "classify", source=source, seed=seed, best=lambda: targets.astype(np.float64)
    )


class Parity(_Many):
    """Parameters of `parity`."""

    length: int = Field(40, ge=2, le=10_000, description="Bits.")


def load_parity(parameters: Parity, seed: int) -> Sequences:
    """Bits as −1 and 1, ``[N, T, 1]``; the class is the number of ones modulo 2."""
    seed = parameters.data_seed(seed)
    bits = stream(seed, "parity").integers(2, size=(parameters.count, parameters.length))
    inputs = (2 * bits - 1)[:, :, None].astype(np.float32)
    source = f"the number of ones modulo 2, {parameters.count} sequences of {parameters.length} bits"
    return _classified(inputs, bits.sum(axis=1) % 2, 2, source=source, seed=seed)


class ModularSum(_Many):
    """Parameters of `modular-sum`."""

    length: int = Field(20, ge=2, le=10_000, description="Numbers to add.")


def load_modular_sum(parameters: ModularSum, seed: int) -> Sequences:
    """Numbers 0 … 4, one-hot ``[N, T, 5]``; the class is their sum modulo 5."""
    seed = parameters.data_seed(seed)
    numbers = stream(seed, "modular-sum").integers(MODULUS, size=(parameters.count, parameters.length))
    source = f"the sum modulo {MODULUS}, {parameters.count} sequences of {parameters.length} numbers"
    return _classified(_one_hot(numbers, MODULUS), numbers.sum(axis=1) % MODULUS, MODULUS, source=source, seed=seed)


class AssociativeRecall(_Many):
    """Parameters of `associative-recall`."""

    pairs: int = Field(4, ge=2, le=SYMBOLS, description="Pairs of a key and a value; every key is another.")


def load_associative_recall(parameters: AssociativeRecall, seed: int) -> Sequences:
    """Key, value, key, value, …, and one of the keys again; the class is its value.

    ``[N, 2 pairs + 1, 16]``: a key is one of the first eight channels, a value one of the last.
    """
    seed = parameters.data_seed(seed)
    random = stream(seed, "associative-recall")
    count, pairs = parameters.count, parameters.pairs
    keys = np.argsort(random.uniform(size=(count, SYMBOLS)), axis=1)[:, :pairs]  # distinct, each as likely
    values = random.integers(SYMBOLS, size=(count, pairs))
    queried = random.integers(pairs, size=count)
    each = np.arange(count)
    tokens = np.empty((count, 2 * pairs + 1), np.int64)
    tokens[:, 0:-1:2], tokens[:, 1:-1:2], tokens[:, -1] = keys, SYMBOLS + values, keys[each, queried]
    source = f"the value of one of {pairs} keys, {SYMBOLS} keys and values, {count} sequences"
    return _classified(_one_hot(tokens, 2 * SYMBOLS), values[each, queried], SYMBOLS, source=source, seed=seed)


class Copy(_Many):
    """Parameters of `copy`."""

    symbols: int = Field(5, ge=1, le=1000, description="Symbols to remember.")
    delay: int = Field(20, ge=0, le=10_000, description="Steps between the last symbol and the signal to repeat them.")


def load_copy(parameters: Copy, seed: int) -> Sequences:
    """Symbols, nothing for a while, a signal in the last channel, nothing; from the signal on the symbols are wanted.

    ``[N, 2 symbols + delay, 9]``: eight symbols, one-hot, and the signal. The target is 0 until then.
    """
    seed = parameters.data_seed(seed)
    count, symbols = parameters.count, parameters.symbols
    steps = copied_steps(parameters)
    chosen = _one_hot(stream(seed, "copy").integers(SYMBOLS, size=(count, symbols)), SYMBOLS)
    inputs = np.zeros((count, steps, SYMBOLS + 1), np.float32)
    targets = np.zeros_like(inputs)
    inputs[:, :symbols, :SYMBOLS] = targets[:, -symbols:, :SYMBOLS] = chosen
    inputs[:, -symbols, SYMBOLS] = 1
    source = f"{symbols} of {SYMBOLS} symbols repeated after {parameters.delay} steps, {count} sequences"
    return generated_sequences(
        inputs, targets, "denoise", source=source, seed=seed, best=lambda: targets.astype(np.float64)
    )


def copied_steps(parameters: Copy) -> int:
    """The steps of a sequence."""
    return 2 * parameters.symbols + parameters.delay


PARITY = DatasetKind(
    "whether a bit string has an odd number of ones",
    Parity,
    load_parity,
    task="classify",
    steps=lambda parameters: parameters.length,
    values=(1, 2),
)
MODULAR_SUM = DatasetKind(
    "the sum of numbers modulo 5",
    ModularSum,
    load_modular_sum,
    task="classify",
    steps=lambda parameters: parameters.length,
    values=(MODULUS, MODULUS),
)
ASSOCIATIVE_RECALL = DatasetKind(
    "the value that went with one of several keys",
    AssociativeRecall,
    load_associative_recall,
    task="classify",
    steps=lambda parameters: 2 * parameters.pairs + 1,
    values=(2 * SYMBOLS, SYMBOLS),
)
COPY = DatasetKind("symbols to be repeated after a delay", Copy, load_copy, task="denoise", steps=copied_steps)
