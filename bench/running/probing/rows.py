"""The rows that the probe of one cell becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from bench.environment import environment
from bench.probe.workload import Facts, Sample
from bench.running.preflight import Blocked
from bench.running.probing.plan import Wanted
from bench.schema import Status, table
from bench.suite.cells import CODE_VERSION


@dataclass(frozen=True)
class Session:
    """What the rows of models that were measured in turn have in common."""

    device: str
    threads: int
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def probed(wanted: Wanted, facts: Facts, samples: Sequence[Sample], session: Session) -> pa.Table:
    """A row for every quantity, of every round where it is repeated: the raw samples."""
    common = {**_common(wanted, session), **facts.environment, "status": Status.OK.value}
    return table("probes", [{**common, **row} for row in _values(facts, samples)])


def failed(wanted: Wanted, why: Blocked, session: Session) -> pa.Table:
    """One row that says why there is no more."""
    place = {**environment(session.device), "threads": session.threads}  # this process's own: the other told none
    return table("probes", [{**_common(wanted, session), **place, "status": why.status.value, "reason": why.reason}])


def _values(facts: Facts, samples: Sequence[Sample]) -> Iterator[Mapping[str, Any]]:
    for quantity, value in facts.values.items():
        yield {"quantity": quantity, "value": value, "implementation": facts.implementation}
    for repeat, sample in enumerate(samples):
        for quantity, value in sample.items():
            yield {
                "quantity": quantity,
                "repeat": repeat,
                "value": value,
                "implementation": _implementation(quantity, facts),
            }


def _implementation(quantity: str, facts: Facts) -> str:
    if quantity == "machine_reference_s":
        return "numpy.matmul"
    return facts.bank if quantity == "bank_step_s" else facts.implementation


def _common(wanted: Wanted, session: Session) -> dict[str, Any]:
    return {
        **wanted.cell.key,
        "reason": "",
        "workload": wanted.workload.to_json() if wanted.workload else None,
        "parameters_from": wanted.parameters_from,
        "code_version": CODE_VERSION,
        "device": session.device,
        "started_at": session.started_at,
    }
