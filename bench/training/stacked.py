"""The weights of a bank: those of all members in one buffer, and views of it as a module's parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Stacked:
    """The parameters of `K` modules of one shape, stacked.

    Parameters
    ----------
    flat
        Every parameter's ``[K, …]``, one after another.
    shapes
        Of one member's parameters.

    Attributes
    ----------
    leaves
        The parameters ``[K, …]``: contiguous views of `flat` that take gradients.
    """

    def __init__(self, flat: Tensor, shapes: Sequence[torch.Size]) -> None:
        self.flat = flat
        self.shapes = tuple(shapes)
        self.sizes = np.array([shape.numel() for shape in self.shapes])
        self.members = flat.numel() // int(self.sizes.sum())
        parts = torch.split(flat, (self.sizes * self.members).tolist())
        self.leaves = [
            part.view(self.members, *shape).requires_grad_() for part, shape in zip(parts, self.shapes, strict=True)
        ]

    @classmethod
    def of(cls, modules: Sequence[nn.Module]) -> Stacked:
        """A copy of the parameters of `modules`."""
        columns = zip(*(list(module.parameters()) for module in modules), strict=True)
        stacked = [torch.stack([one.detach() for one in column]) for column in columns]
        return cls(torch.cat([tensor.reshape(-1) for tensor in stacked]), [tensor.shape[1:] for tensor in stacked])

    def to(self, device: torch.device) -> Stacked:
        """A copy on `device`."""
        return Stacked(self.flat.to(device, copy=True), self.shapes)

    def rows(self, members: Tensor) -> Stacked:
        """A copy of some of the members."""
        return Stacked(torch.cat([leaf.detach()[members].reshape(-1) for leaf in self.leaves]), self.shapes)

    def put(self, members: Tensor, other: Stacked) -> None:
        """Take the weights of `members` from `other`, in its order."""
        for mine, theirs in zip(self.leaves, other.leaves, strict=True):
            mine.detach()[members] = theirs.detach()
