"""The echo-state network: a recurrent network of fixed random weights, read by ridge regression.

Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks", 2001, with the leaking rate of
Jaeger, Lukoševičius, Popovici & Siewert, "Optimization and applications of echo state networks with leaky-integrator
neurons", 2007. For each window, from ``x_0 = 0``::

    x_t = (1 − α) x_{t−1} + α tanh(W_in [1; u_t] + W x_{t−1})   (1)
    y = W_out [1; u_T; x_T]                         (2)

W_in is uniform within the input scaling. W is normal, divided by its largest absolute eigenvalue and multiplied by the
spectral radius. Only W_out is fitted, for each step of the horizon: by the ridge regression of `bench.models.linear` on
standardised states. Each replicate draws its own reservoir.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from bench.array_types import FloatArray
from bench.models.base import Batches, Shape
from bench.models.linear import LinearAR
from bench.models.parameters import LinearARParameters
from bench.models.state_parameters import EchoStateParameters


class EchoState:
    """A reservoir and its linear readout."""

    def __init__(self, parameters: EchoStateParameters, shape: Shape) -> None:
        self._parameters, self._channels = parameters, shape.channels
        features = shape.channels + parameters.reservoir_size
        readout = Shape(1, shape.horizon, features, outputs=shape.targets[1])
        self._readout = LinearAR(LinearARParameters(alpha=parameters.alpha), readout)
        self._seed = 0

    def seed(self, integer: int) -> None:
        """Choose the reservoir that is drawn."""
        self._seed = integer

    @cached_property
    def reservoir(self) -> tuple[FloatArray, FloatArray]:
        """``W_in [N, 1 + C]``, of which the first column belongs to the constant, and ``W [N, N]``."""
        settings, random = self._parameters, np.random.default_rng(self._seed)
        units = settings.reservoir_size
        inward = random.uniform(-settings.input_scaling, settings.input_scaling, size=(units, 1 + self._channels))
        inner = random.normal(size=(units, units))
        return inward, inner * (settings.spectral_radius / np.abs(np.linalg.eigvals(inner)).max())

    def fit(self, batches: Batches) -> None:
        """Fit the readout on the last states of the train windows; one pass."""

        def read() -> Iterator[tuple[FloatArray, FloatArray]]:
            for x, y in batches():
                yield self.features(x), y

        self._readout.fit(read)

    def features(self, x: FloatArray) -> FloatArray:
        """The last input and the last state, ``[B, 1, C + N]`` from ``[B, T, C]``."""
        inward, inner = self.reservoir
        driven = x @ inward[:, 1:].T + inward[:, 0]  # [B, T, N]
        state = np.zeros((len(x), len(inner)))
        leak = self._parameters.leaking_rate
        for step in range(x.shape[1]):
            state = (1 - leak) * state + leak * np.tanh(driven[:, step] + state @ inner.T)  # (1)
        return np.concatenate([x[:, -1], state], axis=1)[:, None]

    def predict(self, x: FloatArray) -> FloatArray:
        """``[B, H, D]``: (2)."""
        return self._readout.predict(self.features(x))

    def parameter_count(self) -> int:
        """Those fitted: the coefficients of the readout."""
        return self._readout.parameter_count()
