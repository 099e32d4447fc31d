"""The speed of a bank, apart from that of a single network: what a run trains with."""

from __future__ import annotations

from typing import NamedTuple

import torch

from bench.models.base import ModelKind
from bench.probe.clock import Call
from bench.probe.subjects import random_windows
from bench.probe.workload import Workload
from bench.suite.spec import Training
from bench.training.capacity import members_at_once
from bench.training.fused import Fused, why_not
from bench.training.members import Member
from bench.training.stepper import loss_of


class BankStep(NamedTuple):
    """One training step of all members of a bank.

    Parameters
    ----------
    call
        The step.
    members
        How many there are: those of the workload, or as many as memory holds.
    how
        How they are stepped.
    """

    call: Call
    members: int
    how: str


def bank_step(kind: ModelKind, workload: Workload, device: str) -> BankStep | None:
    """The step of a bank of this workload's model; `None` where its members are trained one by one."""
    parameters = kind.parameters.model_validate_json(workload.parameters)
    training = Training(clip_norm=None, batch_size=workload.rows)
    shape, place = workload.shape, torch.device(device)
    first = kind.build(parameters, shape)
    if why_not(first, shape) is not None:
        return None
    count = min(workload.members, members_at_once(first, shape, workload.rows, place))
    modules = [first, *(kind.build(parameters, shape) for _ in range(count - 1))]
    members = [Member(parameters, training, 0, ("replicate", k)) for k in range(count)]
    bank = Fused(modules, members, place, loss=loss_of(shape, training))
    x, y = random_windows(shape, (count, workload.rows), device)
    return BankStep(lambda: bank.step(x, y), count, f"bank of {count}, {bank.how}")
