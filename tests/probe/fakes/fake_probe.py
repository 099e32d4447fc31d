"""A stand-in for the worker process of a probe: the model's id says what it does, and a log who was requested what."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

from bench.probe.workload import Answer, Facts, Question
from bench.running.rows import Blocked
from bench.store.environment import environment
from bench.store.schema import Status

requested = itertools.count(1)


def answer(question: Question, *, device: str) -> Answer:
    turn = next(requested)
    size = json.loads(question.workload.parameters).get("hidden_size", 0)
    with Path(os.environ["FAKE_PROBE_LOG"]).open("a") as log:
        log.write(f"{question.workload.kind} {question.what} {os.getpid()} {os.environ['OMP_NUM_THREADS']}\n")
    if size == 13:
        os._exit(13)
    if size == 99:
        return Blocked(Status.OUT_OF_MEMORY, "requested to")
    if question.what == "facts":
        return Facts("fake.Model", "", {"parameters": 7, "peak_memory_bytes": 2**20}, environment(device))
    return {"step_s": 0.001 * turn, "latency_s": 1e-5}
