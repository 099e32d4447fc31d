"""A linear map that, like the layers here, also takes the members of a bank at once."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Linear):
    """As `torch.nn.Linear`; stacked, that is with weights ``[K, …]``, it maps ``[K, …, in]`` or ``[1, …, in]``."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map the last dimension."""
        if self.weight.ndim == 2:
            return functional.linear(input, self.weight, self.bias)
        output = input.flatten(1, -2) @ self.weight.mT  # [K, rows, out]
        if self.bias is not None:
            output = output + self.bias.unsqueeze(1)
        return output.view(len(output), *input.shape[1:-1], -1)
