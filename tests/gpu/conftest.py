"""Every test of this folder runs on the CPU, and on a GPU where torch finds one."""

from __future__ import annotations

import pytest
import torch

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_GPU)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A torch device on which banks are batched products of torch, as on every GPU."""
    if request.param == "cpu":
        monkeypatch.setenv("BENCH_KERNELS", "reference")
    else:
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return str(request.param)
