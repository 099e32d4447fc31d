"""The recurrent operators: one bank of layers, one direction, computed by the back end that suits the device.

A call is its tensors, its options, and the checks that they fit together. ``K`` counts members of the bank, ``B`` rows
of the batch, ``T`` steps, ``C`` channels, ``H`` hidden units. A tensor whose first dimension is 1 is shared by all
members.
"""

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bench.errors import InputError
from bench.registry import lookup

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "slstm": 4}
"""The cells, and how many gates each has."""

STATES = {"lstm": 2, "slstm": 0}
"""How many states each may be given to begin with, where that is not 1; an sLSTM begins from zeros."""


class Options(NamedTuple):
    """What a call requests, next to its tensors."""

    cell: str
    reverse: bool  # walk the steps from the last to the first
    all_steps: bool  # give the hidden state of every step
    keep: bool  # keep what a backward pass needs


class Inputs(NamedTuple):
    """The tensors of a call; weights and biases as `torch.nn` orders their gates."""

    x: Tensor  # [K, B, T, C]
    h: Tensor | None  # [K, B, H]
    c: Tensor | None  # [K, B, H]
    weight_ih: Tensor  # [K, gates · H, C]
    weight_hh: Tensor  # [K, gates · H, H]
    bias_ih: Tensor | None  # [K, gates · H]
    bias_hh: Tensor | None  # [K, gates · H]

    def present(self) -> Iterator[tuple[str, Tensor]]:
        """Names and tensors, without those that are absent."""
        for name, tensor in zip(self._fields, self, strict=True):
            if tensor is not None:
                yield name, tensor


def check(cell: str, inputs: Inputs) -> None:
    """Refuse what does not fit.

    Raises
    ------
    InputError
        Names the argument, what was expected and what came.
    """
    gates = lookup(GATES, cell, "cell")
    _check_presence(cell, inputs)
    _check_kinds(inputs)
    x, weight_hh = inputs.x, inputs.weight_hh
    if x.ndim != 4:
        raise InputError(f"x: expected 4 dimensions [K, B, T, C], got {x.ndim}: {list(x.shape)}")
    if 0 in x.shape:
        raise InputError(f"x: expected at least one member, row, step and channel [K, B, T, C], got {list(x.shape)}")
    if weight_hh.ndim != 3:
        raise InputError(
            f"weight_hh: expected 3 dimensions [K, {gates} · H, H], got {weight_hh.ndim}: {list(weight_hh.shape)}"
        )
    several = [
        len(tensor) for tensor in (weight_hh, *dict(inputs.present()).values()) if tensor.ndim and len(tensor) > 1
    ]
    members = several[0] if several else 1  # the weights know best: the message is about the other tensor
    (_, batch, _, channels), hidden = x.shape, weight_hh.shape[2]
    expected = {
        "x": ("K, B, T, C", (batch, x.shape[2], channels)),
        "h": ("K, B, H", (batch, hidden)),
        "c": ("K, B, H", (batch, hidden)),
        "weight_ih": (f"K, {gates} · H, C", (gates * hidden, channels)),
        "weight_hh": (f"K, {gates} · H, H", (gates * hidden, hidden)),
        "bias_ih": (f"K, {gates} · H", (gates * hidden,)),
        "bias_hh": (f"K, {gates} · H", (gates * hidden,)),
    }
    for name, tensor in inputs.present():
        letters, rest = expected[name]
        if tensor.shape[1:] != rest or len(tensor) not in (1, members):
            wanted = [members, *rest]
            raise InputError(f"{name}: expected [{letters}] = {wanted}, or 1 for K, got {list(tensor.shape)}")


def _check_presence(cell: str, inputs: Inputs) -> None:
    """States and biases come together, and only an LSTM has two states."""
    if (inputs.bias_ih is None) != (inputs.bias_hh is None):
        missing = "bias_ih" if inputs.bias_ih is None else "bias_hh"
        raise InputError(f"{missing}: expected both biases or none, got one")
    if inputs.c is not None and cell != "lstm":
        raise InputError(f"c: expected no cell state, since the cell is {cell!r}, got one")
    if cell == "lstm" and (inputs.h is None) != (inputs.c is None):
        missing = "h" if inputs.h is None else "c"
        raise InputError(f"{missing}: expected both states of an lstm or none, got one")


def _check_kinds(inputs: Inputs) -> None:
    """All tensors are of one floating dtype and on one device."""
    x = inputs.x
    if not x.is_floating_point():
        raise InputError(f"x: expected a floating dtype, got {x.dtype}")
    for name, tensor in inputs.present():
        if tensor.dtype != x.dtype:
            raise InputError(f"{name}: expected dtype {x.dtype}, as x has, got {tensor.dtype}")
        if tensor.device != x.device:
            raise InputError(f"{name}: expected device {x.device}, where x is, got {tensor.device}")


Implementation = Callable[[Options, Inputs], tuple[Tensor, Tensor, Tensor]]

IMPLEMENTATIONS = {"cpu": "bench.kernels.autograd"}
"""The modules whose ``apply`` does the operators on a kind of device; on others `in_torch` does."""

DTYPES = (torch.float32, torch.float64)
"""What those modules can compute with; `in_torch` takes any."""

CHOICES = ("auto", "numba", "reference")


class Weights(NamedTuple):
    """One layer in one direction, laid out as `torch.nn` does, with a first dimension of members.

    Gates are ordered i, f, g, o in an LSTM, r, z, n in a GRU and z, i, f, o in an sLSTM. A dimension of 1 is shared by
    all members.
    """

    weight_ih: Tensor  # [K, gates · H, C]
    weight_hh: Tensor  # [K, gates · H, H]
    bias_ih: Tensor | None = None  # [K, gates · H]
    bias_hh: Tensor | None = None  # [K, gates · H]


class Outputs(NamedTuple):
    """What a recurrent operator gives; what was not requested, or a cell does not have, is ``[K, 0]``."""

    y: Tensor  # [K, B, T, H]: the hidden state of every step, in the order of the input
    h: Tensor  # [K, B, H]: after the last step walked
    c: Tensor  # [K, B, H]: the cell state of an LSTM, after the last step walked


def recurrent(
    cell: str,
    x: Tensor,
    weights: Weights,
    state: tuple[Tensor, ...] | None = None,
    *,
    reverse: bool = False,
    all_steps: bool = True,
) -> Outputs:
    """Walk a bank of recurrent layers over their inputs.

    Works alone, in ``torch.func.grad`` and in ``torch.vmap``, where it stays one call. The compiled kernels have
    first derivatives only. Members do not influence each other: each gets, to the bit, what it gets alone.

    Parameters
    ----------
    cell
        ``"rnn_tanh"``, ``"rnn_relu"``, ``"lstm"`` or ``"gru"``, with the equations of `torch.nn`; or ``"slstm"``, with
        those of `bench.kernels.equations`, which starts from zeros.
    x
        Inputs ``[K, B, T, C]``; ``[1, B, T, C]`` is shared by all members.
    weights
        Of K members.
    state
        The initial ``(h,)``, or ``(h, c)`` of an LSTM, ``[K, B, H]`` each; zeros where none is given.
    reverse
        Walk the steps from the last to the first.
    all_steps
        Give the hidden state of every step, not only the last: costs memory and time where it is not used.

    Raises
    ------
    InputError
        A shape, dtype or device does not fit: the argument, what was expected and what came.
    """
    lookup(GATES, cell, "cell")  # refuses an unknown one before its states are counted
    h, c = _states(cell, state)
    inputs = Inputs(x, h, c, *weights)
    check(cell, inputs)
    options = Options(cell, reverse=reverse, all_steps=all_steps, keep=torch.is_grad_enabled())
    return Outputs(*implementation(x)(options, inputs))


def implementation(x: Tensor) -> Implementation:
    """What computes for inputs such as `x`.

    The environment variable ``BENCH_KERNELS`` set to ``reference`` or ``numba`` decides for everything.
    """
    choice = os.environ.get("BENCH_KERNELS", "auto")
    if choice not in CHOICES:
        raise InputError(f"BENCH_KERNELS: expected one of {', '.join(CHOICES)}, got {choice!r}")
    module = IMPLEMENTATIONS.get(x.device.type) if x.dtype in DTYPES else None
    if choice == "numba" and module is None:
        raise InputError(f"BENCH_KERNELS=numba: expected float32 or float64 on a cpu, got {x.dtype} on {x.device}")
    if choice == "reference" or module is None:
        return in_torch
    apply: Implementation = import_module(module).apply
    return apply


def compiled(x: Tensor) -> bool:
    """Whether compiled kernels, and not the reference, compute for inputs such as `x`."""
    return implementation(x) is not in_torch


def _states(cell: str, state: tuple[Tensor, ...] | None) -> tuple[Tensor | None, Tensor | None]:
    if state is None:
        return None, None
    count = STATES.get(cell, 1)
    if len(state) != count:
        raise InputError(f"state: expected {count} of cell {cell!r}, got {len(state)}")
    h, c, *_ = (*state, None, None)
    return h, c


def in_torch(options: Options, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """The operators in plain torch, for any device, dtype and derivative: what the kernels must equal.

    Equations as the documentation of `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU` states them, and for the sLSTM
    Beck et al. 2024, of which `c` holds c, n and m side by side. All steps
    ``[K, B, T, H]``, last ``h`` and ``c`` ``[K, B, H]``.

    What is not requested, or not there, is ``[K, 0]``.
    """
    h, c = _initial(options, inputs)
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


def _initial(options: Options, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """The initial states ``[K, B, H]``; zeros where none are given."""
    members = max(len(tensor) for _, tensor in inputs.present())
    zeros = inputs.x.new_zeros(members, inputs.x.shape[1], inputs.weight_hh.shape[2])
    if options.cell == "slstm":
        return zeros, torch.cat([zeros, zeros, zeros - torch.inf], dim=-1)
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
    if cell == "slstm":
        (z, i, f, o), (c, n, m) = (by_input + by_state).chunk(4, dim=-1), c.chunk(3, dim=-1)
        kept = functional.logsigmoid(f) + m
        m = torch.maximum(kept, i).detach()  # h does not depend on it
        i, f = (i - m).exp(), (kept - m).exp()
        c, n = f * c + i * z.tanh(), f * n + i
        return o.sigmoid() * c / n, torch.cat([c, n, m], dim=-1)
    total = by_input + by_state
    return total.tanh() if cell == "rnn_tanh" else total.relu(), c
