"""TSMixer: perceptrons that mix steps and perceptrons that mix channels, in turn.

Chen, Li, Yoder, Arik & Pfister, "TSMixer: an all-MLP architecture for time series forecasting", TMLR 2023, section 3.2
and figure 1. Layer normalisation over steps and channels stands where the paper has batch normalisation over both, as
in its extended version (appendix B): a window is then predicted the same in any company. The reversible normalisation
that the paper adds for some benchmarks is left out.
"""

from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.layers import Dropout, LayerNorm
from bench.models.mlp import Perceptron
from bench.models.parameters import TSMixerParameters


class MixerLayer(nn.Module):
    """One layer over ``[…, T, C]``: steps are mixed, then channels, each as an addition to what comes in.

    Mixing steps is one map ``T → T`` with rectifier and dropout, shared by all channels. Mixing channels is two maps
    ``C → hidden → C``, shared by all steps, with the rectifier between them and dropout after each. What is mixed is
    normalised first, over all steps and channels of the window.
    """

    def __init__(self, parameters: TSMixerParameters, shape: Shape) -> None:
        super().__init__()
        steps, channels, dropout = shape.sequence_length, shape.channels, parameters.dropout
        self.time_norm, self.channel_norm = LayerNorm((steps, channels)), LayerNorm((steps, channels))
        self.time = Perceptron([steps, steps], functional.relu, dropout)
        self.expand = Perceptron([channels, parameters.hidden_size], functional.relu, dropout)
        self.reduce = Linear(parameters.hidden_size, channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, T, C]`` to the same shape."""
        x = x + self.time(self.time_norm(x).mT).mT
        hidden = self.expand(self.channel_norm(x))
        mixed: Tensor = x + self.dropout(self.reduce(hidden))
        return mixed


class TSMixer(nn.Module):
    """Mixer layers, and a linear map of each channel's steps to the horizon (the temporal projection).

    Every output depends on all channels: they are mixed before the projection, which all that are forecast share.
    """

    stackable = True

    def __init__(self, parameters: TSMixerParameters, shape: Shape) -> None:
        super().__init__()
        self.own = shape.own
        self.layers = nn.Sequential(*(MixerLayer(parameters, shape) for _ in range(parameters.layers)))
        self.projection = Linear(shape.sequence_length, shape.horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, D]``."""
        output: Tensor = self.projection(self.layers(x)[..., : self.own].mT)
        return output.mT
