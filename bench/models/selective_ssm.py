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

All coefficients and states of (2) at once, ``T · E · N`` of each, cost more as memory than as arithmetic. So the steps
are walked, √T of the states are kept, and the way back computes the others again, as the authors' kernel does (section
3.3.2). Members of a bank whose states exceed a core's cache together are walked one after another, for the same reason.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from bench.models.base import Shape
from bench.models.causal import Causal, only_last
from bench.models.state_parameters import SelectiveSSMParameters

_SHORTEST_STEP, _LONGEST_STEP = 0.001, 0.1
_CACHED_STATES = 65536
"""So many states are a quarter of a mebibyte in float32: a few such arrays fit into the second cache of a core."""


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
        self.A = nn.Parameter(torch.log(torch.arange(1.0, states + 1)).unsqueeze(1).repeat(1, inner))
        self.D = nn.Parameter(torch.ones(inner))

    def forward(self, u: Tensor) -> Tensor:
        """All outputs."""
        low_rank, B, C = self.select(u).split([self.rank, self.states, self.states], dim=-1)
        step = functional.softplus(self.step(low_rank))  # (1), [B, T, E]
        return _selective_scan(step, step * u, -self.A.exp(), B, C)[0] + self.D * u  # (3)


class _SelectiveScan(torch.autograd.Function):
    """``(Δ, Δu, A, B, C) -> C_tᵀ x_t``: (2) and the first term of (3), with first derivatives only.

    Δ and Δu are ``[…, T, E]``, B and C ``[…, T, N]``; A is ``[N, E]``, or has as many dimensions as the states
    ``[…, N, E]``.
    """

    @staticmethod
    def forward(step: Tensor, driven: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs ``[…, T, E]``, and the state before each first step of a piece, ``[pieces, …, N, E]``."""
        pieces = -(-step.shape[-2] // _piece_length(step))
        outputs, starts = torch.empty_like(step), step.new_empty(pieces, *step.shape[:-2], *A.shape[-2:])
        for rows in _together(step, A):
            given = (each[rows] for each in (step, driven, A, B, C))
            _walk(_Given(*given), outputs[rows], starts[:, rows])
        return outputs, starts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor | None, _of_starts: None) -> tuple[Tensor | None, ...]:
        if upstream is None:
            return (None,) * 5
        *given, starts = ctx.saved_tensors
        gradients = [torch.empty_like(each) for each in given]
        for rows in _together(given[0], given[2]):
            own, of_own = (_Given(*(each[rows] for each in tensors)) for tensors in (given, gradients))
            _walk_back(own, starts[:, rows], upstream[rows], of_own)
        return tuple(gradients)

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], *tensors: Tensor) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
        step, driven, A, B, C = (
            each.expand(info.batch_size, *each.shape) if dimension is None else each.movedim(dimension, 0)
            for each, dimension in zip(tensors, in_dims, strict=True)
        )
        A = A.view(len(A), *[1] * (step.ndim - A.ndim), *A.shape[1:])
        return _selective_scan(step, driven, A, B, C), (0, 1)


_selective_scan: Callable[..., tuple[Tensor, ...]] = _SelectiveScan.apply


class _Given(NamedTuple):
    """What the scan reads, or the gradients to it."""

    step: Tensor
    driven: Tensor
    A: Tensor
    B: Tensor
    C: Tensor


def _together(step: Tensor, A: Tensor) -> list[Any]:
    """The parts, by their first dimension, that are walked at once."""
    if A.ndim == 2 or step.device.type != "cpu":
        return [...]
    count = max(1, _CACHED_STATES // (step[0, ..., 0, :].numel() * A.shape[-2]))
    return [slice(first, first + count) for first in range(0, len(step), count)]


def _piece_length(step: Tensor) -> int:
    return math.isqrt(step.shape[-2] - 1) + 1  # √T rounded up: as many pieces as steps in a piece


def _walk(given: _Given, outputs: Tensor, starts: Tensor) -> None:
    """Write all outputs, and the states before the pieces."""
    step, driven, A, B, C = given
    length, x = _piece_length(step), torch.zeros_like(starts[0])
    kept = torch.empty_like(x)  # written anew in each step: fresh memory would cost more than the arithmetic
    for t in range(step.shape[-2]):
        if t % length == 0:
            starts[t // length] = x
        torch.mul(step[..., t, None, :], A, out=kept).exp_()
        x.mul_(kept).addcmul_(B[..., t, :, None], driven[..., t, None, :])
        outputs[..., t, :] = (C[..., t, None, :] @ x).squeeze(-2)


def _walk_back(given: _Given, starts: Tensor, upstream: Tensor, gradients: _Given) -> None:
    """Write all gradients: of a state, what the output takes from it, and what the next state keeps of it."""
    step, driven, A, B, C = given
    of_step, of_driven, of_A, of_B, of_C = gradients
    of_x, of_rates = torch.zeros_like(starts[0]), torch.zeros_like(starts[0])
    product, length = torch.empty_like(of_x), _piece_length(step)
    kept, states = (of_x.new_empty(length + extra, *of_x.shape) for extra in (0, 1))
    for piece in reversed(range(len(starts))):
        steps = range(piece * length, min((piece + 1) * length, step.shape[-2]))
        states[0] = starts[piece]
        for k, t in enumerate(steps):
            torch.mul(step[..., t, None, :], A, out=kept[k]).exp_()
            torch.mul(kept[k], states[k], out=states[k + 1]).addcmul_(B[..., t, :, None], driven[..., t, None, :])
        for k, t in reversed([*enumerate(steps)]):
            wanted = upstream[..., t, None, :]
            of_x.addcmul_(C[..., t, :, None], wanted)
            of_C[..., t, :] = torch.mul(states[k + 1], wanted, out=product).sum(-1)
            of_B[..., t, :] = torch.mul(of_x, driven[..., t, None, :], out=product).sum(-1)
            of_driven[..., t, :] = (B[..., t, None, :] @ of_x).squeeze(-2)
            of_x.mul_(kept[k])
            torch.mul(of_x, states[k], out=product)  # the gradient of the exponent Δ A
            of_rates.addcmul_(product, step[..., t, None, :])
            of_step[..., t, :] = product.mul_(A).sum(-2)
    of_A.copy_(of_rates.sum_to_size(A.shape))


class DepthwiseConvolution(nn.Module):
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
    """``[B, T, width]`` to the same shape, or to ``[B, 1, width]``, the last step, where `last_only`."""

    def __init__(self, parameters: SelectiveSSMParameters, *, last_only: bool = False) -> None:
        super().__init__()
        self.last_only = last_only
        width, inner = parameters.hidden_size, parameters.expand * parameters.hidden_size
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.widen = nn.Linear(width, 2 * inner, bias=False)
        self.convolution = DepthwiseConvolution(inner, parameters.kernel_size)
        self.system = SelectiveSSM(inner, parameters.state_size, parameters.rank)
        self.narrow = nn.Linear(inner, width, bias=False)

    def forward(self, v: Tensor) -> Tensor:
        """The block with its residual connection."""
        u, gate = self.widen(self.norm(v)).chunk(2, dim=-1)  # (4)
        y = self.system(functional.silu(self.convolution(u)))
        if self.last_only:
            v, y, gate = (each[..., -1:, :] for each in (v, y, gate))
        output: Tensor = v + self.narrow(y * functional.silu(gate))  # (5)
        return output


def build(parameters: SelectiveSSMParameters, shape: Shape) -> Causal:
    """A linear encoder of each step, blocks, and a last normalisation."""
    width, top = parameters.hidden_size, parameters.layers - 1
    blocks = [Block(parameters, last_only=k == top and only_last(shape)) for k in range(parameters.layers)]
    layers = nn.Sequential(nn.Linear(shape.channels, width), *blocks, nn.RMSNorm(width, eps=1e-5))
    return Causal(layers, width, shape)
