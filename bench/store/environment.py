"""The machine, software and code that made a row: the provenance columns of `runs`."""

import functools
import hashlib
import importlib
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import bench

LIBRARIES = ("numba", "numpy", "optuna", "pandas", "pyarrow", "scipy", "torch")
"""Those whose version may change a number."""

_PACKAGE = Path(bench.__file__).parent


def environment(device: str) -> dict[str, Any]:
    """The columns of `runs` from `host` to `machine_reference_s`, but `code_version`; looked up once per process.

    Parameters
    ----------
    device
        A torch device. GPU and driver are requested only where it is ``cuda``, and torch is never imported for
        a CPU: what only torch knows is null where it is not loaded.
    """
    return {**of_process(device), **_torch_flags()}


@functools.cache
def of_process(device: str) -> dict[str, Any]:
    """What of `environment` does not change while a process runs."""
    return {
        "host": socket.gethostname(),
        "cpu": _cpu(),
        **_gpu(device),
        "python": platform.python_version(),
        "libraries": json.dumps(libraries(), sort_keys=True),
        "bench_version": bench.__version__,
        **checkout(),
        "machine_reference_s": machine_reference_s(),
    }


def checkout() -> dict[str, Any]:
    """The columns `git_commit` and `git_dirty` of the code that runs; null where it is no checkout."""
    commit = _commit()
    return {
        "git_commit": commit,
        "git_dirty": None if commit is None else bool(_git("status", "--porcelain", "--", ".")),
    }


def machine_id(device: str, threads: int) -> str:
    """8 hexadecimal digits for this machine, this device of it and so many threads: times of two do not compare."""
    known = [socket.gethostname(), _cpu(), _gpu(device)["gpu"], device, threads]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:8]


def libraries() -> dict[str, str]:
    """The versions of those of `LIBRARIES` that are installed."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def machine_reference_s(*, size: int = 384, repeats: int = 9) -> float:
    """Seconds of one fixed float64 matrix product, the best of a few: how fast this machine is just now."""
    matrix = np.sin(np.arange(size * size, dtype=np.float64)).reshape(size, size)
    out = np.empty_like(matrix)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        np.matmul(matrix, matrix, out=out)
        times.append(time.perf_counter() - started)
    return min(times)


_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "asimd": "NEON"}
"""Sets of instructions as Linux names them, the widest first, and as people do."""


def _cpu() -> str:
    """The processor, with what tells two of one name apart: instructions, caches and clock.

    Virtual machines of one provider are all of one name; the widest vectors, the sizes of the caches, and the
    BogoMIPS (on x86 the nominal clock, which does not vary while a machine runs) are facts that do not drift, so a
    machine is always the same one.
    """
    facts = _cpuinfo()
    name = facts.get("model name") or platform.processor() or platform.machine()
    features = set((facts.get("flags") or facts.get("Features") or "").split())
    vectors = next((text for flag, text in _VECTORS.items() if flag in features), None)
    stepping = " ".join(facts[key] for key in ("cpu family", "model", "stepping") if key in facts)
    clock = facts.get("bogomips") or facts.get("BogoMIPS")
    extras = [stepping and f"model {stepping}", vectors, *_caches(), clock and f"{float(clock):.0f} BogoMIPS"]
    return ", ".join([name, *(extra for extra in extras if extra)])


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = path.read_text().partition("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _caches() -> list[str]:
    """The sizes of the first processor's caches of level 2 and 3, as ``L2 2048K``."""
    caches = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, size = (folder / name for name in ("level", "size"))
        if size.exists() and (number := level.read_text().strip()) != "1":
            caches.append(f"L{number} {size.read_text().strip()}")
    return caches


def _gpu(device: str) -> dict[str, str | None]:
    if not device.startswith("cuda"):
        return {"gpu": None, "driver": None}
    import torch

    return {"gpu": torch.cuda.get_device_name(device), "driver": _driver()}


def _driver() -> str | None:
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:  # the extra `gpu` is not installed: the column stays null
        return None
    pynvml.nvmlInit()
    try:
        return str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()


def _torch_flags() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {"threads": None, "deterministic_algorithms": None}
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def _commit() -> str | None:
    """The commit of this code; `None` where it was installed, even into a folder within some repository."""
    tracked = _git("ls-files", "--error-unmatch", "__init__.py") is not None
    return _git("rev-parse", "HEAD") if tracked else None


def refused_checkout() -> str:
    """What to do where git does not read the repository of this code, since another user owns it; else empty."""
    done = _answer("rev-parse", "--show-toplevel")
    if done is None or "dubious ownership" not in done.stderr:
        return ""
    folder = next((each for each in (_PACKAGE, *_PACKAGE.parents) if (each / ".git").exists()), _PACKAGE.parent)
    return (
        f"git does not read {folder}, which another user owns, so no row names its commit: "
        f"run `git config --global --add safe.directory {shlex.quote(str(folder))}`"
    )


def _git(*arguments: str) -> str | None:
    """What git says about the folder of the package; `None` without git or outside a repository."""
    done = _answer(*arguments)
    return None if done is None or done.returncode else done.stdout.strip()


def _answer(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    command = ["git", "-C", str(_PACKAGE), *arguments]
    plain = {**os.environ, "LC_ALL": "C"}  # its messages in English
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=plain)  # noqa: S603 - fixed words, the user's own git
    except OSError:
        return None


_STATUS = Path("/proc/self/status")


_CLEAR = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Begin a new peak where the system can (Linux); elsewhere the peak is that of the whole process."""
    if _CLEAR.exists():
        try:
            _CLEAR.write_text("5")
        except PermissionError:  # a hardened container: the process's peak stands, which is never too small
            return


def peak_bytes() -> int:
    """Largest resident set since `reset_peak`, in bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
