"""The recurrent operators in plain torch: for any device, dtype and derivative, and what the kernels must equal.

Equations as the documentation of `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU` states them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.kernels.dispatch import Inputs, Options


def apply(options: Options, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """All steps ``[K, B, T, H]``, last ``h`` and ``c`` ``[K, B, H]``.

    What is not asked for, or not there, is ``[K, 0]``.
    """
    h, c = _initial(inputs)
    by_input = inputs.x @ inputs.weight_ih.mT.unsqueeze(1)  # [K, B, T, gates · H]
    if inputs.bias_ih is not None:
        by_input = by_input + inputs.bias_ih[:, None, None]
    steps = range(inputs.x.shape[2])
    walked: list[Tensor] = []
    for t in reversed(steps) if options.reverse else steps:
        by_state = h @ inputs.weight_hh.mT  # [K, B, gates · H]
        if inputs.bias_hh is not None:
            by_state = by_state + inputs.bias_hh[:, None]
        h, c = _step(options.cell, by_input[:, :, t], by_state, h, c)
        walked.append(h)
    empty = h.new_empty(len(h), 0)
    y = torch.stack(walked[::-1] if options.reverse else walked, dim=2) if options.all_steps else empty
    return y, h, c if options.cell == "lstm" else empty


def _initial(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """The initial states ``[K, B, H]``; zeros where none are given."""
    members = max(len(tensor) for _, tensor in inputs.present())
    zeros = inputs.x.new_zeros(members, inputs.x.shape[1], inputs.weight_hh.shape[2])
    h = zeros if inputs.h is None else inputs.h.expand_as(zeros)
    return h, zeros if inputs.c is None else inputs.c.expand_as(zeros)


def _step(cell: str, by_input: Tensor, by_state: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The states after one step, from what the gates get from the input and from the state."""
    if cell == "lstm":
        i, f, g, o = (by_input + by_state).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    if cell == "gru":
        (r, z, n), (r_state, z_state, n_state) = by_input.chunk(3, dim=-1), by_state.chunk(3, dim=-1)
        r, z = (r + r_state).sigmoid(), (z + z_state).sigmoid()
        n = (n + r * n_state).tanh()
        return n + z * (h - n), c
    total = by_input + by_state
    return total.tanh() if cell == "rnn_tanh" else total.relu(), c
