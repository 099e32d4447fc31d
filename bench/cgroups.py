"""What a container allows: the CPUs and the memory that Linux control groups leave to this process.

Both versions are read, and every group from the process's own up to the root: the tightest limit counts. A container
often shows its own group as the root.

References
----------
https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/scheduler/sched-bwc.html
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

ROOT = Path("/")
_UNLIMITED = 1 << 60
"""Version 1 writes about 2⁶³ bytes for no limit."""


def cpu_quota(root: Path = ROOT) -> float | None:
    """How many CPUs' time this process may use; `None` for no limit.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are.
    """
    quotas = [quota for folder in _folders(root, "cpu") if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """How many bytes this process and those of its group may hold together; `None` for no limit."""
    limits = [limit for folder in _folders(root, "memory") if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def memory_left(root: Path = ROOT) -> int | None:
    """How many bytes are left of the tightest limit; `None` for no limit. What files are cached in can be freed."""
    left = [
        max(0, limit - (_used(folder) or 0))
        for folder in _folders(root, "memory")
        if (limit := _limit(folder)) is not None
    ]
    return min(left, default=None)


def oom_kills(root: Path = ROOT) -> int | None:
    """How many processes the kernel has killed as memory ran out, of this group and on this machine, since they began.

    `None` where it does not say.
    """
    files = [root / "proc/vmstat"]
    for folder in _folders(root, "memory"):
        files += [folder / "memory.events", folder / "memory.oom_control"]
    lines = (line.split() for file in dict.fromkeys(files) for line in _text(file).splitlines())
    counts = [int(words[1]) for words in lines if len(words) == 2 and words[0] == "oom_kill" and words[1].isdecimal()]
    return sum(counts) if counts else None


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The groups of this process, from its own to the root, that hold the files of `controller`."""
    top = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            bases = [top / controllers, top / controller]
        elif not controllers:
            bases = [top, top / "unified"]
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        for base in bases:
            yield from (base / place for place in (own, *own.parents))


def _quota(folder: Path) -> float | None:
    quota, period, *_ = [*_text(folder / "cpu.max").split(), "", ""]
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    with suppress(ValueError, ZeroDivisionError):  # no such file, or the word max
        return int(quota) / int(period) if int(quota) > 0 else None
    return None


def _limit(folder: Path) -> int | None:
    limit = _number(folder, "memory.max", "memory.limit_in_bytes")
    return limit if limit is not None and limit < _UNLIMITED else None


def _used(folder: Path) -> int | None:
    used = _number(folder, "memory.current", "memory.usage_in_bytes")
    pairs = (line.split() for line in _text(folder / "memory.stat").splitlines())
    stat = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
    return None if used is None else used - stat.get("total_inactive_file", stat.get("inactive_file", 0))


def _number(folder: Path, *names: str) -> int | None:
    for name in names:
        with suppress(ValueError):
            return int(_text(folder / name))
    return None


def _text(path: Path) -> str:
    """The content of a file of the kernel; nothing where there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
