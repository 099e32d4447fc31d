"""minGRU and minLSTM: gated recurrences whose gates do not see the state, so that all steps are computed at once.

Feng, Tung, Ahmed, Bengio & Hajimirsadeghi, "Were RNNs all we needed?", 2024, section 3. Of a GRU and an LSTM they drop
what ties a gate or a candidate to the state before, and the tanh that bounds it. minGRU, with ``Linear`` of the input
alone::

    z_t = σ(Linear(x_t))                            (1)
    c_t = Linear(x_t)                               (2)
    h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ c_t           (3)

minLSTM, whose two gates are normalised so that they add up to 1, as those of minGRU do::

    f_t = σ(Linear(x_t)),  i_t = σ(Linear(x_t))     (4)
    f'_t = f_t / (f_t + i_t),  i'_t = i_t / (f_t + i_t)   (5)
    h_t = f'_t ⊙ h_{t−1} + i'_t ⊙ c_t               (6)

Each state is a weighted mean of the candidates so far and of 0, so nothing overflows, and the scan is of plain numbers:
the authors' logarithms, which need positive candidates, are not taken. Layers lie directly on each other, as those of
this package's GRU and LSTM do; the convolutions and perceptrons that the authors add to some networks are left out.
"""

from torch import Tensor, nn
from torch.nn import functional

from bench.models.base import Shape
from bench.models.causal import Causal
from bench.models.scan import linear_scan
from bench.models.state_parameters import StateParameters


class MinGRU(nn.Module):
    """One layer: ``[B, T, C]`` to ``[B, T, hidden_size]``."""

    def __init__(self, inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.maps = nn.Linear(inputs, 2 * hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """All states."""
        gate, candidate = self.maps(x).chunk(2, dim=-1)
        z = gate.sigmoid()  # (1)
        return linear_scan(1 - z, z * candidate)  # (3)


class MinLSTM(nn.Module):
    """One layer: ``[B, T, C]`` to ``[B, T, hidden_size]``."""

    def __init__(self, inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.maps = nn.Linear(inputs, 3 * hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """All states."""
        forget, take, candidate = self.maps(x).chunk(3, dim=-1)
        # (5) is σ(ln f − ln i), and −ln σ(v) = softplus(−v): two gates that both round to 0 still have a ratio
        kept = (functional.softplus(-take) - functional.softplus(-forget)).sigmoid()
        return linear_scan(kept, (1 - kept) * candidate)  # (6)


def _stacked(layer: type[MinGRU] | type[MinLSTM], parameters: StateParameters, shape: Shape) -> Causal:
    widths = [shape.channels] + [parameters.hidden_size] * parameters.layers
    layers = [layer(inputs, parameters.hidden_size) for inputs in widths[:-1]]
    return Causal(nn.Sequential(*layers), parameters.hidden_size, shape)


def build_mingru(parameters: StateParameters, shape: Shape) -> Causal:
    """Layers of minGRU, linear on their last states."""
    return _stacked(MinGRU, parameters, shape)


def build_minlstm(parameters: StateParameters, shape: Shape) -> Causal:
    """Layers of minLSTM, linear on their last states."""
    return _stacked(MinLSTM, parameters, shape)
