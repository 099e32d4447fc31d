"""A pretrained model as a forecaster: Fracast-0, whose weights come in its wheel (``pip install fracast``).

Nothing is trained on the series; `fit` loads the weights. Each origin has the last 2048 points before it as context.
"""

import numpy as np
from fracast import FracastModel


class ZeroShot:
    """The median forecast of each channel by itself (github.com/ztxtech/fracast-0, 85 001 parameters)."""

    several_channels = True
    stochastic = False

    def fit(self, history, validation, *, seed, budget):
        """Load the weights from the installed package."""
        self.model = FracastModel.from_pretrained()

    def predict(self, history, origins, horizon):
        """``[N, H, D]``; the contexts of 64 origins are one batch, padded in front with NaN for "not observed"."""
        length, channels = min(self.model.context_length, len(history)), history.shape[1]
        padded = np.concatenate([np.full((length, channels), np.nan), history])
        contexts = np.stack([padded[origin : origin + length].T for origin in origins])  # [N, D, length]
        rows, middle = contexts.reshape(-1, length), self.model.quantiles.index(0.5)
        pieces = np.array_split(rows, -(-len(rows) // 64))
        quantiles = [self.model.forecast_batch(each, horizon=horizon) for each in pieces]  # [n, H, 9]
        return np.concatenate(quantiles)[..., middle].reshape(len(origins), channels, horizon).swapaxes(1, 2)

    def parameter_count(self) -> int:
        """Numbers in its weights."""
        modules = (self.model.core, self.model.head)
        return sum(weight.numel() for module in modules for weight in module.parameters())
