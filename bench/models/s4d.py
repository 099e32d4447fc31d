"""S4D: a state space model with a diagonal state matrix for each channel, computed as a convolution.

Gu, Gupta, Goel & Ré, "On the parameterization and initialization of diagonal state space models", 2022, sections 3 and
4. Each of `H` channels is a system of `N` complex states in continuous time, in conjugate pairs, of which one half is
kept::

    x'(t) = A x(t) + B u(t),  y(t) = 2 Re(C x(t)) + D u(t)   (1)
    A = −exp(a) + i ω,  B = 1                       (2)

sampled every Δ with the input constant in between (zero-order hold)::

    x_t = exp(ΔA) x_{t−1} + A⁻¹ (exp(ΔA) − 1) u_t   (3)

which is a convolution of the input with the kernel::

    K_l = 2 Re(Σ C exp(lΔA) A⁻¹ (exp(ΔA) − 1))      (4)
    y_t = Σ_{l ≤ t} K_l u_{t−l} + D u_t             (5)

At first ``A_n = −1/2 + iπn`` (S4D-Lin), ln Δ is uniform between the logarithms of 0.001 and 0.1, C is complex normal.
The authors train Δ and A at a lower rate and without weight decay; here all weights have the rate of the suite. Around
it is the same block as around the linear recurrent unit, as theirs is; their dropout is left out.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.models.base import Shape
from bench.models.causal import Causal, gated_blocks
from bench.models.state_parameters import S4DParameters

_SHORTEST_STEP, _LONGEST_STEP = 0.001, 0.1
_DIRECT_STEPS = 256
"""Up to so many steps (5) is a matrix product, which is faster there and exactly causal; beyond, Fourier transforms."""


class S4D(nn.Module):
    """One layer: ``[B, T, H]`` to the same shape."""

    def __init__(self, parameters: S4DParameters) -> None:
        super().__init__()
        width, pairs = parameters.hidden_size, parameters.state_size // 2
        low, high = math.log(_SHORTEST_STEP), math.log(_LONGEST_STEP)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(width))
        self.log_decay = nn.Parameter(torch.full((width, pairs), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(pairs).repeat(width, 1).float())
        self.C = nn.Parameter(torch.randn(width, pairs, 2) * math.sqrt(0.5))  # complex: variance 1
        self.D = nn.Parameter(torch.randn(width))

    def kernel(self, steps: int) -> Tensor:
        """``K`` of (4), ``[H, T]``."""
        matrix = torch.complex(-self.log_decay.exp(), self.frequency)  # (2), [H, N/2]
        sampled = self.log_step.exp().unsqueeze(-1) * matrix
        taken = torch.view_as_complex(self.C) * (sampled.exp() - 1) / matrix
        lags = torch.arange(steps, device=sampled.device)
        powers = torch.exp(sampled.unsqueeze(-1) * lags)  # [H, N/2, T]
        return 2 * (taken.unsqueeze(-2) @ powers).squeeze(-2).real

    def forward(self, u: Tensor, *, last_only: bool = False) -> Tensor:
        """All outputs: (5); or the last one."""
        steps = u.shape[-2]
        if last_only:
            weighted = self.kernel(steps).flip(-1).mT * u
            return weighted.sum(-2, keepdim=True) + self.D * u[..., -1:, :]
        convolved = direct if steps <= _DIRECT_STEPS else by_transforms
        return convolved(self.kernel(steps), u) + self.D * u


def direct(kernel: Tensor, u: Tensor) -> Tensor:
    """The causal convolution of ``[B, T, H]`` with ``[H, T]``, as a product with a matrix for each channel.

    Row `t` of the matrix has ``K_{t−s}`` where the input, in reversed order, has ``u_s``.
    """
    steps = u.shape[-2]
    rows = functional.pad(kernel, (steps - 1, 0)).unfold(-1, steps, 1)  # [H, T, T]
    return (rows @ u.flip(-2).permute(2, 1, 0)).permute(2, 1, 0)


def by_transforms(kernel: Tensor, u: Tensor) -> Tensor:
    """The same by Fourier transforms of twice the length, so that nothing wraps around."""
    steps = u.shape[-2]
    product = torch.fft.rfft(u, 2 * steps, dim=-2) * torch.fft.rfft(kernel, 2 * steps).mT
    convolved: Tensor = torch.fft.irfft(product, 2 * steps, dim=-2)
    return convolved[..., :steps, :]


def build(parameters: S4DParameters, shape: Shape) -> Causal:
    """Blocks around S4D layers."""
    return gated_blocks(lambda: S4D(parameters), parameters, shape)
