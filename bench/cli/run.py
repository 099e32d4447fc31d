"""``bench run``: from a suite file to stored cells, a report, and a table of results."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import bench
from bench import scratch
from bench.api.folders import loaded, naming_lines, refuse_other_folder, results_of
from bench.api.reports import REPORTS, up_to_date, write_report
from bench.cells import Cell, expand
from bench.cli.engines import HERE, EngineOptions
from bench.cli.progress import duration, sink, writes_to_stdout
from bench.cli.terminal import STATUS, Interrupt, is_terminal, raising, say, show_parts
from bench.errors import InputError
from bench.models import model_kinds
from bench.reporting.folder import report_folder
from bench.reporting.learning import stored_caution
from bench.running.anytime import Goal, plans, retried, run_all
from bench.running.causes import NEW, grouped, shared
from bench.running.devices import for_cells
from bench.running.estimates import left_s
from bench.running.plan import Plan, only, prepare
from bench.running.resolution import described, resolutions
from bench.running.runner import EndRequest, Event, Finished, Listener, Outcome, Started
from bench.running.sharding import Sample, Shard, ShardEngine
from bench.running.workers import Engine, start
from bench.spec import Suite
from bench.stats.looks import Looks, schedule
from bench.store import LOGS, is_results, read, read_renewal, without_surplus
from bench.store.copies import shown
from bench.store.environment import checkout
from bench.store.schema import Status
from bench.text import TextTable, commit, listed, plural
from bench.tuning.candidates import departures


@dataclass(frozen=True)
class RunRequest:
    """The options of ``bench run``, as typed; `None` where nothing was."""

    suite: str
    results: Path | None
    jobs: int | None
    device: str
    only: tuple[str, ...]
    fresh: bool
    failed_only: bool
    seed: int | None
    progress: str
    report: bool
    dry_run: bool
    within: float | None = None  # seconds
    cell_timeout: float | None = None  # seconds
    cell_memory: int | None = None  # bytes
    retries: int = 0
    shard: str | None = None
    sample: str | None = None
    engine: EngineOptions = HERE


def run_suite(request: RunRequest) -> int:
    """Carry out `request` and return the exit status."""
    until = None if request.within is None else time.monotonic() + request.within
    if request.fresh and request.failed_only:
        raise InputError("--fresh and --failed-only: expected one of them; --fresh runs the failed cells too")
    device = request.engine.device(request.device)
    suite = _suite(request)
    request.engine.refuse(suite.limits.stated)
    cells, folder = _selected(request, suite)
    if not cells:
        say(f"no cells in shard {request.shard} of {suite.name}: there are fewer of them than shards", err=True)
        return 0
    refuse_other_folder(folder, suite.name)
    goal = Goal.of(suite, until)
    rounds = _plans(request, suite, cells, folder, goal)
    with naming_lines(suite):
        plan = next(rounds)
    for line in (*_going_on(plan), *_damaged(plan), *(f"note: {note}" for note in plan.notes)):
        say(line, err=True)
    idle = request.dry_run or plan.nothing_to_do
    jobs = min(request.jobs or request.engine.jobs(device, dry=idle), max(goal.cells(plan), 1))
    if request.dry_run:
        show_parts(*_foreseen(plan, jobs), *chain.from_iterable(("", text) for text in _outlook(plan, cells, goal)))
        return 0
    for line in (*_begun(plan), *([scratch.note()] if plan.pending else [])):
        if line:
            say(line, err=True)
    if device == "auto":
        device = "cpu" if plan.nothing_to_do and goal.first is None else for_cells(device)
    with raising() as interrupt:
        try:
            with sink(request.progress) as show:
                begin = _starting(request, cells, jobs, device)
                listen = _listener(show, interrupt)
                every = retried(chain([plan], rounds), cells, request.retries)
                outcome = run_all(every, begin, jobs=jobs, device=device, listener=listen, suite=suite)
            interrupt.defers = False
            most = (cell.seeds for cell in cells)
            whole = replace(plan, cells=tuple(map(Cell.with_seeds, plan.cells, most)))
            status = _concluded(whole, outcome, report=request.report, quiet=writes_to_stdout(request.progress))
            if until is not None and time.monotonic() >= until:
                say("the time is over: the same command goes on where this one stood", err=True)
            interrupt.check()
        except KeyboardInterrupt:
            without = " without --fresh" if request.fresh else ""
            say(f"interrupted: finished cells are kept in {shown(folder)}; the same command{without} goes on", err=True)
            return STATUS
    return status


def _suite(request: RunRequest) -> Suite:
    """The suite, with the root seed and the limits that were typed."""
    suite = loaded(request.suite)
    if request.seed is not None:
        suite = suite.model_copy(update={"seed": request.seed})
    return _limited(suite, cell_s=request.cell_timeout, cell_bytes=request.cell_memory)


def _selected(request: RunRequest, suite: Suite) -> tuple[list[Cell], Path]:
    """The cells to run, and the folder of their results; a shard may have none."""
    cells, folder = only(list(expand(suite)), request.only), request.results or results_of(request.suite, suite)
    if request.sample is not None:
        sample = Sample.parsed(request.sample)
        cells, whole = sample.cells(cells), len(cells)
        say(
            f"a sample of {len(cells)} of {plural(whole, 'cell')}: --sample {sample.name} takes the same again",
            err=True,
        )
    if request.shard is None:
        return cells, folder
    shard = Shard.parsed(request.shard)
    return shard.cells(cells, suite), request.results or Path(f"{folder}-shards", shard.name)


def _starting(request: RunRequest, cells: Sequence[Cell], jobs: int, device: str) -> Callable[[], Engine]:
    """What starts the engine that was chosen, for `cells`."""
    if request.engine.name == "dask":
        begin = request.engine.on_dask(jobs=jobs, device=device)
    else:
        begin = partial(start, request.engine.name, jobs=jobs, device=device)
    return begin if request.shard is None else partial(ShardEngine, begin, cells)


def _plans(request: RunRequest, suite: Suite, cells: Sequence[Cell], folder: Path, goal: Goal) -> Iterator[Plan]:
    """What to run, plan by plan; what failed is run again at once."""
    if request.failed_only:
        return iter([replace(prepare(cells, folder, failed_only=True), until=goal.until)])
    return plans(cells, folder, suite, goal, fresh=request.fresh)


def _limited(suite: Suite, **limits: float | None) -> Suite:
    """`suite` with these limits of a cell, where they are given."""
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return suite.model_copy(update={"limits": suite.limits.model_copy(update=given)}) if given else suite


def _outlook(plan: Plan, cells: Sequence[Cell], goal: Goal) -> Iterator[str]:
    """What comes after the first plan, and what the suite is likely to see with its seeds."""
    most = max(cell.seeds for cell in cells)
    looks = Looks(schedule(min(goal.first or most, most), most), most)
    if len(looks.taken) > 1:
        yield f"then up to {plural(most, 'seed')} of cells whose claims are not decided"
    if seen := described(resolutions(plan.cells, plan.folder, looks), looks):
        yield seen
    if caution := stored_caution(plan.folder):
        yield caution


def _going_on(plan: Plan) -> Iterator[str]:
    """That a request to run every cell again, which was interrupted, is carried out now."""
    if plan.renewal and not plan.fresh:
        count = sum(map(plan.is_from_scratch, plan.pending))
        if count:
            are = "is" if count == 1 else "are"
            began = f"{plan.renewal.began.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            yield f"goes on with the --fresh run of {began}: {plural(count, 'cell')} {are} still to be run again"


def _damaged(plan: Plan) -> Iterator[str]:
    """Which stored cells count as not stored."""
    for wrong in plan.damaged:
        yield f"note: {wrong}; its cell counts as not stored, and a run moves what is there to .strays/"


def _listener(show: Callable[[Event], None], interrupt: Interrupt) -> Listener:
    """Shows each event; an interrupt lets the cells that run end, and no other begin."""
    running: set[str] = set()

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            if interrupt.requested:
                raise EndRequest
            running.add(event.cell.id)
        elif isinstance(event, Finished):
            running.discard(event.cell.id)
        interrupt.defers = bool(running)
        show(event)
        interrupt.check()

    return listen


BY_NAME = 40
"""Cells of a dry run that get a line each; of more, those of one cause share a line."""


def _foreseen(plan: Plan, jobs: int) -> list[str | TextTable]:
    """What a run would do and why, cell by cell or cause by cause, and about how long it would take."""
    to_run = [cell for cell in plan.pending if not plan.blocked(cell)]
    kept = plan.stored.keys() - {cell.id for cell in plan.pending}
    groups = grouped(plan)
    rows: list[tuple[str, ...]]
    if len(plan.cells) > BY_NAME:
        rows = [(plural(len(own), "cell"), _said(plan, cause, own, jobs), shared(plan, own)) for cause, own in groups]
    else:
        place = {cell.id: number for number, cell in enumerate(plan.cells)}
        pairs = [(cell, cause) for cause, own in groups for cell in own]
        pairs.sort(key=lambda pair: place[pair[0].id])
        rows = [(cell.title, _said(plan, cause, [cell], jobs)) for cell, cause in pairs]
    notes = dict.fromkeys(note for cell in to_run for note in _notes(plan, cell))
    count = len(plan.pending) - len(to_run)
    without = f", {count} unavailable" if count else ""
    extended = sum(bool(cell.finished) for cell in to_run)
    partly = f" ({extended} in part)" if extended else ""
    return [
        TextTable(rows),
        *([""] if notes else []),
        *notes,
        "",
        f"{plural(len(plan.cells), 'cell')}, {len(kept)} stored, {len(to_run)} to run{partly}{without}: "
        f"about {duration(plan.estimate_s(jobs))} with --jobs {jobs}",
    ]


def _said(plan: Plan, cause: str, cells: Sequence[Cell], jobs: int) -> str:
    """The cause, and about how long what runs of it takes."""
    ids = {cell.id for cell in plan.pending if not plan.blocked(cell)}
    seconds = [plan.seconds(cell) for cell in cells if cell.id in ids]
    return f"{cause}, about {duration(left_s(seconds, jobs))}" if seconds else cause


def _begun(plan: Plan) -> Iterator[str]:
    """Why cells run, unless all that run are new."""
    pending = {cell.id for cell in plan.pending if not plan.blocked(cell)}
    groups = [(cause, len(own)) for cause, own in (grouped(plan) if pending else ()) if own[0].id in pending]
    if any(cause != NEW for cause, _ in groups):
        named = [f"{plural(count, 'cell')} {cause}" for cause, count in groups[:_CAUSES]]
        more = [f"{len(groups) - _CAUSES} other causes (--dry-run says which)"] if len(groups) > _CAUSES else []
        yield f"to run: {'; '.join([*named, *more])}"


_CAUSES = 4
"""So many causes are named when a run begins."""


def _notes(plan: Plan, cell: Cell) -> Iterator[str]:
    """What to know of a cell before it runs."""
    if cell.tuning:
        yield from departures(model_kinds()[cell.model.kind], cell)
    if cell.split.refit:
        fits = plan.preflight.fits(cell)
        case = f"{cell.dataset.id}, h={cell.horizon}"
        yield f"{case}: refit: each replicate is fitted {plural(fits, 'time')}, once at each origin"


def _concluded(plan: Plan, outcome: Outcome, *, report: bool, quiet: bool) -> int:
    """Print results, what did not finish and where the report is; the exit status."""
    waiting = _waiting(plan)
    if is_results(plan.folder):
        from bench.cli.results_table import COLUMNS, ranked_table, results_table  # a dry run prints none

        runs = without_surplus(
            read(plan.folder, "runs", (*COLUMNS, *_CODE)), {cell.id: cell.seeds for cell in plan.cells}
        )
        done = [cell.id for cell in plan.cells if cell.id not in waiting]
        ranked = ranked_table(plan.folder, done) if is_terminal(err=quiet) else []
        show_parts(*(ranked or results_table(runs, done)), err=quiet)
        if older := _of_other_code(runs, plan, checkout()):
            say(f"\n{older}", err=True)
    problems = _problems(plan, outcome)
    if problems:
        head = f"\n{len(problems)} of {plural(len(plan.cells), 'cell')} did not finish:"
        say("\n".join([head, *problems]), err=True)
        if (plan.folder / LOGS).is_dir():
            say(f"what cells printed: {plan.folder / LOGS}, in the files of their ids", err=True)
    if waiting:
        say(f"\n{_not_renewed(len(waiting))}", err=True)
    say(f"\nresults: {shown(plan.folder)}", err=quiet)
    if report and outcome:
        page = report_folder(REPORTS, plan.cells[0].suite, plan.folder) / "index.html"
        if not up_to_date(page, plan.folder):
            page = write_report(plan.folder)
        say(f"report:  {page}", err=quiet)
    return int(bool(problems))


def _waiting(plan: Plan) -> frozenset[str]:
    """The cells of the plan that --fresh could not run again."""
    renewal = read_renewal(plan.folder)
    return renewal.cells.intersection(cell.id for cell in plan.cells) if renewal else frozenset()


def _not_renewed(cells: int) -> str:
    return (
        f"{plural(cells, 'cell')} could not be run again: the earlier rows are kept, and count as no results until "
        "`bench run` has renewed them"
    )


_CODE = ("git_commit", "git_dirty", "bench_version")
"""The columns of `runs` that name the code."""


def _of_other_code(runs: pa.Table, plan: Plan, here: Mapping[str, Any]) -> str:
    """What to know of cells with replicates that are of other code than that which is here; else empty."""
    ids = pa.array((cell.id for cell in plan.cells), pa.string())
    known = runs.filter(pc.is_in(runs["cell_id"], value_set=ids))
    rows = known.group_by(["cell_id", *_CODE], use_threads=False).aggregate([]).to_pylist()
    now = _code(here["git_commit"], bench.__version__, dirty=bool(here["git_dirty"]))
    codes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        codes[row["cell_id"]].add(_code(row["git_commit"], row["bench_version"], dirty=bool(row["git_dirty"])))
    others = {cell_id: names - {now, ""} for cell_id, names in codes.items() if names - {now, ""}}
    if not others:
        return ""
    by = listed(sorted(set.union(*others.values())))
    extended = sum(now in codes[cell_id] for cell_id in others)
    partly = f", {extended} of them in part" if extended else ""
    return (
        f"{plural(len(others), 'cell')} of {len(plan.cells)} stored earlier{partly}, by {by}; the code here is {now}. "
        "`bench run --fresh` runs them again"
    )


def _code(git_commit: str | None, version: str | None, *, dirty: bool) -> str:
    """What to call code: by its commit, or else by its version; empty where neither is known."""
    if git_commit:
        return f"commit {commit(git_commit, dirty=dirty)}"
    return f"bench {version}" if version else ""


def _problems(plan: Plan, outcome: Outcome) -> list[str]:
    lines = []
    why = "leave out --failed-only" if plan.until is None else "there was no time for it"
    for cell in plan.cells:
        what = outcome.get(cell.id)
        if what is None:
            lines.append(f"{cell.title}: never run; {why}")
        elif what.status is not Status.OK:
            lines.append(f"{cell.title}: {what.status}: {what.reason}")
    return lines
