"""``bench doctor``: check what a run needs, and say how to fix each problem."""

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from bench import scratch
from bench.cgroups import cpu_quota, memory_limit
from bench.cli.terminal import show_parts
from bench.data.pinned import PINNED, LocalFile, verify
from bench.errors import InputError
from bench.models.optional import LIBRARIES, absent, is_installed
from bench.paths import RESULTS, cache_folder, data_folders
from bench.reporting.learning import stored_caution
from bench.running.devices import has_gpu_driver
from bench.running.plan import cpu_count
from bench.store.environment import checkout, machine_reference_s, refused_checkout
from bench.text import TextTable, commit

_LIBRARIES = ("numpy", "pyarrow", "pydantic", "torch", "numba", "optuna", "scipy", "pandas", "seaborn", "rich", "typer")
_ENOUGH_BYTES = 1 << 30


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at: `ok`, worth a `note`, or `wrong`; `detail` says what to do where it is not ok."""

    state: Literal["ok", "note", "wrong"]
    what: str
    detail: str


def doctor() -> int:
    """Print every finding; 1 where something is wrong."""
    findings = [finding for check in CHECKS for finding in _findings(check)]
    show_parts(TextTable([(finding.state, finding.what, finding.detail) for finding in findings], names=2))
    return int(any(finding.state == "wrong" for finding in findings))


def _findings(check: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    """What `check` finds; where the system refuses, that is a finding too, and the other checks go on."""
    try:
        yield from check()
    except OSError as error:
        place = error.filename or check.__name__.strip("_")
        yield Diagnosis("wrong", check.__name__.strip("_"), f"{place}: {error.strerror}; fix its permissions")


def _python() -> Iterator[Diagnosis]:
    state: Literal["ok", "wrong"] = "ok" if sys.version_info >= (3, 11) else "wrong"
    yield Diagnosis(state, "python", f"{platform.python_version()} at {sys.executable}; 3.11 or newer is needed")


def _libraries() -> Iterator[Diagnosis]:
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a broken library raises is the finding
            advice = "install the project again: pip install --constraint constraints.txt ."
            yield Diagnosis("wrong", name, f"cannot be imported ({error}); {advice}")
        else:
            yield Diagnosis("ok", name, metadata.version(name))


def _optional() -> Iterator[Diagnosis]:
    """Libraries that some models need alone."""
    for package, library in LIBRARIES.items():
        if is_installed(package):
            yield Diagnosis("ok", package, f"{metadata.version(library.distribution)}, for {library.serves}")
        else:
            yield Diagnosis("note", package, f"{absent(package)}, for {library.serves}")


def _code() -> Iterator[Diagnosis]:
    here = checkout()
    if refused := refused_checkout():
        yield Diagnosis("note", "code", refused)
    elif here["git_commit"] is None:
        yield Diagnosis("ok", "code", "no checkout of git: rows name the version of bench alone")
    else:
        yield Diagnosis("ok", "code", f"commit {commit(here['git_commit'], dirty=here['git_dirty'])}")


def _processors() -> Iterator[Diagnosis]:
    reference_ms = 1e3 * machine_reference_s()
    cpus = f"{cpu_count()} for this process: as many cells at a time, each with one thread"
    yield Diagnosis("ok", "CPU", f"{cpus}; the reference matrix product takes {reference_ms:.2f} ms")


def _container() -> Iterator[Diagnosis]:
    """What is different in a container: quotas, a user without a name or a home."""
    quota, limit = cpu_quota(), memory_limit()
    if quota is not None:
        yield Diagnosis("ok", "CPU quota", f"{quota:g} CPUs for this container: {cpu_count()} cells at a time")
    if limit is not None:
        yield Diagnosis("ok", "memory limit", f"{limit / 1e9:.1f} GB for this container, which banks stay below")
    if place := scratch.note():
        yield Diagnosis("note", "kernels", place)
    else:
        named = os.environ.get(scratch.KERNELS)
        yield Diagnosis("ok", "kernels", f"compiled kernels are kept in {named or 'the package or the user cache'}")
    if os.environ.get("HOME") == str(scratch.folder(make=False)):
        yield Diagnosis("note", "home", "the user has no home folder: set HOME to a folder that lasts")


def _gpu() -> Iterator[Diagnosis]:
    try:
        import torch
    except Exception:  # reported by `_libraries`
        return

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Diagnosis("ok", "GPU", ", ".join(names))
    elif has_gpu_driver():
        advice = "install a build of torch for CUDA (https://pytorch.org/get-started), or run on the CPU"
        yield Diagnosis("note", "GPU", f"an NVIDIA driver, but torch {torch.__version__} cannot use it; {advice}")
    else:
        yield Diagnosis("ok", "GPU", "none: cells run on the CPU")


def _data() -> Iterator[Diagnosis]:
    try:
        folders = data_folders()
    except InputError as error:
        yield Diagnosis("wrong", "data", f"{error}; name folders, or unset it")
        return
    for folder in folders:
        if not folder.is_dir():
            yield Diagnosis("wrong", "BENCH_DATA", f"{folder} is no folder; name one that holds the files, or unset it")
    for name in PINNED:
        file = examined(name)
        if file.state == "ok":
            yield Diagnosis("ok", f"data {name}", f"{file.path}, SHA-256 as pinned")
        else:
            yield Diagnosis("note" if file.state == "absent" else "wrong", f"data {name}", file.advice)


def _folders() -> Iterator[Diagnosis]:
    for what, folder in (("results", RESULTS), ("reports", Path("reports")), ("cache", cache_folder())):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        free = shutil.disk_usage(there).free
        if not _writable(there):
            yield Diagnosis("wrong", what, f"{there} cannot be written; fix its permissions, or work in another folder")
        elif free < _ENOUGH_BYTES:
            yield Diagnosis("wrong", what, f"{there} has {free / 1e6:.0f} MB left, expected 1 GB; make room")
        else:
            yield Diagnosis("ok", what, f"{folder.absolute()}: can be written, {free / 1e9:.0f} GB left")


def _training() -> Iterator[Diagnosis]:
    for folder in sorted(each.parent for each in RESULTS.glob("*/runs")):
        if caution := stored_caution(folder):
            yield Diagnosis("note", str(folder), caution)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _terminal() -> Iterator[Diagnosis]:
    encoding = sys.stdout.encoding or "ascii"
    kind = "a terminal: live progress" if sys.stderr.isatty() else "no terminal: progress as plain lines"
    try:
        "× – ·".encode(encoding)
    except UnicodeEncodeError:
        yield Diagnosis("wrong", "terminal", f"{encoding} cannot show ×; set PYTHONUTF8=1")
    else:
        yield Diagnosis("ok", "terminal", f"{kind}, {encoding}")


CHECKS: tuple[Callable[[], Iterator[Diagnosis]], ...] = (
    _python,
    _libraries,
    _optional,
    _code,
    _processors,
    _container,
    _gpu,
    _data,
    _folders,
    _training,
    _terminal,
)


def examined(name: str) -> LocalFile:
    """The state of the file, without a network; one that cannot be read is damaged."""
    try:
        return verify(name)
    except OSError as error:
        return _unreadable(name, error)


def _unreadable(name: str, error: OSError) -> LocalFile:
    place = error.filename or PINNED[name].file
    advice = f"{place}: expected a file that can be read, got {error.strerror}; fix its permissions, or remove it"
    return LocalFile(name, PINNED[name].file, "damaged", advice=advice)
