"""``bench compare``, which needs no torch: verdicts, written in as many forms as are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.cli.listing import loaded, shipped
from bench.errors import InputError
from bench.suite.spec import Gate

if TYPE_CHECKING:
    from bench.compare import Comparison


def compare_results(
    old: Path, new: Path, *, suite: str | None, gate: bool, forms: Sequence[str], outputs: Sequence[Path]
) -> int:
    """Compare two results folders, write every form to its place, and return the exit status.

    Parameters
    ----------
    suite
        The suite whose gate says what counts; `None` for the shipped suite that the results name, where there is one.
    gate
        Whether the verdict decides the exit status.
    forms, outputs
        Names of `bench.compare.exporters.FORMATS`, and where each goes; those without a file to standard output. One
        that none names is Markdown.

    Raises
    ------
    InputError
        The two cannot be compared; that has then been written in every form that was asked for.
    """
    from bench.compare import Verdict
    from bench.compare.exporters import FORMATS, REFUSALS

    places = list(zip_longest(forms or ["md"], outputs))
    if len(outputs) > len(forms or ["md"]):
        raise InputError(f"--output: expected one for each --format at most, got {len(outputs)} for {len(forms) or 1}")
    try:
        found = _compared(old, new, suite, gate=gate)
    except InputError as error:
        for form, output in places:
            if forms or output:
                _put(REFUSALS[form](str(error)), output)
        raise
    for form, output in places:
        _put(FORMATS[form](found), output)
    return {Verdict.REGRESSED: 1, Verdict.NOT_COMPARABLE: 2}.get(found.verdict, 0) if gate else 0


def _compared(old: Path, new: Path, suite: str | None, *, gate: bool) -> Comparison:
    from bench.compare import compare_folders

    limits, origin = _limits(suite, new)
    found = compare_folders(old, new, limits, gate_file=origin)
    return replace(found, cautions=stale(found.new_commits)) if gate else found


def stale(commits: Sequence[str]) -> tuple[str, ...]:
    """What to say where results are not of the code that is checked out here."""
    from bench.environment import checkout
    from bench.report.text import commit, listed

    here = checkout()
    if not commits or here["git_commit"] is None:
        return ()
    current = commit(here["git_commit"], dirty=here["git_dirty"])
    if list(commits) == [current]:
        return ()
    return (
        f"the new results are of commit {listed(commits)}, and the code here is {current}: "
        "run the suite again with --fresh to judge this code",
    )


def _limits(suite: str | None, new: Path) -> tuple[Gate, str]:
    """What counts as a change, and the file that says so; empty for the defaults."""
    if suite is None:
        known = shipped()
        suite = next((name for name in _suites(new) if name in known), None)
    if suite is None:
        return Gate(), ""
    return loaded(suite).gate, (shipped()[suite].as_posix() if suite in shipped() else suite)


def _suites(results: Path) -> list[str]:
    """The suites that the rows of `results` name; the comparison says what is wrong with a folder without any."""
    from bench import store
    from bench.errors import StoreError

    try:
        return sorted(store.read(results, "runs")["suite"].unique().to_pylist())
    except StoreError:
        return []


def _put(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output {output}: expected a file to write: {error.strerror}; name another") from error
