"""Run a plan of probes: a fresh process for each model of a case, in interleaved rounds.

Processes are called in turn, so that only one is active at a time. Each model has its own process, so that no model
uses another's memory, caches or threads, and its peak memory is its own. The processes of a case live until its last
round: importing torch for every round would take longer than the measurement. Rounds alternate between the models of
the case (A B C A B C …), so that a machine that slows down slows all of them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import pyarrow as pa

from bench.cells import CODE_VERSION, Case
from bench.probe.probe_plan import ProbePlan, Setting, Wanted
from bench.probe.workload import Answer, Facts, Question, Sample
from bench.running.rows import Blocked
from bench.running.runner import Advanced, Finished, Listener, Planned, Started
from bench.running.supervised import Worker, WorkerDiedError
from bench.spec import Suite
from bench.store import publish, read_suite, writing
from bench.store.environment import checkout, environment
from bench.store.schema import ADVICE, Status, table


@dataclass(frozen=True)
class ProbeSession:
    """What the rows of models that were measured in turn have in common."""

    device: str
    threads: int
    code: Mapping[str, Any] = field(default_factory=dict)  # the checkout as it was when the first of them began
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def probed(wanted: Wanted, facts: Facts, samples: Sequence[Sample], session: ProbeSession) -> pa.Table:
    """A row for every quantity, of every round where it is repeated: the raw samples."""
    common = {**_common(wanted, session), **facts.environment, **session.code, "status": Status.OK.value}
    return table("probes", [{**common, **row} for row in _values(facts, samples)])


def failed(wanted: Wanted, why: Blocked, session: ProbeSession) -> pa.Table:
    """One row that says why there is no more."""
    place = {
        **environment(session.device),
        **session.code,
        "threads": session.threads,
    }  # its own: the worker sent none
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


def _common(wanted: Wanted, session: ProbeSession) -> dict[str, Any]:
    return {
        **wanted.cell.columns,
        "reason": "",
        "workload": wanted.workload.to_json() if wanted.workload else None,
        "parameters_from": wanted.parameters_from,
        "code_version": CODE_VERSION,
        "device": session.device,
        "started_at": session.started_at,
    }


TARGET = "bench.probe.prober:answer"
TOGETHER = 12
"""Models whose processes stand side by side, at most: each holds a few hundred megabytes."""

_PAUSE_S = 0.01  # the threads of the process called before may still be waiting busily
_BEGIN_S, _ROUND_S = 5.0, 0.4  # of one model: process, imports and warm-up; then each round


def run(plan: ProbePlan, listener: Listener, *, suite: Suite | None = None, target: str = TARGET) -> None:
    """Probe what is pending and store each cell when its case is done.

    Parameters
    ----------
    plan
        What to probe, and where to store it.
    listener
        Called with every event, in this thread.
    suite
        What the cells come from, to be kept in a folder that does not tell its suite yet.
    target
        Address of what answers in the processes.

    Raises
    ------
    StoreError
        The results folder cannot be written, or another run is writing there.
    """
    setting, count = plan.setting, len(plan.pending)
    clock = _Clock(count, setting.repeats)
    listener(Planned(total=len(plan.cells), pending=count, remaining_s=clock.left_s(0)))
    if not count:
        publish(plan.folder)  # what an earlier run could not
        return
    done, code = 0, checkout()
    with writing(plan.folder, alone=True) as writer:  # refuses before anything is changed
        if suite is not None and read_suite(plan.folder) is None:
            writer.put_suite(suite.model_dump_json(indent=1))
        for group in _groups(plan.pending):
            session = ProbeSession(setting.device, setting.threads, code)
            subjects = _measured(group, setting, listener, left_s=partial(clock.left_s, done), target=target)
            left_s = clock.left_s(done + len(subjects))
            for subject in subjects:
                writer.put_probe(subject.rows(session), setting.machine)
                done += 1
                listener(subject.finished(done=done, pending=count, remaining_s=left_s))


class _Clock:
    """How long the rest takes: as long for each cell as those took that were measured, or as a first guess."""

    def __init__(self, count: int, repeats: int) -> None:
        self._count, self._repeats = count, repeats
        self._began = time.monotonic()

    def left_s(self, done: int, going: int = 0, rounds: int = 0) -> float:
        """After `done` cells, and so many rounds of those that are `going`."""
        guess_s = _BEGIN_S + self._repeats * _ROUND_S
        measured = done + going * (_BEGIN_S + rounds * _ROUND_S) / guess_s
        each_s = (time.monotonic() - self._began) / measured if measured else guess_s
        return each_s * (self._count - measured)


@dataclass
class _Subject:
    """One cell, the process that its model has, and what came of it."""

    wanted: Wanted
    worker: Worker[Question, Answer] | None = None
    facts: Facts | None = None
    samples: list[Sample] = field(default_factory=list)
    failure: Blocked | None = None
    seconds: float = 0.0

    def ask_facts(self) -> None:
        """Have the model built and warmed up, and learn what is known without timing it."""
        answer = self._answer("facts")
        if isinstance(answer, Facts):
            self.facts = answer

    def ask_sample(self) -> None:
        """One round."""
        answer = self._answer("sample")
        if answer is not None and not isinstance(answer, Facts):
            self.samples.append(answer)

    def _answer(self, what: Literal["facts", "sample"]) -> Facts | Sample | None:
        if self.failure or self.worker is None or self.wanted.workload is None:
            return None
        if what == "sample":
            time.sleep(_PAUSE_S)
        began = time.monotonic()
        try:
            answer = self.worker.call(Question(self.wanted.workload, what))
        except WorkerDiedError as death:
            answer = _of_death(death.exit_code)
        self.seconds += time.monotonic() - began
        if isinstance(answer, Blocked):
            self.failure = answer
            return None
        return answer

    def rows(self, session: ProbeSession) -> pa.Table:
        """What to store."""
        if self.failure or self.facts is None:
            return failed(self.wanted, self.failure or Blocked(Status.FAILED, "it was not probed"), session)
        return probed(self.wanted, self.facts, self.samples, session)

    def finished(self, *, done: int, pending: int, remaining_s: float) -> Finished:
        """The event that tells of it."""
        status, reason = self.failure or (Status.OK, "")
        return Finished(self.wanted.cell, status, reason, self.seconds, done, pending, remaining_s)


def _measured(
    group: Sequence[Wanted], setting: Setting, listener: Listener, *, left_s: Callable[[int, int], float], target: str
) -> list[_Subject]:
    """The models of one case, every round of each."""
    subjects = [_Subject(wanted, failure=wanted.blocked) for wanted in group]
    with _processes(subjects):
        for subject in subjects:
            listener(Started(subject.wanted.cell))
            if not subject.failure:
                subject.worker = Worker(target, setting.device, threads=setting.threads)
            subject.ask_facts()
        for done in range(1, setting.repeats + 1):
            for subject in subjects:
                subject.ask_sample()
            listener(Advanced(group[-1].cell, done, setting.repeats, left_s(len(group), done)))
    return subjects


@contextmanager
def _processes(subjects: Sequence[_Subject]) -> Iterator[None]:
    """Within the block they may have processes; none is left after it."""
    try:
        yield
    finally:
        workers = [subject.worker for subject in subjects if subject.worker]
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()


def _groups(pending: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """Cells that differ in their model alone, `TOGETHER` at most."""
    cases: dict[Case, list[Wanted]] = {}
    for wanted in pending:
        cases.setdefault(wanted.cell.key.case, []).append(wanted)
    for cells in cases.values():
        for first in range(0, len(cells), TOGETHER):
            yield cells[first : first + TOGETHER]


def _of_death(exit_code: int | None) -> Blocked:
    if exit_code == -9:  # by number: Windows has no SIGKILL
        reason = f"its process was killed (SIGKILL), as systems do when memory runs out; {ADVICE[Status.OUT_OF_MEMORY]}"
        return Blocked(Status.OUT_OF_MEMORY, reason)
    return Blocked(
        Status.FAILED, f"its process ended without an answer (exit code {exit_code}); {ADVICE[Status.FAILED]}"
    )
