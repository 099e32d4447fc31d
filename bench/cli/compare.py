"""Whole result sets, without torch: ``bench compare``, ``baseline``, ``merge`` and ``compact``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from bench import store
from bench.api.folders import gate_of, refuse_other_folder
from bench.cells import CellKey, expand
from bench.choices import Format
from bench.cli.terminal import say, show_markdown
from bench.errors import InputError, StoreError
from bench.replication.systems import parsed
from bench.reporting.source import suite_of
from bench.store.baseline import Requested, keep, size_bytes
from bench.store.copies import shown, url_of
from bench.store.reader import suite_name
from bench.text import TextTable, commit, listed, plural

if TYPE_CHECKING:
    import pyarrow as pa

    from bench.comparing import Comparison


def compare_results(  # noqa: PLR0913 - one parameter for each option
    old: Path,
    new: Path,
    *,
    suite: str | None,
    gate: bool,
    partial: bool,
    forms: Sequence[str],
    outputs: Sequence[Path],
) -> int:
    """Compare two results folders, write every form to its place, and return the exit status.

    Parameters
    ----------
    suite
        The suite whose gate says what counts; `None` for the shipped suite that the results name, where there is one.
    gate
        Whether the verdict decides the exit status.
    partial
        Whether only what `new` has is compared.
    forms, outputs
        Names of `bench.comparing.formats.FORMATS`, and where each goes; those without a file to standard output. One
        that none names is Markdown.

    Raises
    ------
    InputError
        The two cannot be compared; that has then been written in every form that was requested.
    """
    from bench.comparing.formats import FORMATS, REFUSALS
    from bench.comparing.outcomes import ALARMS, ChangeVerdict

    targets = list(zip_longest(forms or [Format.MD], outputs))
    if len(outputs) > len(forms or [Format.MD]):
        raise InputError(f"--output: expected one for each --format at most, got {len(outputs)} for {len(forms) or 1}")
    try:
        comparison = _compared(old, new, suite, gate=gate, partial=partial)
    except InputError as error:
        for form, output in targets:
            if forms or output:
                _put(form, REFUSALS[form](str(error)), output)
        raise
    for form, output in targets:
        _put(form, FORMATS[form](comparison), output)
    return {**dict.fromkeys(ALARMS, 1), ChangeVerdict.NOT_COMPARABLE: 2}.get(comparison.verdict, 0) if gate else 0


def _compared(old: Path, new: Path, suite: str | None, *, gate: bool, partial: bool) -> Comparison:
    from bench.comparing.decision import compare_folders

    limits, origin = gate_of(suite, new)
    comparison = compare_folders(old, new, limits, gate_file=origin, parse=parsed, partial=partial)
    return replace(comparison, cautions=(*comparison.cautions, *stale(comparison.new_commits))) if gate else comparison


def stale(commits: Sequence[str]) -> tuple[str, ...]:
    """What to say where results are not of the code that is checked out here."""
    from bench.store.environment import checkout, refused_checkout

    here = checkout()
    if refused := refused_checkout():
        return (f"whether the new results are of the code here is not known: {refused}",)
    if not commits or here["git_commit"] is None:
        return ()
    current = commit(here["git_commit"], dirty=here["git_dirty"])
    if list(commits) == [current]:
        return ()
    return (
        f"the new results are of commit {listed(commits)}, and the code here is {current}: "
        "run the suite again with --fresh to judge this code",
    )


def _put(form: str, text: str, output: Path | None) -> None:
    if output is None:
        (show_markdown if form == Format.MD else say)(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output {output}: expected a file to write: {error.strerror}; name another") from error


def updated_baseline(results: Path, folder: Path) -> tuple[list[str | TextTable], list[str]]:
    """Make the runs in `results` the baseline in `folder`: what it holds then, and the cells that were left out."""
    left_out = keep(results, folder, _requested(results))
    return shown_baseline(folder), list(left_out)


def _requested(results: Path) -> dict[CellKey, Requested] | None:
    """What the suite of the last run into `results` requests; `None` where the folder does not hold it."""
    suite, problem = suite_of(results, parsed)
    if problem:
        raise InputError(problem)
    if suite is None:
        return None
    cells = expand(suite)
    return {cell.key: Requested(range(suite.least_of(cell.seeds)), cell.spec) for cell in cells}


def shown_baseline(folder: Path) -> list[str | TextTable]:
    """What the baseline in `folder` holds."""
    from bench.cli.results_table import results_table

    runs = store.read(folder, "runs").sort_by([(name, "ascending") for name in ("dataset", "model", "seed")])
    if not runs.num_rows:
        raise StoreError(f"{folder}: expected a baseline, got an empty folder; `bench baseline update` makes one")
    ids = runs["cell_id"].unique().to_pylist()
    facts = {
        "suites": _values(runs["suite"]),
        "commits": _values(runs["git_commit"]) or "not known",
        "uncommitted changes": _values(runs["git_dirty"]) or "not known",
        "code versions": _values(runs["code_version"]),
        "cells": f"{len(ids)}, with {runs.num_rows} replicates, {size_bytes(folder) / 1000:.0f} kB in {folder}",
    }
    return [*results_table(runs, ids), "", *(f"{name}: {value}" for name, value in facts.items())]


def _values(column: pa.ChunkedArray) -> str:
    return ", ".join(sorted(str(value) for value in column.unique().to_pylist() if value is not None))


def merged(folders: Sequence[Path], into: Path | None) -> str:
    """Merge `folders` into the first of them, or into another, and say what that did.

    Raises
    ------
    InputError
        There is but one folder, or the target holds results of another suite, or files that are no results.
    StoreError
        As `bench.store.merging.merge`.
    """
    target = into or folders[0]
    if len(set(folders)) < 2 and into is None:
        raise InputError("bench merge: expected two results folders or more, got one; name the others after it")
    from bench.store.merging import merge

    known = [folder for folder in dict.fromkeys((target, *folders)) if suite_name(folder) is not None]
    for folder in known:
        refuse_other_folder(target, str(suite_name(folder)))
    done = merge(folders, target)
    store.publish(target)
    if done.note:
        say(f"note: {done.note}", err=True)
    probes = f", {plural(done.probes, 'probe')} added" if done.probes else ""
    return f"{shown(target)}: {plural(len(done.added), 'cell')} added, {done.equal} equal in several folders{probes}"


def compacted(folder: Path, into: Path | None, without: Sequence[str]) -> str:
    """Compact `folder`, or copy it compacted, and say what that did.

    Raises
    ------
    InputError
        It is the copy of a URL, tables are to be left out of `folder` itself, or `runs` is, or the copy would go where
        it comes from.
    StoreError
        As `bench.store.packing.compact` and `compact_copy`.
    """
    from bench.store.packing import compact, compact_copy

    if into is None:
        if without:
            raise InputError("--without: expected --into with it, which names the copy; nothing is taken from RESULTS")
        if url := url_of(folder):
            raise InputError(
                f"{url}: expected a folder of this machine to compact; its objects stay as they are: "
                f"`bench compact {url} --into PATH` makes a compacted folder of them"
            )
        done = compact(folder)
        return f"{folder}: {plural(done.cells, 'cell')} packed, {done.before} files became {done.after}"
    if "runs" in without:
        raise InputError("--without runs: expected a table next to runs, without which no cell is stored")
    if into.resolve() == folder.resolve():
        raise InputError(
            f"--into {into}: expected another folder than RESULTS; without --into it is compacted in place"
        )
    done = compact_copy(folder, into, without)
    size = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
    left_out = f", without {listed(list(without))}" if without else ""
    return f"{into}: {plural(done.cells, 'cell')} packed{left_out}, {done.after} files, {size / 1e6:.2f} MB"
