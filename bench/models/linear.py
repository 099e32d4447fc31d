"""Linear models: ridge autoregression in closed form, and multinomial logistic regression.

The autoregression is fitted from moments: never all windows at once. Every step of the horizon has its own coefficients
over all `T · C` inputs (direct multi-step forecasting). For denoising, every step has its own coefficients over the
inputs up to it, so that it knows no more than a recurrent network at that step. With standardised inputs `z`, it
minimises mean squared error + alpha · ‖w‖². Standardising makes the forecast equivariant to a change of units, and
gives alpha the same meaning at every length of series (Hastie, Tibshirani & Friedman, *The Elements of Statistical
Learning*, 2nd edition, section 3.4.1).

The logistic regression predicts a class from the values of the window, regardless of the order of the steps.
"""

import numpy as np
from torch import Tensor, nn

from bench.array_types import FloatArray
from bench.kernels.modules import Linear
from bench.models.base import Batches, Shape
from bench.models.parameters import LinearARParameters, NoParameters, answer_steps

_ROUNDING = 1e-13
"""Variation below this share, of an input's mean or of the largest eigenvalue, is rounding and is not fitted."""


class LinearAR:
    """``y = mean_y + (x − mean_x) W``; without intercept both means are 0."""

    mean: FloatArray  # [T·C + U·D] inputs, then targets
    coefficients: FloatArray  # [T·C, U·D]; U = T to denoise, else H

    def __init__(self, parameters: LinearARParameters, shape: Shape) -> None:
        self._alpha = parameters.alpha
        self._intercept = parameters.intercept
        self._inputs = shape.sequence_length * shape.channels
        self._outputs = steps, values = answer_steps(shape), shape.targets[1]
        self._seen: list[tuple[int, slice]] = [(self._inputs, slice(0, steps * values))]  # inputs, and outputs of them
        if shape.task == "denoise":
            self._seen = [((t + 1) * shape.channels, slice(t * values, (t + 1) * values)) for t in range(steps)]

    def fit(self, batches: Batches) -> None:
        """Accumulate the moments in one pass and solve."""
        self.mean, covariance = moments(batches, centred=self._intercept)
        p = self._inputs
        scale = np.sqrt(np.diag(covariance)[:p])
        constant = scale <= _ROUNDING * np.abs(self.mean[:p])
        inverse = np.divide(1.0, scale, out=np.zeros(p), where=~constant)
        correlation, cross = inverse[:, None] * covariance[:p, :p] * inverse, inverse[:, None] * covariance[:p, p:]
        self.coefficients = np.zeros_like(cross)
        for seen, outputs in self._seen:
            solution = ridge(correlation[:seen, :seen], cross[:seen, outputs], self._alpha)
            self.coefficients[:seen, outputs] = inverse[:seen, None] * solution

    def predict(self, x: FloatArray) -> FloatArray:
        """``[B, H, D]``; to denoise ``[B, T, D]``."""
        inputs = x.reshape(len(x), -1) - self.mean[: self._inputs]
        return (inputs @ self.coefficients + self.mean[self._inputs :]).reshape(-1, *self._outputs)

    def parameter_count(self) -> int:
        """Coefficients, and an intercept for each output where there is one."""
        constants = int(self._intercept)
        return sum((outputs.stop - outputs.start) * (seen + constants) for seen, outputs in self._seen)


def moments(batches: Batches, *, centred: bool) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of inputs and targets side by side, ``[P]`` and ``[P, P]`` with ``P = T·C + U·D``.

    One pass, each batch centred on its own mean before it is squared, so that a large level costs no digits:
    Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    Where not `centred`, the means are 0 and the second moments are about 0.
    """
    count = 0
    mean, squares = np.zeros(1), np.zeros((1, 1))
    for x, y in batches():
        z = np.concatenate([x.reshape(len(x), -1), y.reshape(len(y), -1)], axis=1, dtype=np.float64)  # [B, P]
        centre = z.mean(axis=0) if centred else np.zeros(z.shape[1])
        z -= centre
        shift = centre - mean
        share = len(z) / (count + len(z))
        squares = squares + z.T @ z + np.outer(shift, shift) * (count * share)
        mean = mean + shift * share
        count += len(z)
    return mean, squares / count


def ridge(gram: FloatArray, cross: FloatArray, alpha: float) -> FloatArray:
    """Solve ``(gram + alpha I) w = cross`` by eigenvalues; the shortest solution where there are many."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > _ROUNDING * values[-1]
    inverse = np.divide(1.0, values + alpha, out=np.zeros_like(values), where=kept)
    solution: FloatArray = vectors @ (inverse[:, None] * (vectors.T @ cross))
    return solution


class LogisticRegression(nn.Module):
    """A linear map of all `T · C` inputs to the logits of the classes."""

    stackable = True

    def __init__(self, _parameters: NoParameters, shape: Shape) -> None:
        super().__init__()
        self.head = Linear(shape.sequence_length * shape.channels, shape.targets[1])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, 1, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, 1, D]``."""
        logits: Tensor = self.head(x.flatten(-2)).unsqueeze(-2)
        return logits
