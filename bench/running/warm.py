"""What engines run: `run_cell`, once importing this module has made the process ready for it.

torch is imported here, not within the first cell that needs it, so that every row of a process tells the same
environment; and it is held to one thread: numbers then depend on no thread count, and processes side by side do
not fight for cores.
"""

from __future__ import annotations

import torch

from bench.running.cell import run_cell

__all__ = ["run_cell"]

torch.set_num_threads(1)
