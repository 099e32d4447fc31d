"""What was compiled once is read from disk by the next process."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from bench.kernels.compiled import waiting
from bench.kernels.dispatch import Weights, recurrent

ROOT = Path(__file__).parents[2]
SCRIPT = """
import gc
import json
import torch
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from bench.kernels.dispatch import Weights, recurrent

for cell, rows in {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}.items():
    for bias, state in ((False, False), (True, True)):
        weights = Weights(*(torch.zeros(2, rows * 3, size).requires_grad_() for size in (5, 3)),
                          *([torch.zeros(2, rows * 3)] * 2 * bias))
        states = tuple(torch.zeros(1, 4, 3) for _ in range(2 if cell == "lstm" else 1)) if state else None
        recurrent(cell, torch.zeros(1, 4, 6, 5), weights, states, all_steps=bias).h.sum().backward()
        with torch.no_grad():
            recurrent(cell, torch.zeros(1, 4, 6, 5), weights, states, reverse=True)
kernels = [each for each in gc.get_objects() if issubclass(type(each), Dispatcher)]
kernels = [each for each in kernels if isinstance(each._cache, FunctionCache)]
print(json.dumps({kernel.py_func.__qualname__: [sum(kernel.stats.cache_hits.values()),
    sum(kernel.stats.cache_misses.values()), len(kernel.signatures)] for kernel in kernels}))
"""


@pytest.fixture(scope="module")
def counts():
    """Hits, misses and signatures of each cached function in a second process, after this one has compiled."""
    weights = Weights(*(torch.zeros(1, 3, size).requires_grad_() for size in (2, 3)))
    recurrent("rnn_tanh", torch.zeros(1, 1, 2, 2), weights).h.sum().backward()
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_KERNELS"}
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_another_process_compiles_nothing(counts):
    assert counts
    assert all((hits, misses) == (1, 0) for hits, misses, _ in counts.values()), counts


def test_one_signature_serves_all_cells_and_options(counts):
    assert all(signatures == 1 for _, _, signatures in counts.values()), counts


class Compiled:
    """Stands for a cached function: its first call takes a while."""

    inside: ClassVar[list[int]] = []
    most: ClassVar[list[int]] = []

    def __init__(self, folder):
        self.stats = SimpleNamespace(cache_path=str(folder / "not there yet"))
        self.py_func = SimpleNamespace(__qualname__="kernel")

    def __call__(self, number):
        self.inside.append(number)
        self.most.append(len(self.inside))
        time.sleep(0.02)
        self.inside.remove(number)
        return number


def test_one_compiles_while_the_others_wait(tmp_path):
    kernels = [waiting(Compiled(tmp_path)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda kernel, number: kernel(number), kernels, range(4)))
    assert results == [0, 1, 2, 3]
    assert Compiled.most == [1, 1, 1, 1]
    with ThreadPoolExecutor(4) as pool:  # what is ready waits for nobody
        list(pool.map(lambda kernel, number: kernel(number), kernels * 4, range(16)))
    assert max(Compiled.most) > 1
