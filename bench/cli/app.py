"""What may be typed. Every command returns its exit status through `typer.Exit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import bench
from bench.cli.ab import ab
from bench.cli.compare import baseline

app = typer.Typer(
    help="Honest comparison of sequence architectures.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would cost --help half its time
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="The real data files: pinned by address and SHA-256.", no_args_is_help=True)
app.add_typer(data, name="data")
app.add_typer(baseline, name="baseline")
app.command()(ab)


class Progress(StrEnum):
    """How a run shows itself."""

    AUTO = "auto"
    RICH = "rich"
    PLAIN = "plain"
    JSONL = "jsonl"
    NONE = "none"


class Listed(StrEnum):
    """What can be listed."""

    DATASETS = "datasets"
    MODELS = "models"
    METRICS = "metrics"
    SUITES = "suites"


class Measured(StrEnum):
    """The metrics whose history can be told."""

    RMSE = "rmse"
    MAE = "mae"
    SKILL = "skill"
    R2 = "r2"
    DIRECTIONAL_ACCURACY = "directional_accuracy"


class Rows(StrEnum):
    """The tables of a results folder."""

    RUNS = "runs"
    TRIALS = "trials"
    CURVES = "curves"
    PREDICTIONS = "predictions"
    PROBES = "probes"


class Format(StrEnum):
    """What a comparison is written as."""

    MD = "md"
    JSON = "json"
    JUNIT = "junit"
    ANNOTATIONS = "annotations"
    BENCHMARK_ACTION = "benchmark-action"
    BENCHER = "bencher"


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"bench {bench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True, help="Print it.")
    ] = False,
) -> None:
    del version  # its callback has done the work


@app.command()
def run(  # noqa: PLR0913 - one parameter for each option
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    results: Annotated[Path | None, typer.Option(help="Results folder. [default: results/SUITE]")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at the same time. [default: one per CPU]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=GLOB",
            help="Only these cells; repeatable. Keys: dataset, model, sequence_length, horizon; as globs too, such "
            "as 'dataset=T04*'.",
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every cell again.")] = False,
    failed_only: Annotated[bool, typer.Option("--failed-only", help="Run stored cells that are not ok again.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Root of every random stream, instead of the suite's.")
    ] = None,
    progress: Annotated[Progress, typer.Option(help="auto: rich on a terminal, plain elsewhere.")] = Progress.AUTO,
    no_report: Annotated[bool, typer.Option("--no-report", help="Make no report at the end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and how long, and stop.")] = False,
) -> None:
    """Run what a suite asks for and is not stored yet, then write the report.

    Exit status: 0 every cell is ok; 1 some did not finish, each named with its reason; 2 the input is wrong;
    130 interrupted (finished cells are kept).
    """
    from bench.cli.run import Request, run_suite

    request = Request(
        suite=suite,
        results=results,
        jobs=jobs,
        device=device,
        only=tuple(only or ()),
        fresh=fresh,
        failed_only=failed_only,
        seed=seed,
        progress=progress.value,
        report=not no_report,
        dry_run=dry_run,
    )
    raise typer.Exit(run_suite(request))


@app.command()
def probe(  # noqa: PLR0913 - one parameter for each option
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    results: Annotated[Path | None, typer.Option(help="Results folder. [default: results/SUITE]")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="KEY=GLOB", help="Only these cells; as for run.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; an interval of 95 % takes 6 or more.")] = 9,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the model's process.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Probe every cell again.")] = False,
    progress: Annotated[Progress, typer.Option(help="auto: rich on a terminal, plain elsewhere.")] = Progress.AUTO,
    no_report: Annotated[bool, typer.Option("--no-report", help="Do not write the report again.")] = False,
) -> None:
    """Measure time and memory of each model of a suite: one at a time, in fresh processes, rounds interleaved.

    Let nothing else run meanwhile. A case whose models are all stored for this machine is not measured again. Exit
    status as of run.
    """
    from bench.cli.probe import ProbeRequest, probe_suite

    request = ProbeRequest(
        suite=suite,
        results=results,
        only=tuple(only or ()),
        repeats=repeats,
        threads=threads,
        device=device,
        fresh=fresh,
        progress=progress.value,
        report=not no_report,
    )
    raise typer.Exit(probe_suite(request))


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    *,
    output: Annotated[Path, typer.Option(help="Its folder, named after the suite, is made in here.")] = Path("reports"),
) -> None:
    """Write the report of a results folder again."""
    from bench.api.folders import write_report

    typer.echo(write_report(results, output))


@app.command()
def show(
    cell: Annotated[str, typer.Argument(help="The beginning of a cell's id, as a report names it.")],
    *,
    results: Annotated[Path | None, typer.Option(help="A results folder. [default: those in results/]")] = None,
    table: Annotated[
        Rows | None, typer.Option(help="Which rows. [default: runs, or probes of a cell that was never run]")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Every column with every digit, as CSV.")] = False,
) -> None:
    """Print the rows that a cell's numbers come from."""
    from bench.cli.report import show as rows

    typer.echo(rows(cell, results, table=table and table.value, csv=csv))


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(metavar="BASE", help="A results folder.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another, of the same suite.")],
    *,
    gate: Annotated[bool, typer.Option("--gate", help="Let the verdict decide the exit status.")] = False,
    suite: Annotated[
        str | None, typer.Option(help="Whose gate says what counts. [default: the suite that NEW names]")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        list[Format] | None, typer.Option(help="What to write; repeatable. [default: md]")
    ] = None,
    output: Annotated[
        list[Path] | None, typer.Option(help="The file of the first --format, of the second, …; else standard output.")
    ] = None,
) -> None:
    """Say what changed between two result sets, cell by cell.

    Exit status with --gate: 0 nothing got worse; 1 a cell or one of its replicates got worse, vanished or no longer
    finishes; 2 some or all of it cannot be compared. Without, 0 unless nothing can be compared.
    """
    from bench.cli.compare import compare_results

    forms = [form.value for form in format or ()]
    raise typer.Exit(compare_results(old, new, suite=suite, gate=gate, forms=forms, outputs=output or []))


@app.command()
def history(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results folders, or folders of such.")],
    *,
    metric: Annotated[Measured, typer.Option(help="What to look at.")] = Measured.RMSE,
    level: Annotated[
        float, typer.Option(min=0.001, max=0.2, help="Chance of a step in a series that has none.")
    ] = 0.01,
    output: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("reports/history"),
) -> None:
    """Find when results changed over many runs, and by how much; cells that were set aside count too."""
    from bench.cli.compare import written_history

    typer.echo(written_history(folders, metric=metric.value, level=level, output=output))


@app.command()
def canary(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=GLOB",
            help="Only these cells; repeatable. Keys: dataset, model, sequence_length, horizon; as globs too, such "
            "as 'dataset=T04*'.",
        ),
    ] = None,
) -> None:
    """Check the cells of a suite for leaks; nothing is stored.

    Exit status: 0 every check that applies was quiet; 1 a canary sang; 2 a check could not run, or none applied.
    """
    from bench.cli.canary import watched

    raise typer.Exit(watched(suite, tuple(only or ())))


@app.command(name="list")
def list_(what: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List what there is: datasets, models, metrics or suites."""
    from bench.cli.listing import listing

    typer.echo(listing(what.value))


@app.command()
def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    from bench.cli.listing import schema_text

    typer.echo(schema_text())


@app.command()
def doctor() -> None:
    """Check this machine and say what to do about each problem; exit status 1 where something is wrong."""
    from bench.cli.doctor import doctor as examine

    raise typer.Exit(examine())


@data.command()
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Which files. [default: all]")] = None) -> None:
    """Download the files that are neither in BENCH_DATA nor in the cache; exit status 1 where one cannot be had."""
    from bench.cli.data import fetched

    raise typer.Exit(fetched(names or []))


@data.command()
def verify(names: Annotated[list[str] | None, typer.Argument(help="Which files. [default: all]")] = None) -> None:
    """Check the files that are here by SHA-256, without a network; exit status 1 where one is damaged."""
    from bench.cli.data import verified

    raise typer.Exit(verified(names or []))
