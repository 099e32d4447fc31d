"""The recurrent operators: one bank of layers, one direction, done by what suits the device."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor

from bench.errors import InputError
from bench.kernels.call import GATES, Inputs, Options, check
from bench.registry import lookup

Implementation = Callable[[Options, Inputs], tuple[Tensor, Tensor, Tensor]]

IMPLEMENTATIONS = {"cpu": "bench.kernels.operator"}
"""The modules whose ``apply`` does the operators on a kind of device; on others the reference does."""

REFERENCE = "bench.kernels.reference"

DTYPES = (torch.float32, torch.float64)
"""What those modules can compute with; the reference takes any."""

CHOICES = ("auto", "numba", "reference")


class Weights(NamedTuple):
    """One layer in one direction, laid out as `torch.nn` does, with a first dimension of members.

    Gates are ordered i, f, g, o in an LSTM and r, z, n in a GRU. A dimension of 1 is shared by all members.
    """

    weight_ih: Tensor  # [K, gates · H, C]
    weight_hh: Tensor  # [K, gates · H, H]
    bias_ih: Tensor | None = None  # [K, gates · H]
    bias_hh: Tensor | None = None  # [K, gates · H]


class Outputs(NamedTuple):
    """What a recurrent operator gives; what was not asked for, or a cell does not have, is ``[K, 0]``."""

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
        ``"rnn_tanh"``, ``"rnn_relu"``, ``"lstm"`` or ``"gru"``, with the equations of `torch.nn`.
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
    name = IMPLEMENTATIONS.get(x.device.type, REFERENCE) if x.dtype in DTYPES else REFERENCE
    if choice == "numba" and name == REFERENCE:
        raise InputError(f"BENCH_KERNELS=numba: expected float32 or float64 on a cpu, got {x.dtype} on {x.device}")
    found: Implementation = import_module(REFERENCE if choice == "reference" else name).apply
    return found


def compiled(x: Tensor) -> bool:
    """Whether compiled kernels, and not the reference, compute for inputs such as `x`."""
    return implementation(x).__module__ != REFERENCE


def _states(cell: str, state: tuple[Tensor, ...] | None) -> tuple[Tensor | None, Tensor | None]:
    if state is None:
        return None, None
    count = 2 if cell == "lstm" else 1
    if len(state) != count:
        raise InputError(f"state: expected {count} of cell {cell!r}, got {len(state)}")
    return state[0], state[1] if count == 2 else None
