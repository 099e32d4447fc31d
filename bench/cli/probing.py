"""``bench probe``: what each model of a suite costs, measured apart from any run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.cli.interrupts import STATUS, raising
from bench.cli.lines import columns
from bench.cli.listing import loaded, naming_lines
from bench.cli.reading import write_report
from bench.cli.running import cpu_count
from bench.progress import sink
from bench.report.cost import costs
from bench.report.cost_table import shown
from bench.running.devices import resolved
from bench.running.events import Event
from bench.running.probing.plan import Setting, prepare
from bench.running.probing.session import run
from bench.running.selection import only
from bench.store.probes import read_probes
from bench.suite.cells import expand


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
    folder = request.results or Path("results", suite.name)
    setting = Setting(resolved(request.device), request.threads, request.repeats)
    with naming_lines(request.suite):
        plan = prepare(only(list(expand(suite)), request.only), folder, setting, fresh=request.fresh)
    quiet = request.progress == "jsonl"
    if plan.pending and (warning := _busy()):
        typer.echo(warning, err=True)
    with raising() as interrupt, sink(request.progress) as show:

        def listen(event: Event) -> None:
            show(event)
            interrupt.check()

        try:
            run(plan, listen, suite=suite)
        except KeyboardInterrupt:
            typer.echo(f"interrupted: finished probes are kept in {folder}; the same command goes on", err=True)
            return STATUS
    titles = {cell.id: cell.title for cell in plan.cells}
    found = [cost for cost in costs(read_probes(folder, machine=setting.machine)) if cost.cell_id in titles]
    typer.echo(columns(shown(found)), err=quiet)
    lost = [cost for cost in found if cost.reason]
    for cost in lost:
        typer.echo(f"{titles[cost.cell_id]}: {cost.reason}", err=True)
    typer.echo(f"\nresults: {folder}", err=quiet)
    if request.report:
        typer.echo(f"report:  {write_report(folder)}", err=quiet)
    return int(bool(lost))


def _busy() -> str:
    """A warning where other work is going on: it would be measured too."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], cpu_count()
    if load < 0.5 * cores:
        return ""
    return f"the load of this machine is {load:.1f} on {cores} CPUs: end other work, or its noise is in the intervals"
