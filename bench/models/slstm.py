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
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
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
        steps_first = x.transpose(0, 1)
        inputs = steps_first.flatten(0, 1) @ self.W + self.b  # [heads, T · B, 4 · size]
        inputs = inputs.unflatten(1, steps_first.shape[:2]).transpose(0, 1)
        h: Tensor = _walked(inputs, self.R)[0]
        return h.permute(2, 0, 1, 3).flatten(2)


class _Walk(torch.autograd.Function):
    """``(inputs, R) -> h`` and what the way back needs, with first derivatives only.

    The inputs, ``W x + b``, are ``[T, …, heads, B, 4 · size]``, R is ``[…, heads, size, 4 · size]`` and all others are
    ``[T, …, heads, B, size]``. Written out, since autograd's record of a dozen small operations in each step costs
    several times the operations.
    """

    @staticmethod
    def forward(inputs: Tensor, R: Tensor) -> tuple[Tensor, ...]:
        gates = inputs.clone(memory_format=torch.contiguous_format)
        h, c, n, slopes = (gates.new_empty(*gates.shape[:-1], R.shape[-2]) for _ in range(4))
        m = torch.full_like(h[0], -torch.inf)
        for t, now in enumerate(gates):
            if t > 0:
                now.add_(h[t - 1] @ R)
            z, i, f, o = now.chunk(4, dim=-1)
            torch.sigmoid(-f, out=slopes[t])  # d ln σ(f) / df
            log_f = functional.logsigmoid(f).add_(m)
            torch.maximum(log_f, i, out=m)  # (5)
            torch.sub(log_f, m, out=f).exp_()  # (6); in the first step 0
            i.sub_(m).exp_()
            torch.mul(i, z.tanh_(), out=c[t])
            n[t] = i
            if t > 0:
                c[t].addcmul_(f, c[t - 1])  # (1)
                n[t].addcmul_(f, n[t - 1])  # (2)
            torch.mul(o.sigmoid_(), c[t], out=h[t]).div_(n[t])  # (3)
        return h, c, n, gates, slopes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(inputs[1], *output)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor | None, *_others: None) -> tuple[Tensor | None, Tensor | None]:
        """The chain rule through (3), (1), (2), (4) and (6) with m constant, from the last step to the first."""
        if upstream is None:
            return None, None
        R, h, c, n, gates, slopes = ctx.saved_tensors
        of_gates = torch.empty_like(gates)
        of_c, of_n = torch.zeros_like(c[0]), torch.zeros_like(n[0])
        for t in reversed(range(len(h))):
            z, i, f, o = gates[t].chunk(4, dim=-1)
            of_z, of_i, of_f, of_o = of_gates[t].chunk(4, dim=-1)
            of_h = upstream[t] if t + 1 == len(h) else upstream[t] + of_gates[t + 1] @ R.mT
            scaled = of_h / n[t]
            of_c.addcmul_(scaled, o)
            of_n.addcmul_(scaled, h[t], value=-1)
            torch.mul(of_h, h[t], out=of_o)
            of_o.addcmul_(of_o, o, value=-1)
            torch.addcmul(of_n, of_c, z, out=of_i).mul_(i)
            torch.mul(of_c, i, out=of_z)
            of_z.addcmul_(of_z * z, z, value=-1)
            if t == 0:  # before which there is nothing to forget
                of_f.zero_()
                continue
            torch.mul(of_c, c[t - 1], out=of_f).addcmul_(of_n, n[t - 1]).mul_(f).mul_(slopes[t])
            of_c.mul_(f)
            of_n.mul_(f)
        return of_gates, torch.einsum("t...bs,t...bg->...sg", h[:-1], of_gates[1:])

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], inputs: Tensor, R: Tensor) -> tuple[tuple[Tensor, ...], Any]:
        own = [
            tensor.expand(info.batch_size, *tensor.shape) if dimension is None else tensor.movedim(dimension, 0)
            for tensor, dimension in zip((inputs, R), in_dims, strict=True)
        ]
        return _walked(own[0].transpose(0, 1), own[1]), (1,) * 5


_walked: Callable[..., tuple[Tensor, ...]] = _Walk.apply


def build(parameters: SLSTMParameters, shape: Shape) -> Causal:
    """Layers of sLSTM, linear on their last states."""
    size = parameters.hidden_size
    widths = [shape.channels] + [size] * parameters.layers
    layers = [SLSTM(inputs, size, parameters.heads) for inputs in widths[:-1]]
    return Causal(nn.Sequential(*layers), size, shape)
