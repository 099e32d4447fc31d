"""The worker process's entry to `run_cell`: importing this module prepares the process.

torch is imported here, not within the first cell that needs it, so that every row of a process has the same
environment. torch is limited to one thread: numbers then depend on no thread count, and parallel processes do not
compete for cores.
"""

from __future__ import annotations

import torch

from bench.running.cell import run_cell

__all__ = ["run_cell"]

torch.set_num_threads(1)
