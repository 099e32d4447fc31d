"""A bank on a GPU against its members one after another: 64 LSTMs of 64 units, each by torch.nn.LSTM, which is cuDNN's.

``python tests/benchmarks/gpu_bank.py`` prints the table as Markdown, and ``performance.py gpu`` writes it into
`reports/performance.md`; without a GPU both refuse. A step is one of training: forward, loss, gradients, Adam. Bank and
members take turns in each round, and the GPU is waited for before and after each; times are medians. Both compute in
float32 throughout (no TF32).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

ROUNDS = 15
TARGET = 20.0
"""Ratio to reach."""


@dataclass(frozen=True)
class Sizes:
    """Of the banks that are measured."""

    members: int = 64
    hidden: int = 64
    length: int = 30
    batch: int = 64


@dataclass(frozen=True)
class Times:
    """Medians of seconds of one step of all members."""

    bank_s: float
    one_by_one_s: float

    @property
    def ratio(self) -> float:
        """How many times faster the bank is."""
        return self.one_by_one_s / self.bank_s


def bank_step(sizes: Sizes, device: str) -> Callable[[], object]:
    """One step of all members as one bank."""
    from bench.models import MODELS
    from bench.models.base import Shape
    from bench.spec import Training
    from bench.training.members import Member
    from bench.training.steppers import Fused

    kind, shape = MODELS["lstm"], Shape(sizes.length, 1, 1)
    parameters = kind.parameters(hidden_size=sizes.hidden)
    members = [Member(parameters, Training(), 0, ("replicate", k)) for k in range(sizes.members)]
    modules = [kind.build(parameters, shape) for _ in members]
    stepper = Fused(modules, members, torch.device(device))
    x = torch.randn(sizes.members, sizes.batch, sizes.length, 1, device=device)
    y = torch.randn(sizes.members, sizes.batch, 1, 1, device=device)
    return lambda: stepper.step(x, y)


def one_by_one_step(sizes: Sizes, device: str) -> Callable[[], object]:
    """One step of all members, each by torch's layer, the last step's state and fused Adam."""
    steps = [_torch_step(sizes, device) for _ in range(sizes.members)]
    return lambda: [step() for step in steps]


def _torch_step(sizes: Sizes, device: str) -> Callable[[], None]:
    layer = nn.LSTM(1, sizes.hidden, batch_first=True, device=device)
    head = nn.Linear(sizes.hidden, 1, device=device)
    weights = [*layer.parameters(), *head.parameters()]
    adam = torch.optim.Adam(weights, fused=True)
    x = torch.randn(sizes.batch, sizes.length, 1, device=device)
    y = torch.randn(sizes.batch, 1, device=device)

    def step() -> None:
        loss = nn.functional.mse_loss(head(layer(x)[1][0][-1]), y)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)  # as the bank does
        adam.step()

    return step


def measured(sizes: Sizes, device: str, *, rounds: int = ROUNDS) -> Times:
    """Bank and members in turn, after a step of each that is not timed."""
    from bench.probe.prober import synchroniser

    torch.manual_seed(0)
    wait, steps = synchroniser(device), (bank_step(sizes, device), one_by_one_step(sizes, device))
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for step, took in zip(steps, seconds, strict=True):
            wait()
            began = time.perf_counter()
            step()
            wait()
            if number:
                took.append(time.perf_counter() - began)
    return Times(*map(statistics.median, seconds))


def table(sizes: Sizes, times: Times, machine: str) -> str:
    """The section of the report."""
    lines = [
        machine,
        "",
        "| members | hidden | length | batch | bank, ms | one after another, ms | ratio | to reach |",
        "|---|---|---|---|---|---|---|---|",
        f"| {sizes.members} | {sizes.hidden} | {sizes.length} | {sizes.batch} | {1e3 * times.bank_s:.2f} | "
        f"{1e3 * times.one_by_one_s:.2f} | {times.ratio:.1f} | {TARGET:.0f} |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the section."""
    if not torch.cuda.is_available():
        sys.exit(
            f"gpu_bank.py: expected a GPU, torch {torch.__version__} finds no CUDA device here; nothing was measured"
        )
    torch.backends.cudnn.allow_tf32 = False
    sizes = Sizes()
    machine = f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    print(table(sizes, measured(sizes, "cuda"), machine))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
