"""The far side: one workload in one fresh process.

torch is imported here, so that the process's environment tells it and its memory is not the model's.
"""

from __future__ import annotations

import functools

import torch  # noqa: F401 - loaded before anything is measured

from bench.probe.prober import Prober
from bench.probe.workload import Workload
from bench.running.failures import classified
from bench.running.preflight import Blocked
from bench.running.probing.asking import Answer, Question


def answer(question: Question, *, device: str) -> Answer:
    """The answer; the first one builds the model and warms it up."""
    try:
        prober = _prober(question.workload, device)
        return prober.facts if question.what == "facts" else prober.sample()
    except Exception as error:  # a failure is a value; the other models go on
        return Blocked(*classified(error))


@functools.cache
def _prober(workload: Workload, device: str) -> Prober:
    return Prober(workload, device)
