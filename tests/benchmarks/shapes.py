"""Banks against torch.nn for every shape that the shipped suites and the search spaces use.

``python tests/benchmarks/shapes.py`` prints two tables as Markdown: the least and the greatest ratio over sizes and
lengths of torch.nn's processor time for one training step to that of a bank's member; and by size what the largest bank
reaches in GFLOP/s, and as a share of a product of matrices of 1024. Processor time, since other processes disturb it
less than the clock; one thread; torch, the banks and the product interleaved in the same rounds, medians.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from bench.models import MODELS
from bench.models.base import Shape
from bench.spec import Training
from bench.training.members import Member
from bench.training.steppers import Fused

ROUNDS = 7
ROUND_S = 0.03
BANKS = (1, 5, 10)  # a member alone, a batch of trials, the seeds of a cell
BATCH = 64
SIDE = 1024
SIZES = (8, 16, 32, 64)
LENGTHS = (10, 20, 30, 100)
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True)
class Network:
    """One network; where `encoder_decoder` its `cell` twice, and a horizon of 1."""

    cell: str
    layers: int
    hidden: int
    length: int
    bidirectional: bool = False
    encoder_decoder: bool = False
    dropout: float = 0.0

    @property
    def flops(self) -> float:
        """Of the products of one training step: the backward pass takes twice the forward one's."""
        ways, below = 1 + self.bidirectional, (1 + self.bidirectional) * self.hidden
        columns = [(self.length * ways, self.hidden + (below if layer else 1)) for layer in range(self.layers)]
        if self.encoder_decoder:
            columns += [(1, self.hidden + (self.hidden if layer else 1)) for layer in range(self.layers)]
        return 6.0 * BATCH * GATES[self.cell] * self.hidden * sum(steps * inner for steps, inner in columns)

    @property
    def row(self) -> str:
        """The row of the table that it belongs to."""
        words = f"{self.cell.upper()}, {self.layers} layer{'s' * (self.layers > 1)}"
        words += ", dropout" * (self.dropout > 0)
        return words + ", bidirectional" * self.bidirectional + ", encoder–decoder" * self.encoder_decoder


def networks() -> Iterator[Network]:
    """All layers and sizes at one length, the smallest and the largest size at all."""
    for length in LENGTHS:
        for hidden in SIZES if length == LENGTHS[1] else (SIZES[0], SIZES[-1]):
            for layers in (1, 2):
                yield from (Network(cell, layers, hidden, length) for cell in TORCH)
                yield Network("gru", layers, hidden, length, bidirectional=True)
                yield Network("lstm", layers, hidden, length, encoder_decoder=True)
            yield Network("lstm", 2, hidden, length, dropout=0.1)


class TorchNetwork(nn.Module):
    """The network in torch's own layers."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        build = TORCH[network.cell]
        options = {"num_layers": network.layers, "batch_first": True, "dropout": network.dropout}
        self.encoder = build(1, network.hidden, bidirectional=network.bidirectional, **options)
        self.decoder = build(1, network.hidden, **options) if network.encoder_decoder else None
        self.directions = 1 + network.bidirectional
        self.head = nn.Linear(self.directions * network.hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[B, T, 1]`` to ``[B, 1]``."""
        _, state = self.encoder(x)
        if self.decoder is not None:
            return self.head(self.decoder(x[:, -1:], state)[0][:, -1])  # type: ignore[no-any-return]
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(torch.cat(list(hidden[-self.directions :]), dim=1))  # type: ignore[no-any-return]


def torch_step(network: Network) -> Callable[[], object]:
    """One training step of one network with torch's own layers and fused Adam."""
    module = TorchNetwork(network)
    adam = torch.optim.Adam(module.parameters(), fused=True)
    x, y = torch.randn(BATCH, network.length, 1), torch.randn(BATCH, 1)

    def step() -> None:
        adam.zero_grad(set_to_none=True)
        nn.functional.mse_loss(module(x), y).backward()
        adam.step()

    return step


def bank_step(network: Network, members: int) -> Callable[[], object]:
    """One step of a bank of `members` of the same network."""
    if network.encoder_decoder:
        kind, options = MODELS["encoder-decoder"], {"cell": network.cell}
    else:
        kind, options = MODELS[network.cell], {"bidirectional": network.bidirectional}
    options |= {"hidden_size": network.hidden, "layers": network.layers, "dropout": network.dropout}
    parameters = kind.parameters(**options)
    modules = [kind.build(parameters, Shape(network.length, 1, 1)) for _ in range(members)]
    training = Training(clip_norm=None, batch_size=BATCH)
    bank = Fused(modules, [Member(parameters, training, 0, ("replicate", k)) for k in range(members)], _CPU)
    x, y = torch.randn(members, BATCH, network.length, 1), torch.randn(members, BATCH, 1, 1)
    return lambda: bank.step(x, y)


_CPU = torch.device("cpu")


def seconds(step: Callable[[], object]) -> float:
    """Mean processor seconds of one call over about `ROUND_S`."""
    began, count = time.process_time(), 0
    while (passed := time.process_time() - began) < ROUND_S:
        step()
        count += 1
    return passed / count


def measure(network: Network, product: Callable[[], object]) -> list[float]:
    """Seconds of a member's step, of torch and of each bank, and of `product`: medians over rounds."""
    steps = [torch_step(network), *(bank_step(network, members) for members in BANKS), product]
    for step in steps:
        step()
    columns = zip(*[list(map(seconds, steps)) for _ in range(ROUNDS)], strict=True)
    return [statistics.median(column) / members for column, members in zip(columns, (1, *BANKS, 1), strict=True)]


def ratios(by_network: dict[Network, list[float]]) -> list[str]:
    """The table of ratios to torch, and the smallest of all."""
    rows: dict[str, list[list[float]]] = {}
    for network, (torch_s, *bank_s, _) in by_network.items():
        rows.setdefault(network.row, []).append([torch_s / each for each in bank_s])
    lines = ["| network | " + " | ".join(f"K = {members}" for members in BANKS) + " |", "|---" * (len(BANKS) + 1) + "|"]
    for name, measured in rows.items():
        spans = [f"{min(column):.2f} to {max(column):.1f}" for column in zip(*measured, strict=True)]
        lines.append(f"| {name} | {' | '.join(spans)} |")
    every = [ratio for measured in rows.values() for shape in measured for ratio in shape]
    return [*lines, "", f"{len(by_network)} shapes; the least ratio is {min(every):.2f}."]


def rates(by_network: dict[Network, list[float]]) -> list[str]:
    """The table of GFLOP/s and shares of the product, of the largest bank, median and least over lengths."""
    rows: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for network, measured in by_network.items():
        rate = network.flops / measured[-2] / 1e9
        share = rate / (2 * SIDE**3 / measured[-1] / 1e9)
        rows.setdefault(network.row, {}).setdefault(network.hidden, []).append((rate, share))
    lines = [
        f"| K = {BANKS[-1]} | " + " | ".join(f"{size} units" for size in SIZES) + " |",
        "|---" * (len(SIZES) + 1) + "|",
    ]
    for name, sizes in rows.items():
        cells = []
        for size in SIZES:
            rate, share = (statistics.median(column) for column in zip(*sizes[size], strict=True))
            cells.append(f"{rate:.0f} ({share:.0%}, least {min(each[1] for each in sizes[size]):.0%})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    by_network = {network: measure(network, lambda: a @ b) for network in networks()}
    lines = [*ratios(by_network), "", "GFLOP/s, and the share of the product's:", "", *rates(by_network)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
