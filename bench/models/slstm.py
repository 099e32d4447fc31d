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
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

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
        inputs = x.flatten(0, 1) @ self.W + self.b  # [heads, B · T, 4 · size]
        steps = inputs.unflatten(1, x.shape[:2]).unbind(2)
        h = c = n = torch.zeros_like(steps[0][..., : self.size])  # [heads, B, size]
        m = torch.full_like(h, -torch.inf)
        states = []
        for given in steps:
            z, i, f, o = (given + h @ self.R).chunk(4, dim=-1)
            log_f = functional.logsigmoid(f)
            before, m = m, torch.maximum(log_f + m, i).detach()  # (5)
            take, keep = torch.exp(i - m), torch.exp(log_f + before - m)  # (6)
            c = torch.addcmul(take * z.tanh(), keep, c)  # (1)
            n = torch.addcmul(take, keep, n)  # (2)
            h = o.sigmoid() * c / n  # (3)
            states.append(h)
        return torch.stack(states, dim=2).permute(1, 2, 0, 3).flatten(2)


def build(parameters: SLSTMParameters, shape: Shape) -> Causal:
    """Layers of sLSTM, linear on their last states."""
    size = parameters.hidden_size
    widths = [shape.channels] + [size] * parameters.layers
    layers = [SLSTM(inputs, size, parameters.heads) for inputs in widths[:-1]]
    return Causal(nn.Sequential(*layers), size, shape)
