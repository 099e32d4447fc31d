"""``bench ab`` as it may be typed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Environment(StrEnum):
    """Where the base runs."""

    AUTO = "auto"
    SHARED = "shared"
    OWN = "own"


def ab(  # noqa: PLR0913 - one parameter for each option
    base_ref: Annotated[str, typer.Argument(metavar="BASE_REF", help="A branch, tag or commit of this repository.")],
    *,
    suite: Annotated[str, typer.Option(help="Whose models and windows are timed.")] = "suites/ci.yaml",
    only: Annotated[list[str] | None, typer.Option(metavar="KEY=GLOB", help="Only these cells; as for run.")] = None,
    slowdown: Annotated[float, typer.Option(min=0.01, max=10.0, help="Growth of time that must not pass.")] = 0.1,
    power: Annotated[float, typer.Option(min=0.5, max=0.999, help="Chance, at least, that it does not.")] = 0.95,
    time_limit: Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="For measuring.")] = 600.0,
    environment: Annotated[
        Environment,
        typer.Option(help="Where the base runs; auto: in this environment if base and head ask for the same packages."),
    ] = Environment.AUTO,
    output: Annotated[Path | None, typer.Option(help="Also write the table to this file, at its end.")] = None,
) -> None:
    """Say whether this working tree is slower than another commit: both run side by side, in turn, until it is sure.

    Exit status: 0 nothing is slower; 1 something is; 2 it cannot be compared; 3 the machine is too noisy to decide
    within the time limit.
    """
    from bench.cli.side_by_side import Request, compared

    request = Request(
        base_ref=base_ref,
        suite=suite,
        only=tuple(only or ()),
        slowdown=slowdown,
        power=power,
        time_limit_s=time_limit,
        environment=environment.value,
        output=output,
    )
    raise typer.Exit(compared(request))
