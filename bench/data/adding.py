"""The adding problem: the sum of two marked numbers in a long sequence.

S. Hochreiter & J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, experiment 4; with the numbers
in [0, 1] and one marker in each half, as in Q. V. Le, N. Jaitly & G. E. Hinton, "A simple way to initialize recurrent
networks of rectified linear units", 2015, and M. Arjovsky, A. Shah & Y. Bengio, "Unitary evolution recurrent neural
networks", 2016.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from bench.data.base import DatasetKind, Sequences
from bench.data.generated import Seeded, generated_sequences, stream


class Adding(Seeded):
    """Parameters of `adding`."""

    count: int = Field(2000, ge=3, le=1_000_000, description="Sequences.")
    length: int = Field(50, ge=2, le=10_000, description="Steps of the longest.")
    shortest: int | None = Field(
        None, ge=2, description="Steps of the shortest: lengths are uniform from here; null for one length."
    )

    @model_validator(mode="after")
    def _shortest_is_shorter(self) -> Adding:
        if self.shortest is not None and self.shortest > self.length:
            raise ValueError(f"expected shortest ≤ length, got {self.shortest} and {self.length}: lower shortest")
        return self


def load(parameters: Adding, seed: int) -> Sequences:
    """Channel 0 holds U(0, 1), channel 1 marks one step in each half with 1; the target is the sum of those two values.

    Always to say 1 has the mean squared error 1/6, the variance of the sum; the noise floor is 0.
    """
    seed = parameters.data_seed(seed)
    random = stream(seed, "adding")
    count, length = parameters.count, parameters.length
    numbers = random.uniform(size=(count, length)).astype(np.float32)
    lengths = random.integers(parameters.shortest or length, length, size=count, endpoint=True)
    half = lengths // 2
    marked = np.stack([random.integers(half), random.integers(half, lengths)], axis=1)  # [N, 2]
    markers = np.zeros_like(numbers)
    np.put_along_axis(markers, marked, 1.0, axis=1)
    inputs = np.stack([numbers, markers], axis=2)
    inputs[np.arange(length) >= lengths[:, None]] = np.nan
    targets = np.take_along_axis(numbers, marked, axis=1).sum(axis=1)[:, None, None]
    steps = f"{length}" if parameters.shortest is None else f"{parameters.shortest} … {length}"
    return generated_sequences(
        inputs,
        targets,
        "forecast",
        source=f"the sum of two marked numbers of U(0, 1), one in each half, {count} sequences of {steps} steps",
        seed=seed,
        best=lambda: targets.astype(np.float64),
    )


ADDING = DatasetKind(
    "the sum of two marked numbers in a long sequence",
    Adding,
    load,
    steps=lambda parameters: parameters.length,
    variable=lambda parameters: parameters.shortest not in (None, parameters.length),
    values=(2, 1),
)
