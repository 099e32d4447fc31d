"""The linear recurrent unit: a recurrence without nonlinearity, diagonal and complex, in residual blocks.

Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu & De, "Resurrecting recurrent neural networks for long sequences", 2023,
section 3. With `H` inputs `u` and `N` complex states `x`::

    λ = exp(−exp(ν) + i exp(θ))                     (1)
    x_t = λ ⊙ x_{t−1} + exp(γ) ⊙ (B u_t)            (2)
    y_t = Re(C x_t) + D ⊙ u_t                       (3)

Whatever the real weights ν, |λ| < 1 and the recurrence is stable. At first, λ lies uniformly in the ring between the
radii `r_min` and `r_max`, at angles up to `max_phase`, and γ makes all states equally large on white noise::

    |λ|² ~ U(r_min², r_max²),  arg λ ~ U(0, max_phase)   (4)
    exp(γ) = √(1 − |λ|²)                            (5)

Around it is the authors' block: layer normalisation, the unit, GELU, a gated linear unit, and a residual connection;
their dropout is left out.
"""

import math

import torch
from torch import Tensor, nn

from bench.models.base import Shape
from bench.models.causal import Causal, gated_blocks
from bench.models.scan import linear_scan
from bench.models.state_parameters import LRUParameters


class LRU(nn.Module):
    """One unit: ``[B, T, H]`` to the same shape.

    B and C are kept as real numbers, real and imaginary part of each next to each other; C with the imaginary part's
    sign changed, so that (3) is one product.
    """

    def __init__(self, parameters: LRUParameters) -> None:
        super().__init__()
        width, states = parameters.hidden_size, parameters.state_size
        low, high = parameters.r_min**2, parameters.r_max**2
        square = low + (high - low) * torch.rand(states)  # |λ|², (4)
        self.nu = nn.Parameter(torch.log(-0.5 * torch.log(square)))
        # 1 − U(0, 1) is never 0, whose logarithm would be infinite
        self.theta = nn.Parameter(torch.log(parameters.max_phase * (1 - torch.rand(states))))
        self.gamma = nn.Parameter(0.5 * torch.log(1 - square))  # (5)
        self.B = nn.Parameter(torch.randn(states, 2, width) / math.sqrt(2 * width))
        self.C = nn.Parameter(torch.randn(width, states, 2) / math.sqrt(states))
        self.D = nn.Parameter(torch.randn(width))

    def forward(self, u: Tensor, *, last_only: bool = False) -> Tensor:
        """All outputs, or the last one."""
        eigenvalues = torch.exp(torch.complex(-self.nu.exp(), self.theta.exp()))  # (1)
        scaled = self.B * self.gamma.exp()[..., None, None]
        driven = (u @ scaled.flatten(0, 1).mT).unflatten(-1, self.B.shape[:2])
        x = linear_scan(eigenvalues, torch.view_as_complex(driven))  # (2)
        if last_only:
            x, u = x[..., -1:, :], u[..., -1:, :]
        return torch.view_as_real(x).flatten(-2) @ self.C.flatten(1).mT + self.D * u  # (3)


def build(parameters: LRUParameters, shape: Shape) -> Causal:
    """Blocks around linear recurrent units."""
    return gated_blocks(lambda: LRU(parameters), parameters, shape)
