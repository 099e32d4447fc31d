"""What measures a bank on a GPU: its computation runs anywhere, and it refuses to measure without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_bank_and_members_are_timed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("BENCH_KERNELS", "reference")
    import gpu_bank

    sizes = gpu_bank.Sizes(members=2, hidden=3, length=4, batch=5)
    times = gpu_bank.measured(sizes, "cpu", rounds=2)
    assert times.bank_s > 0
    assert times.one_by_one_s > 0
    row = gpu_bank.table(sizes, gpu_bank.Times(0.002, 0.05), "a machine").splitlines()[-1]
    assert row == "| 2 | 3 | 4 | 5 | 2.00 | 50.00 | 25.0 | 20 |"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_refuses_in_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu_bank.py")], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("gpu_bank.py: expected a GPU, torch ")
    assert ended.stderr.count("\n") == 1
