"""Which device cells run on; torch is asked only where there may be a GPU."""

from __future__ import annotations

import re
import shutil

from bench.errors import InputError


def resolved(name: str) -> str:
    """`name` as a torch device: ``auto`` is ``cuda`` where torch can use one, else ``cpu``.

    Raises
    ------
    InputError
        Another word, or a GPU that torch cannot use here.
    """
    if name == "cpu" or (name == "auto" and not gpu_driver_found()):
        return "cpu"
    if name != "auto" and not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"--device {name}: expected auto, cpu, cuda or cuda:INDEX")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    index = int(name.partition(":")[2] or 0)
    if index >= count:
        raise InputError(
            f"--device {name}: torch {torch.__version__} finds {count} CUDA devices here; use --device cpu, or install "
            "a build of torch for CUDA and the NVIDIA driver (`bench doctor` says more)"
        )
    return name


def gpu_driver_found() -> bool:
    """Whether an NVIDIA driver is installed: its own program comes with it."""
    return shutil.which("nvidia-smi") is not None
