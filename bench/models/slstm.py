"""sLSTM: an LSTM with exponential gates, a normaliser and heads.

Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter & Hochreiter, "xLSTM: extended long short-term
memory", 2024, section 2.2. With ``z̃, ĩ, f̃, õ = W x_t + R h_{t−1} + b``, where R connects only units of one head::

    c_t = f_t c_{t−1} + i_t z_t                     (1)
    n_t = f_t n_{t−1} + i_t                         (2)
    h_t = o_t c_t / n_t                             (3)
    z_t = tanh(z̃),  i_t = exp(ĩ),  f_t = σ(f̃),  o_t = σ(õ)   (4)

The exponential overflows, so all that (3) divides is scaled by ``exp(−m_t)``, which cancels::

    m_t = max(ln f_t + m_{t−1}, ĩ_t)                (5)
    i'_t = exp(ĩ_t − m_t),  f'_t = exp(ln f_t + m_{t−1} − m_t)   (6)

As h does not depend on m, no gradient goes through it. The largest of the weights that n adds up is 1 at each step, so
n is at least 1. The authors' other choice of f, an exponential, is left out, and so are the convolution, the group norm
and the perceptron of their block: layers lie directly on each other, as those of this package's LSTM do. The initial
weights are those of `torch.nn.LSTM`, but for f's biases, which go evenly from 3 to 6: memories of 20 to 400 steps.

The walk over the steps is a cell of `bench.kernels`, which knows one head: the recurrent weights of several are one
matrix with zeros between heads.
"""

import math

import torch
from torch import Tensor, nn

from bench.kernels.dispatch import Weights, recurrent
from bench.models.base import Shape
from bench.models.causal import Causal
from bench.models.state_parameters import SLSTMParameters


class SLSTM(nn.Module):
    """One layer: ``[B, T, C]`` to ``[B, T, hidden_size]``."""

    def __init__(self, inputs: int, hidden_size: int, heads: int) -> None:
        super().__init__()
        bound, size = 1 / math.sqrt(hidden_size), hidden_size // heads
        self.heads, self.size = heads, size
        self.W = nn.Parameter(torch.empty(heads, inputs, 4 * size).uniform_(-bound, bound))
        self.R = nn.Parameter(torch.empty(heads, size, 4 * size).uniform_(-bound, bound))
        bias = torch.empty(heads, 4, size).uniform_(-bound, bound)
        bias[:, 2] = torch.linspace(3, 6, hidden_size).view(heads, size)
        self.b = nn.Parameter(bias.flatten(1).unsqueeze(1))

    def forward(self, x: Tensor) -> Tensor:
        """All states."""
        by_state = self._by_gate(self.R)  # [4, heads, size, size]
        if self.heads > 1:
            own = torch.eye(self.heads, dtype=x.dtype, device=x.device)
            by_state = by_state.unsqueeze(3) * own[:, None, :, None]  # [4, heads, size, heads, size]
        rows = 4 * self.heads * self.size
        bias = self._by_gate(self.b).reshape(1, rows)
        weights = Weights(
            self._by_gate(self.W).reshape(1, rows, -1), by_state.reshape(1, rows, -1), bias, torch.zeros_like(bias)
        )
        states: Tensor = recurrent("slstm", x.unsqueeze(0), weights).y
        return states.squeeze(0)

    def _by_gate(self, weight: Tensor) -> Tensor:
        """``[heads, columns, 4 · size]`` as ``[4, heads, size, columns]``."""
        gates: Tensor = weight.unflatten(-1, (4, self.size))
        return gates.permute(2, 0, 3, 1)


def build(parameters: SLSTMParameters, shape: Shape) -> Causal:
    """Layers of sLSTM, linear on their last states."""
    size = parameters.hidden_size
    widths = [shape.channels] + [size] * parameters.layers
    layers = [SLSTM(inputs, size, parameters.heads) for inputs in widths[:-1]]
    return Causal(nn.Sequential(*layers), size, shape)
