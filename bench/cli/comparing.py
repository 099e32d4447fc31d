"""``bench compare``, which needs no torch: verdicts, written in as many forms as are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import typer

from bench.cli.listing import loaded, shipped
from bench.errors import InputError
from bench.suite.spec import Gate


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
        Names of `bench.compare.exporters.FORMATS`, and where each goes; those without a file to standard output.
    """
    from bench.compare import Verdict, compare_folders
    from bench.compare.exporters import FORMATS

    if len(outputs) > len(forms):
        raise InputError(f"--output: expected one for each --format at most, got {len(outputs)} for {len(forms)}")
    limits, origin = _limits(suite, new)
    found = compare_folders(old, new, limits, gate_file=origin)
    for form, output in zip_longest(forms, outputs):
        _put(FORMATS[form](found), output)
    return {Verdict.REGRESSED: 1, Verdict.NOT_COMPARABLE: 2}.get(found.verdict, 0) if gate else 0


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
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
