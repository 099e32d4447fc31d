"""One training step of a bank of eight members, by the clock."""

from __future__ import annotations

import pytest
import torch
from shapes import Network, bank_step, torch_step

MEMBERS = 8
NETWORKS = [Network(cell, layers=1, hidden=32, length=30) for cell in ("rnn", "gru", "lstm")]

pytestmark = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.cell)


@pytest.fixture(autouse=True)
def group(benchmark, network):
    torch.set_num_threads(1)
    benchmark.group = f"step of {MEMBERS} × {network.cell.upper()} {network.hidden}, L {network.length}, batch 64"


def test_bench(benchmark, network):
    step = bank_step(network, MEMBERS)
    step()  # its kernels are compiled, or read from disk
    benchmark(step)


def test_reference_one_of_them_with_torch_nn(benchmark, network):
    step = torch_step(network)
    step()
    benchmark(step)
