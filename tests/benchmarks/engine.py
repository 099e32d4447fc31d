"""Banks against torch: member-steps per second on the whole machine, measured in one run.

``python tests/benchmarks/engine.py`` prints the table as Markdown. One single-threaded process for each core runs the
same interleaved measurements at the same time, since that is how a run trains and how `torch.nn` is fastest. Times
are medians over rounds; a ratio compares medians of the same rounds, so a machine that slows down slows both.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 9
ROUND_S = 0.15
BANKS = (1, 8, 32)
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    kind: str
    hidden: int
    length: int
    batch: int
    target: float  # ratio to reach with the best of `BANKS`

    @property
    def flops(self) -> float:
        """Of the products of one training step: the backward pass takes twice the forward one's."""
        return 3 * 2.0 * self.batch * self.length * GATES[self.kind] * self.hidden * (self.hidden + 1)


SETTINGS = (
    Setting("rnn", 32, 30, 64, 8),
    Setting("gru", 32, 30, 64, 8),
    Setting("lstm", 32, 30, 64, 3),
    Setting("rnn", 64, 30, 64, 4),
    Setting("gru", 64, 30, 64, 4),
    Setting("lstm", 64, 30, 64, 1.6),
    Setting("rnn", 15, 5, 5, 20),
    Setting("gru", 15, 5, 5, 20),
    Setting("lstm", 15, 5, 5, 20),
)


def torch_step(setting: Setting) -> Callable[[], None]:
    """One training step of one network with torch's own layer, the last step's state and fused Adam."""
    import torch
    from torch import nn

    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[setting.kind](1, setting.hidden, batch_first=True)
    head = nn.Linear(setting.hidden, 1)
    weights = [*layer.parameters(), *head.parameters()]
    adam = torch.optim.Adam(weights, fused=True)
    x, y = torch.randn(setting.batch, setting.length, 1), torch.randn(setting.batch, 1)

    def step() -> None:
        adam.zero_grad(set_to_none=True)
        output, _ = layer(x)
        nn.functional.mse_loss(head(output[:, -1]), y).backward()
        adam.step()

    return step


def bank_step(setting: Setting, members: int) -> Callable[[], None]:
    """One step of a bank of `members` of the same network."""
    import torch

    from bench.models import MODELS
    from bench.models.base import Shape
    from bench.spec import Training
    from bench.training.members import Member
    from bench.training.steppers import Fused

    kind = MODELS[setting.kind]
    parameters = kind.parameters(hidden_size=setting.hidden)
    shape = Shape(setting.length, 1, 1)
    training = Training(clip_norm=None, batch_size=setting.batch)
    bank = Fused(
        [kind.build(parameters, shape) for _ in range(members)],
        [Member(parameters, training, 0, ("replicate", k)) for k in range(members)],
        torch.device("cpu"),
    )
    x = torch.randn(members, setting.batch, setting.length, 1)
    y = torch.randn(members, setting.batch, 1, 1)
    return lambda: _discard(bank.step(x, y))


def seconds(step: Callable[[], None]) -> float:
    """Mean seconds of one call over about `ROUND_S`."""
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < ROUND_S:
        step()
        count += 1
    return passed / count


def gemm_gflops() -> float:
    """What this process reaches in a matrix product of 1024, in GFLOP/s."""
    import torch

    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / seconds(lambda: _discard(a @ b)) / 1e9


def _discard(_value: object) -> None:
    """Nothing."""


def worker(barrier: object, queue: object) -> None:
    """Measure every setting, in step with the other workers."""
    import torch

    torch.set_num_threads(1)
    found = []
    for setting in SETTINGS:
        steps = [torch_step(setting), *(bank_step(setting, members) for members in BANKS)]
        for step in steps:
            step()
        barrier.wait()  # type: ignore[attr-defined]
        rounds = [[*map(seconds, steps), gemm_gflops()] for _ in range(ROUNDS)]
        found.append([statistics.median(column) for column in zip(*rounds, strict=True)])
    queue.put(found)  # type: ignore[attr-defined]


def measure() -> list[list[float]]:
    """For each setting: machine-wide seconds per member-step of torch and of each bank, and GEMM GFLOP/s."""
    context = multiprocessing.get_context("spawn")
    cores = len(os.sched_getaffinity(0))
    barrier, queue = context.Barrier(cores), context.Queue()
    processes = [context.Process(target=worker, args=(barrier, queue)) for _ in range(cores)]
    for process in processes:
        process.start()
    results = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    table = []
    for by_process in zip(*results, strict=True):
        torch_s, *banks, gemm = zip(*by_process, strict=True)
        rates = [sum(1 / each for each in torch_s)]
        rates += [sum(members / each for each in bank) for members, bank in zip(BANKS, banks, strict=True)]
        table.append([*(1 / rate for rate in rates), sum(gemm)])
    return table


def machine() -> str:
    """What was measured on, in one line."""
    import torch

    from bench.store.environment import environment

    found = environment("cpu")
    return (
        f"{found['cpu']}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}, commit {found['git_commit']}"
    )


def main() -> None:
    """Print the machine and the table."""
    banks = " | ".join(f"bank K={members}, ms" for members in BANKS)
    lines = [
        machine(),
        "",
        f"| network | torch.nn, ms | {banks} | ratio | to reach | GFLOP/s | share of GEMM peak |",
        "|---|---" + "|---" * (len(BANKS) + 4) + "|",
    ]
    for setting, (torch_s, *bank_s, gemm) in zip(SETTINGS, measure(), strict=True):
        best = min(bank_s)
        gflops = setting.flops / best / 1e9
        name = f"{setting.kind.upper()} {setting.hidden}, L {setting.length}, batch {setting.batch}"
        times = " | ".join(f"{1000 * each:.4f}" for each in (torch_s, *bank_s))
        ratio = f"**{torch_s / best:.1f}**" if torch_s / best >= setting.target else f"{torch_s / best:.1f}"
        lines.append(f"| {name} | {times} | {ratio} | {setting.target:g} | {gflops:.0f} | {gflops / gemm:.0%} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
