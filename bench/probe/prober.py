"""Measure one workload in this process, which should be fresh and do nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from bench.environment import environment, machine_reference_s
from bench.memory import peak_bytes, reset_peak
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.probe.bank import bank_step
from bench.probe.clock import Timer, synchroniser
from bench.probe.flops import FORMULAS
from bench.probe.subjects import subject
from bench.probe.workload import PREDICT_BATCH, Facts, Sample, Workload
from bench.registry import lookup


class Prober:
    """Everything about one workload that can be measured.

    Parameters
    ----------
    workload
        What to measure.
    device
        A torch device.
    """

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        kind = lookup(model_kinds(), workload.kind, "model")
        before = _settled_bytes(device)
        model = subject(kind, workload, device)
        model.exercise()
        memory = _peak_bytes(device) - before  # before anything else is built or predicted
        synchronise = synchroniser(device)
        self._timers = {name: Timer(call, synchronise) for name, call in model.calls().items()}
        self._bank = bank_step(kind, workload, device) if kind.gradient else None
        if self._bank:
            self._timers["bank_step_s"] = Timer(self._bank.call, synchronise)
        values = {"peak_memory_bytes": memory, "parameters": model.parameter_count(), **_flops(kind, workload)}
        how = self._bank.how if self._bank else ""
        self.facts = Facts(model.implementation, how, values, environment(device))

    def sample(self) -> Sample:
        """One round: every quantity once."""
        found = {name: timer.sample() for name, timer in self._timers.items()}
        found["windows_per_s"] = PREDICT_BATCH / found["windows_per_s"]
        if self._bank:
            found["bank_step_s"] /= self._bank.members
        return {**found, **derived(self.workload, found), "machine_reference_s": machine_reference_s(repeats=3)}


def derived(workload: Workload, sample: Sample) -> Sample:
    """Seconds of an epoch and of a fit by gradient descent, from those of a step and of predictions.

    An epoch is a whole step for every batch of train windows, the last one too, and one prediction of the validation
    windows; gathering the batches is left out. A fit is all its epochs.
    """
    if "step_s" not in sample:
        return {}
    steps = math.ceil(workload.train_windows / workload.batch_size)
    epoch_s = steps * sample["step_s"] + workload.validation_windows / sample["windows_per_s"]
    return {"epoch_s": epoch_s, "fit_s": workload.epochs * epoch_s}


def _flops(kind: ModelKind, workload: Workload) -> Mapping[str, float]:
    formula = FORMULAS.get(workload.kind)
    if formula is None:  # of another distribution
        return {}
    found = formula(kind.parameters.model_validate_json(workload.parameters), workload.shape)
    step = {} if found.step is None else {"step_flops": found.step * workload.rows}
    return {"forward_flops": found.forward, **step}


def _settled_bytes(device: str) -> int:
    """Memory in use once torch has loaded what it loads with the first training step of any model."""
    layer = nn.Linear(1, 1).to(device)
    adam = torch.optim.Adam(layer.parameters(), fused=True)
    layer(torch.ones(1, 1, device=device)).sum().backward()
    adam.step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        reset_peak()
    return _peak_bytes(device)


def _peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    return peak_bytes()
