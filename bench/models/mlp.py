"""Multi-layer perceptron: the whole window at once, without regard to the order of its steps.

Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986, with the rectifier of Glorot,
Bordes & Bengio, "Deep sparse rectifier neural networks", 2011, in place of the logistic function. All steps of the
horizon are outputs of one network (direct multi-step forecasting).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.layers import Dropout, Head
from bench.models.parameters import MLPParameters


class Perceptron(nn.Module):
    """Linear maps from each of `sizes` to the next; `activation` and then dropout after each of them."""

    def __init__(self, sizes: Sequence[int], activation: Callable[[Tensor], Tensor], dropout: float = 0.0) -> None:
        super().__init__()
        self.maps = nn.ModuleList(Linear(a, b) for a, b in pairwise(sizes))
        self.activation, self.dropout = activation, Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map the last dimension."""
        for each in self.maps:
            x = self.dropout(self.activation(each(x)))
        return x


class MLP(nn.Module):
    """Hidden layers of rectified units over all `T · C` values of the window, and a linear map."""

    stackable = True

    def __init__(self, parameters: MLPParameters, shape: Shape) -> None:
        super().__init__()
        inputs, hidden = shape.sequence_length * shape.channels, parameters.hidden_size
        self.hidden = Perceptron([inputs, *[hidden] * parameters.layers], functional.relu, parameters.dropout)
        self.head = Head(hidden, shape)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, D]``."""
        output: Tensor = self.head(self.hidden(x.flatten(-2)))
        return output
