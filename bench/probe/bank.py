"""The speed of a bank, apart from that of a single network: what a run trains with."""

from __future__ import annotations

import numpy as np
import torch

from bench.models.base import ModelKind
from bench.probe.clock import Call
from bench.probe.workload import Workload
from bench.seeds import generator
from bench.suite.spec import Training
from bench.training.fused import Fused, why_not
from bench.training.members import Member


def bank_step(kind: ModelKind, workload: Workload, device: str) -> tuple[Call, str] | None:
    """One training step of all members of a bank, and how they are stepped; `None` where there can be no bank."""
    parameters = kind.parameters.model_validate_json(workload.parameters)
    modules = [kind.build(parameters, workload.shape) for _ in range(workload.members)]
    if why_not(modules[0], workload.shape) is not None:
        return None
    training = Training(clip_norm=None, batch_size=workload.batch_size)
    members = [Member(parameters, training, 0, ("replicate", k)) for k in range(workload.members)]
    bank = Fused(modules, members, torch.device(device))
    draws, shape = generator(0, "probe"), workload.shape
    sizes = [
        (workload.members, workload.rows, steps, shape.channels) for steps in (shape.sequence_length, shape.horizon)
    ]
    x, y = (torch.from_numpy(draws.normal(size=size).astype(np.float32)).to(device) for size in sizes)
    return (lambda: bank.step(x, y)), f"bank of {workload.members}, {bank.how}"
