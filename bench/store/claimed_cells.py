"""Which runner works on which cell of a results folder, so that several share them: a file for each claimed cell.

A claim names its process, and its time of change is renewed while that process lives. One of a process of this machine
that is gone is free at once. One of another machine is free when its time of change has stood still for
`EXPIRES_S` as the one who waits counts them: what the clocks of two machines say is never compared, nor what one clock
says before and after it was set.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench.atomic import kind_of, open_file, real_folder

CLAIMS = ".claims"
"""The folder, within a results folder."""

BEAT_S = 5.0
"""Seconds between two renewals."""

EXPIRES_S = 60.0
"""Seconds after which a claim of another machine that was not renewed is free."""


@dataclass
class Claims:
    """The cells that one runner has claimed, and what it has seen of the claims of others.

    Parameters
    ----------
    folder
        The results folder.
    """

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    _own: set[str] = field(default_factory=set)
    _seen: dict[str, tuple[tuple[int, int], float]] = field(default_factory=dict)  # cell id → its file, since when
    _ended: threading.Event = field(default_factory=threading.Event)
    _beat: threading.Thread | None = None

    def take(self, cell_id: str) -> bool:
        """Claim a cell; `False` where another runner has it. Only for the one that holds the folder's lock.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        if cell_id in self._own:
            return True
        real_folder(self.folder / CLAIMS)
        if self.is_taken_here(cell_id):
            return False
        path = self._path(cell_id)
        path.unlink(missing_ok=True)  # of a runner that is gone
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps({**process(), "token": self.token}))
        self._own.add(cell_id)
        if self._beat is None:
            self._beat = threading.Thread(target=self._renew, name="claims", daemon=True)
            self._beat.start()
        return True

    def is_taken(self, cell_id: str) -> bool:
        """Whether a runner other than this one works on it, as far as can be known."""
        return self.is_taken_here(cell_id)

    def is_taken_here(self, cell_id: str) -> bool:
        """Whether another runner of this folder works on it."""
        path = self._path(cell_id)
        try:
            status = path.lstat()
            with open_file(path) as file:
                holder = json.loads(file.read(1000))
        except (FileNotFoundError, ValueError):
            return False  # a claim is written under the lock: the runner of one that is torn was killed there
        except OSError:
            holder = None  # not a claim
        if isinstance(holder, dict) and _same_machine(holder):
            return holder.get("token") != self.token and _is_alive(holder)
        now, seen = time.monotonic(), (status.st_mtime_ns, status.st_ino)
        before, since = self._seen.get(cell_id, (None, now))
        self._seen[cell_id] = (seen, since if before == seen else now)
        return before != seen or now - since < EXPIRES_S

    def holds(self, cell_id: str) -> bool:
        """Whether the cell is still claimed by this runner, which may have stood still while another took it over."""
        try:
            with open_file(self._path(cell_id)) as file:
                return bool(json.loads(file.read(1000))["token"] == self.token)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def release(self, cell_id: str) -> None:
        """Give a cell free."""
        if cell_id in self._own and self.holds(cell_id):
            self._path(cell_id).unlink(missing_ok=True)
        self._own.discard(cell_id)

    def end(self) -> None:
        """Give everything free."""
        self._ended.set()
        for cell_id in list(self._own):
            with suppress(OSError):
                self.release(cell_id)

    def others(self) -> list[str]:
        """The cells that other runners work on."""
        return [cell_id for cell_id in _claimed(self.folder) if cell_id not in self._own and self.is_taken(cell_id)]

    def clear(self) -> None:
        """Remove the claims of runners of this machine that are gone; only for the one that holds the lock."""
        for cell_id in _claimed(self.folder):
            if cell_id not in self._own and not self.is_taken(cell_id):
                self._path(cell_id).unlink(missing_ok=True)

    def _path(self, cell_id: str) -> Path:
        return self.folder / CLAIMS / cell_id

    def _renew(self) -> None:
        while not self._ended.wait(BEAT_S):
            for cell_id in list(self._own):
                with suppress(OSError):  # a folder that cannot be written is said where rows are stored
                    os.utime(self._path(cell_id))


def abandoned(folder: Path) -> bool:
    """Whether a runner that is gone has left claims."""
    known = Claims(folder)
    return any(not known.is_taken(cell_id) for cell_id in _claimed(folder))


def _claimed(folder: Path) -> list[str]:
    place = folder / CLAIMS
    return sorted(path.name for path in place.iterdir()) if kind_of(place) == "a folder" else []


@cache
def _machine() -> tuple[str, str, str]:
    """Host, boot and namespace of processes: where these are equal, a process is known by its number."""
    boot, names = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    with suppress(OSError):
        return socket.gethostname(), boot.read_text().strip(), str(names.readlink())
    return socket.gethostname(), "", ""


def process() -> dict[str, Any]:
    """What a claim of this process says of it."""
    host, boot, namespace = _machine()
    pid = os.getpid()
    return {"host": host, "boot": boot, "namespace": namespace, "pid": pid, "started": _started(pid)}


def _same_machine(holder: dict[str, Any]) -> bool:
    return os.name != "nt" and _machine() == tuple(holder.get(name) for name in ("host", "boot", "namespace"))


def is_gone(holder: dict[str, Any]) -> bool | None:
    """Whether the process that made a claim has ended; `None` where it is of another machine, or not known."""
    return not _is_alive(holder) if _same_machine(holder) else None


def _is_alive(holder: dict[str, Any]) -> bool:
    """Whether the process is there, and is the one that made the claim and no later one of its number."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return _started(pid) == holder.get("started")


def _started(pid: int) -> int:
    """When a process was started, in ticks since the boot; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return -1 if state in "ZX" else int(rest[18])  # dead, though its parent has not looked yet
    return 0
