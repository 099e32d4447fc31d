"""A temporary folder for what libraries make for themselves, where there is no home folder that can be written.

In a container the user may have no home, no name, and no right to write next to the code. Then compiled kernels,
settings of the pictures and downloads go to a folder that only this user can enter. Nothing is changed where the
libraries' own places can be used, or where the user's environment names others.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

KERNELS = "NUMBA_CACHE_DIR"
"""The environment variable that names the folder of compiled kernels."""

_CODE = Path(__file__).parent


def settle(code: Path = _CODE) -> None:
    """Name a temporary folder in the environment for whatever has no place; processes started later inherit it.

    Parameters
    ----------
    code
        The folder of the package, next to whose modules compiled kernels lie.
    """
    settle_kernels(code)
    if not _has_name():
        os.environ["USER"] = f"user-{os.getuid()}"
    home = _home()
    if home is None:
        os.environ["HOME"] = str(folder())
    elif not can_write(home):
        os.environ.setdefault("MPLCONFIGDIR", str(folder() / "matplotlib"))


def settle_kernels(code: Path = _CODE) -> None:
    """Name a folder for compiled kernels where neither the package nor the user's cache can be written."""
    if not os.environ.get(KERNELS) and not _keeps_kernels(code, _home()):
        os.environ[KERNELS] = str(folder() / "kernels")


def note() -> str:
    """What to know of the temporary folder, and the variables that name a better one; empty where it is not used."""
    place = os.environ.get(KERNELS, "")
    if not place or Path(place).parent != folder(make=False):
        return ""
    return (
        f"neither the package nor a home folder can be written: compiled kernels are kept in {place}, and lost with "
        f"it; name a folder that lasts in {KERNELS}, and in BENCH_CACHE for downloads"
    )


def folder(*, make: bool = True) -> Path:
    """The temporary folder of this user; another one, of this process, where somebody else made it."""
    path = Path(tempfile.gettempdir(), f"bench-{os.getuid() if hasattr(os, 'getuid') else 'user'}")
    if make:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        if not _is_own(path):  # what lies there could be run
            return Path(tempfile.mkdtemp(prefix="bench-"))
    return path


def can_write(path: Path) -> bool:
    """Whether `path`, or what of it exists, is a folder in which files can be made."""
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _is_own(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and (
        not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o077)
    )


def _home() -> Path | None:
    """The home folder; `None` where the system knows none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _has_name() -> bool:
    """Whether the user has a name, which torch asks for."""
    if os.name == "nt" or any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return True
    import pwd

    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def _keeps_kernels(code: Path, home: Path | None) -> bool:
    """Whether numba finds a place: next to the modules, or in the user's cache."""
    if all(can_write(code / name / "__pycache__") for name in ("kernels", "training")):
        return True
    cache = os.environ.get("XDG_CACHE_HOME") or (home and str(home / ".cache"))
    return bool(cache) and can_write(Path(str(cache)))
