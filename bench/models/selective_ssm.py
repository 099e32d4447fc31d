"""A selective state space model: a diagonal system whose step, input and output depend on what is read (Mamba).

Gu & Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023, sections 3.2 to 3.4 and algorithm 2.
For each of `E` inner channels with `N` real states::

    B_t = Linear(u_t),  C_t = Linear(u_t),  Δ_t = softplus(Linear(Linear_R(u_t)))   (1)
    x_t = exp(Δ_t A) x_{t−1} + Δ_t B_t u_t,  A = −exp(a)   (2)
    y_t = C_tᵀ x_t + D u_t                          (3)

The input of (2) is sampled by Euler's rule, as in the authors' code. In the block, `W` widen and narrow, and a causal
convolution of a few steps goes before the system::

    u, g = W_in RMSNorm(v)                          (4)
    v + W_out (SSM(SiLU(conv(u))) ⊙ SiLU(g))        (5)

At first ``A_n = −n``, Δ lies between 0.001 and 0.1, uniform in its logarithm, and D is 1.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.models.base import Shape
from bench.models.causal import Causal
from bench.models.scan import linear_scan
from bench.models.state_parameters import SelectiveSSMParameters

_SHORTEST_STEP, _LONGEST_STEP = 0.001, 0.1


class SelectiveSSM(nn.Module):
    """The system: ``[B, T, E]`` to the same shape."""

    def __init__(self, inner: int, states: int, rank: int) -> None:
        super().__init__()
        self.rank, self.states = rank, states
        self.select = nn.Linear(inner, rank + 2 * states, bias=False)
        self.step = nn.Linear(rank, inner)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        low, high = math.log(_SHORTEST_STEP), math.log(_LONGEST_STEP)
        first = torch.exp(low + (high - low) * torch.rand(inner))
        with torch.no_grad():
            self.step.bias.copy_(first + torch.log(-torch.expm1(-first)))  # softplus of this is `first`
        self.A = nn.Parameter(torch.log(torch.arange(1.0, states + 1)).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))

    def forward(self, u: Tensor) -> Tensor:
        """All outputs."""
        low_rank, B, C = self.select(u).split([self.rank, self.states, self.states], dim=-1)
        step = functional.softplus(self.step(low_rank))  # (1), [B, T, E]
        kept = torch.exp(step.unsqueeze(-1) * -self.A.exp())  # [B, T, E, N]
        driven = (step * u).unsqueeze(-1) * B.unsqueeze(-2)
        x = linear_scan(kept.flatten(-2), driven.flatten(-2)).unflatten(-1, self.A.shape)  # (2)
        return (x @ C.unsqueeze(-1)).squeeze(-1) + self.D * u  # (3)


class CausalConvolution(nn.Module):
    """Each channel's weighted sum of the last `width` steps: ``[B, T, E]`` to the same shape."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)  # of torch.nn.Conv1d with one group for each channel
        self.weight = nn.Parameter(torch.empty(width, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """All sums; before the first step there is 0."""
        width, steps = self.weight.shape[0], x.shape[-2]
        padded = functional.pad(x, (0, 0, width - 1, 0))
        taken = [padded[..., lag : lag + steps, :] * self.weight[lag] for lag in range(width)]
        return sum(taken, self.bias)


class Block(nn.Module):
    """``[B, T, width]`` to the same shape."""

    def __init__(self, parameters: SelectiveSSMParameters) -> None:
        super().__init__()
        width, inner = parameters.hidden_size, parameters.expand * parameters.hidden_size
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.widen = nn.Linear(width, 2 * inner, bias=False)
        self.convolution = CausalConvolution(inner, parameters.kernel_size)
        self.system = SelectiveSSM(inner, parameters.state_size, parameters.rank)
        self.narrow = nn.Linear(inner, width, bias=False)

    def forward(self, v: Tensor) -> Tensor:
        """The block with its residual connection."""
        u, gate = self.widen(self.norm(v)).chunk(2, dim=-1)  # (4)
        y = self.system(functional.silu(self.convolution(u)))
        output: Tensor = v + self.narrow(y * functional.silu(gate))  # (5)
        return output


def build(parameters: SelectiveSSMParameters, shape: Shape) -> Causal:
    """A linear encoder of each step, blocks, and a last normalisation."""
    width = parameters.hidden_size
    blocks = [Block(parameters) for _ in range(parameters.layers)]
    layers = nn.Sequential(nn.Linear(shape.channels, width), *blocks, nn.RMSNorm(width, eps=1e-5))
    return Causal(layers, width, shape)
