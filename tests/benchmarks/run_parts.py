"""Where the time of a run goes, with banks and with members stepped one by one with torch.nn's own layers.

``python tests/benchmarks/run_parts.py`` prints the table as Markdown. The cells of a small suite run in one process,
each with one and then the other, so that what disturbs one disturbs the other. Start, store and report, which are the
same in both, are not in the table.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.models import MODELS, recurrent
from bench.running.cell import run_cell
from bench.suite.load import load
from bench.training import bank
from bench.training.adam import Schedule
from bench.training.steppers import Looped

SUITE = """
name: parts
datasets: [noisy-sine]
models: [persistence, linear-ar, rnn, lstm, gru, {id: seq2seq-lstm, kind: encoder-decoder, cell: lstm}]
sequence_lengths: [20]
seeds: 5
split: {validation: 0.1, test: 100}
training: {epochs: 10, learning_rate: 3.0e-3}
tuning: {trials: 5, batch: 5, epochs: 5}
"""
PARTS = ("tuning", "training", "predicting", "data, errors and all else of the cells")
ROUNDS = 3


def torch_layers(kind: type[nn.RNNBase]) -> Callable[..., nn.Module]:
    """torch's layers where this package's are expected."""

    class Plain(kind):  # type: ignore[valid-type, misc]
        def __init__(self, *sizes: int, last_only: bool = False, **options: Any) -> None:
            super().__init__(*sizes, **options)
            self.last_only = last_only

        def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
            output, last = super().forward(x, state)
            if self.last_only:
                hidden = last[0] if isinstance(last, tuple) else last
                output = torch.cat(list(hidden[-1 - self.bidirectional :]), dim=1)
            return output, last

    return Plain


def one_by_one(cell: Cell) -> Any:
    """The rows of a cell whose members are stepped one by one."""
    layers = {"rnn": torch_layers(nn.RNN), "lstm": torch_layers(nn.LSTM), "gru": torch_layers(nn.GRU)}

    def stepper(
        modules: Sequence[nn.Module], _shape: object, members: Any, *, device: torch.device, schedule: Schedule
    ) -> Looped:
        return Looped(modules, members, device, schedule=schedule)

    with mock.patch.object(recurrent, "LAYERS", layers), mock.patch.object(bank, "_stepper", stepper):
        return run_cell(cell)


def parts(run: Callable[[Cell], Any], cell: Cell) -> list[float]:
    """Seconds of each of `PARTS` in one cell."""
    began = time.perf_counter()
    runs = run(cell)["runs"].to_pylist()
    wall = time.perf_counter() - began
    found = [runs[0]["tuning_s"] or 0.0, *(sum(row[name] or 0.0 for row in runs) for name in ("fit_s", "predict_s"))]
    return [*found, wall - sum(found)]


def main() -> None:
    """Run both in turns, and print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "parts.yaml"
        path.write_text(SUITE)
        cells = list(expand(load(path, datasets=DATASETS, models=MODELS)))
    for cell in cells:
        run_cell(cell)  # kernels, and what is imported first
    before, after = [0.0] * len(PARTS), [0.0] * len(PARTS)
    for _ in range(ROUNDS):
        for cell in cells:
            for total, run in ((before, one_by_one), (after, run_cell)):
                total[:] = [old + new / ROUNDS for old, new in zip(total, parts(run, cell), strict=True)]
    lines = ["| | one by one, torch.nn, s | share | banks, s | share |", "|---|---|---|---|---|"]
    for name, old, new in zip((*PARTS, "all"), (*before, sum(before)), (*after, sum(after)), strict=True):
        lines.append(f"| {name} | {old:.2f} | {old / sum(before):.1%} | {new:.2f} | {new / sum(after):.1%} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
