"""A SLURM of this machine alone, with daemons and folders of its own, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CONFIGURATION = """\
ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/daemon.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=2,sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Within the block ``sbatch`` with the environment that is given reaches a node that is idle."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: the path of a socket has at most 107 characters
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    ports = {"controller": _free_port(), "daemon": _free_port()}
    configuration = folder / "slurm.conf"
    configuration.write_text(_CONFIGURATION.format(host=host, folder=folder, cpus=os.cpu_count(), **ports))
    env = {**os.environ, "SLURM_CONF": str(configuration), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    files = {
        "key-file": "key",
        "socket": "munge.socket",
        "pid-file": "munge.pid",
        "log-file": "log",
        "seed-file": "seed",
    }
    munge = ["munged", "--foreground", "--force", *(f"--{option}={folder / name}" for option, name in files.items())]
    daemons = []
    try:
        folder.chmod(0o755)
        for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (tmp_path / f"{command[0]}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
            time.sleep(0.5)
        _wait_for_the_node(env)
        yield env
    finally:
        for each in reversed(daemons):
            each.terminate()
        for each in daemons:
            each.wait(30)
        shutil.rmtree(folder)


def _wait_for_the_node(env: dict[str, str]) -> None:
    end = time.monotonic() + 60
    state = ""
    while time.monotonic() < end:
        done = subprocess.run(["sinfo", "-h", "-o", "%t"], env=env, capture_output=True, text=True, check=False)
        if (state := done.stdout.strip()) == "idle":
            return
        time.sleep(0.5)
    pytest.skip(f"SLURM is installed, but its node does not become idle here: {state or done.stderr.strip()[:200]}")
