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

All `T · E · N` coefficients and inputs of (2) at once would be memory that a step writes and reads from afar, so the
steps are walked, and only the states are kept for the way back, on which the coefficients are computed again: what the
authors' fused kernel does (section 3.3.2).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from bench.models.base import Shape
from bench.models.causal import Causal
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
        read: Tensor = _SelectiveScan.apply(step, step * u, -self.A.exp(), B, C)[0]
        return read + self.D * u  # (3)


class _SelectiveScan(torch.autograd.Function):
    """``(Δ, Δu, A, B, C) -> C_tᵀ x_t``: (2) and the first term of (3), with first derivatives only.

    Δ and Δu are ``[…, T, E]``, B and C ``[…, T, N]``; A is ``[E, N]``, or as many dimensions as the states ``[…, E, N]``.
    """

    @staticmethod
    def forward(step: Tensor, driven: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs ``[…, T, E]``, and the states ``[T, …, E, N]`` after each step."""
        states = step.new_empty(step.shape[-2], *step.shape[:-2], *A.shape[-2:])
        outputs = torch.empty_like(step)
        x = torch.zeros_like(states[0])
        for t, after in enumerate(states):
            kept = (step[..., t, :, None] * A).exp_()
            torch.mul(driven[..., t, :, None], B[..., t, None, :], out=after)
            x = after.addcmul_(kept, x)
            outputs[..., t, :] = (x @ C[..., t, :, None]).squeeze(-1)
        return outputs, states

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch's
    def backward(ctx: Any, upstream: Tensor, _of_states: Tensor) -> tuple[Tensor, ...]:
        """Walk back: the gradient of a state is what the output takes from it, and what the next state keeps of it."""
        step, driven, A, B, C, states = ctx.saved_tensors
        of_step, of_driven, of_B, of_C = (torch.empty_like(each) for each in (step, driven, B, C))
        of_x, of_A = torch.zeros_like(states[0]), torch.zeros_like(states[0])
        for t in reversed(range(len(states))):
            of_x.addcmul_(upstream[..., t, :, None], C[..., t, None, :])
            of_C[..., t, :] = (upstream[..., t, None, :] @ states[t]).squeeze(-2)
            of_B[..., t, :] = (driven[..., t, None, :] @ of_x).squeeze(-2)
            of_driven[..., t, :] = (of_x @ B[..., t, :, None]).squeeze(-1)
            of_x.mul_((step[..., t, :, None] * A).exp_())
            if t == 0:
                of_step[..., t, :] = 0
                break
            of_exponent = of_x * states[t - 1]
            of_A.addcmul_(of_exponent, step[..., t, :, None])
            of_step[..., t, :] = (of_exponent * A).sum(-1)
        return of_step, of_driven, of_A.sum_to_size(A.shape), of_B, of_C

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *tensors: Tensor) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
        members = [
            each.expand(info.batch_size, *each.shape) if dimension is None else each.movedim(dimension, 0)
            for each, dimension in zip(tensors, in_dims, strict=True)
        ]
        step, driven, A, B, C = members
        A = A.view(len(A), *[1] * (step.ndim - A.ndim), *A.shape[1:])
        return _SelectiveScan.apply(step, driven, A, B, C), (0, 1)


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
