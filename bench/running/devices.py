"""On which device something runs: a name that was given, or what each cell needs.

torch is imported only where there may be a GPU.
"""

import re
import shutil

from bench.cells import Cell
from bench.errors import InputError
from bench.running.estimates import TrainingStep, step_of

LAUNCH_S = 2e-6
"""Seconds that a GPU takes at least for one kernel of a recorded step, whatever its size."""

LAUNCHES = 30
"""Kernels of one point of time in one recurrent layer, forward and back, about."""


def resolved(name: str) -> str:
    """`name` as a torch device: ``auto`` is ``cuda`` where torch can use one, else ``cpu``.

    Raises
    ------
    InputError
        Another word, or a GPU that torch cannot use here.
    """
    if name == "cpu" or (name == "auto" and not has_gpu_driver()):
        return "cpu"
    if name != "auto" and not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"device {name!r}: expected auto, cpu, cuda or cuda:INDEX")
    import torch

    count = gpus()
    if name == "auto":
        return "cuda" if count else "cpu"
    index = int(name.partition(":")[2] or 0)
    if index >= count:
        raise InputError(
            f"device {name!r}: torch {torch.__version__} finds {count} CUDA devices here; use cpu, or install "
            "a build of torch for CUDA and the NVIDIA driver (`bench doctor` says more)"
        )
    return name


def for_cells(name: str) -> str:
    """`resolved`, but for ``auto`` where there is a GPU: each cell then chooses, by `of_cell`."""
    device = resolved(name)
    return device if device == "cpu" else name


def has_gpu_driver() -> bool:
    """Whether an NVIDIA driver is installed: its own program comes with it."""
    return shutil.which("nvidia-smi") is not None


def gpus() -> int:
    """The CUDA devices that torch can use here."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def of_cell(cell: Cell, device: str) -> str:
    """The torch device of `cell`, where `device` is what `for_cells` gives."""
    if device != "auto":
        return device
    return chosen(step_of(cell), gpus(), place=int(cell.id, 16))


def chosen(step: TrainingStep | None, gpus: int, *, place: int) -> str:
    """The device for cells whose training goes on by such steps.

    A GPU takes a time for each kernel, however small; a core takes its time for the arithmetic. What is no training by
    gradients, or what a core does sooner than the GPU can launch it, stays on the CPU.

    Parameters
    ----------
    step
        Of all members that train as one; `None` for models without gradients.
    gpus
        How many there are.
    place
        Any number of the cell, by which cells are dealt to the GPUs.
    """
    if step is None or gpus == 0 or step.core_s < LAUNCH_S * LAUNCHES * step.points:
        return "cpu"
    return "cuda" if gpus == 1 else f"cuda:{place % gpus}"
