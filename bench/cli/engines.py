"""The options of ``bench run`` that say where cells run, and what they mean for `--jobs` and `--device`.

A Dask cluster is another world: how many cells run at a time is up to its workers, and so are their devices.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.cli.terminal import say
from bench.errors import InputError
from bench.running.devices import resolved
from bench.running.plan import cpu_count
from bench.running.workers import RUN_CELL, Engine
from bench.text import listed

if TYPE_CHECKING:
    from bench.running.dask_engine import Cluster

_HERE = re.compile(r"[a-z]+://(127\.[\d.]+|localhost|\[::1\]):\d+")


@dataclass(frozen=True)
class EngineOptions:
    """As typed; `address` and `needs` are of Dask alone.

    Raises
    ------
    InputError
        They are given for another engine.
    """

    name: str = "processes"
    address: str | None = None
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name != "dask" and (self.address or self.needs):
            raise InputError(f"--engine {self.name}: expected neither --address nor --need; they are of --engine dask")

    def refuse(self, limits: Mapping[str, float]) -> None:
        """See that the engine keeps the `limits` of a cell, by their names in a suite.

        Raises
        ------
        InputError
            There are some, and cells run in this process, which nobody watches.
        """
        if self.name == "inline" and limits:
            raise InputError(
                "--engine inline: expected no limits of a cell, which only processes of their own are held to, got "
                f"{listed([f'limits.{name} {limit:g}' for name, limit in limits.items()])}; leave out --cell-timeout, "
                "--cell-memory and the suite's limits, or use another engine"
            )

    @property
    def elsewhere(self) -> bool:
        """Whether cells run where this process cannot look."""
        return self.address is not None

    def device(self, wanted: str) -> str:
        """The device to run on; ``auto`` where it is decided when something runs.

        Raises
        ------
        InputError
            It is none, or a GPU that torch cannot use here and that is of this machine.
        """
        if not self.elsewhere:
            return wanted if wanted == "auto" else resolved(wanted)
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
            raise InputError(f"device {wanted!r}: expected auto, cpu, cuda or cuda:INDEX")
        return "cpu" if wanted == "auto" else wanted

    def jobs(self, device: str, *, dry: bool) -> int:
        """How many cells run at the same time where nothing is said: one for each CPU, or for each worker there is."""
        if not self.elsewhere or dry:
            return cpu_count()
        from bench.running.dask_engine import slots

        return slots(self._cluster(device))

    def on_dask(self, *, jobs: int, device: str) -> Callable[[], Engine]:
        """What starts the engine for a cluster."""
        from bench.running.dask_engine import DaskEngine

        if self.address is not None and not self.address.startswith("tls://") and not _HERE.fullmatch(self.address):
            say(
                f"note: {self.address}: the connection is neither encrypted nor protected by a certificate: whoever "
                "reaches the scheduler can run code; docs/clusters.md says how to use TLS",
                err=True,
            )
        return partial(DaskEngine, RUN_CELL, jobs=jobs, device=device, cluster=self._cluster(device))

    def _cluster(self, device: str) -> "Cluster":
        from bench.running.dask_engine import Cluster

        return Cluster.parsed(self.address, self.needs, device=device)


HERE = EngineOptions()
"""Where cells run when nothing is said: in processes of this machine."""
