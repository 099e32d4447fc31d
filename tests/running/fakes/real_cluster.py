"""A Dask scheduler and workers as processes of their own, as on a cluster, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
FAKES = Path(__file__).parent


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RealCluster:
    """`folder` receives the logs; `options` are those of every process, `env` its environment."""

    folder: Path
    protocol: str = "tcp"
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    allowed_failures: int = 2
    port: int = field(default_factory=free_port)
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0

    @property
    def address(self) -> str:
        return f"{self.protocol}://127.0.0.1:{self.port}"

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        self.started += 1
        path = os.pathsep.join([str(ROOT), str(FAKES), *filter(None, [os.environ.get("PYTHONPATH")])])
        quick = {
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(self.allowed_failures),
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
        }
        with (self.folder / f"{self.started}-{command[0].split('_')[-1]}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command[0]}", *command[1:], *self.options],
                env={**os.environ, "PYTHONPATH": path, **quick, **self.env},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_scheduler(self) -> None:
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--protocol", self.protocol)
        self.scheduler = self._start(
            "dask_scheduler", *where, "--no-dashboard", "--no-show", "--dashboard-address", "127.0.0.1:0"
        )

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """A nanny and its worker, of one thread unless `options` say otherwise."""
        threads = () if "--nthreads" in options else ("--nthreads", "1")
        local = (
            "--host",
            "127.0.0.1",
            "--no-dashboard",
            "--dashboard-address",
            "127.0.0.1:0",
            "--local-directory",
            str(self.folder),
        )
        worker = self._start("dask_worker", self.address, *threads, *local, *options)
        self.workers.append(worker)
        return worker

    def inner(self, worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """The processes that the nanny `worker` has started to run tasks."""
        children = psutil.Process(worker.pid).children(recursive=True)
        return [each for each in children if "spawn_main" in _command(each)]

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """The machine goes away: nanny and worker at once."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            if process.poll() is None:
                self.kill(process)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def _command(process: psutil.Process) -> str:
    """Empty for one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
