"""``bench probe``: time and memory of each model of a suite, measured separately from any run."""

import os
from dataclasses import dataclass
from pathlib import Path

from bench import scratch
from bench.api.folders import loaded, naming_lines, refuse_other_folder, results_of
from bench.api.reports import write_report
from bench.cells import expand
from bench.cli.progress import sink, writes_to_stdout
from bench.cli.terminal import STATUS, raising, say, show_parts
from bench.probe.probe_plan import Setting, prepare
from bench.probe.session import run
from bench.reporting import cost_tables
from bench.reporting.costs import costs
from bench.running.devices import resolved
from bench.running.plan import cpu_count, only
from bench.running.runner import Event
from bench.store.copies import shown
from bench.store.reader import read_probes
from bench.text import TextTable


@dataclass(frozen=True)
class ProbeRequest:
    """The options of ``bench probe``, as typed; `None` where nothing was."""

    suite: str
    results: Path | None
    only: tuple[str, ...]
    repeats: int
    threads: int
    device: str
    fresh: bool
    progress: str
    report: bool


def probe_suite(request: ProbeRequest) -> int:
    """Carry out `request` and return the exit status."""
    suite = loaded(request.suite)
    folder = request.results or results_of(request.suite, suite)
    refuse_other_folder(folder, suite.name)
    setting = Setting(resolved(request.device), request.threads, request.repeats)
    with naming_lines(suite):
        plan = prepare(only(list(expand(suite)), request.only), folder, setting, fresh=request.fresh)
    quiet = writes_to_stdout(request.progress)
    if plan.pending:
        for warning in filter(None, (scratch.note(), _busy())):
            say(warning, err=True)
    with raising() as interrupt, sink(request.progress) as show:

        def listen(event: Event) -> None:
            show(event)
            interrupt.check()

        try:
            run(plan, listen, suite=suite)
        except KeyboardInterrupt:
            say(f"interrupted: finished probes are kept in {shown(folder)}; the same command goes on", err=True)
            return STATUS
    titles = {cell.id: cell.title for cell in plan.cells}
    measured = [cost for cost in costs(read_probes(folder, machine=setting.machine)) if cost.cell_id in titles]
    head, *rows = cost_tables.shown(measured)
    show_parts(TextTable(rows, head, names=2), err=quiet)
    lost = [cost for cost in measured if cost.reason]
    for cost in lost:
        say(f"{titles[cost.cell_id]}: {cost.reason}", err=True)
    say(f"\nresults: {shown(folder)}", err=quiet)
    if request.report:
        say(f"report:  {write_report(folder)}", err=quiet)
    return int(bool(lost))


def _busy() -> str:
    """A warning where other work is going on: it would be measured too."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], cpu_count()
    if load < 0.5 * cores:
        return ""
    return f"the load of this machine is {load:.1f} on {cores} CPUs: end other work, or its noise is in the intervals"
