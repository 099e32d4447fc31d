"""The commands and their options. Every command returns its exit status through `typer.Exit`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import bench
from bench.choices import ComparedMetric, EngineName, Environment, Progress, TableName
from bench.cli import tools
from bench.cli.clusters import AllowPlugin, github_matrix, slurm
from bench.cli.terminal import STARTING, explained, say, show_parts
from bench.errors import validator_text
from bench.limits import parsed_bytes
from bench.paths import path_of
from bench.work_clock import parsed_seconds


class _Group(TyperGroup):
    """The group of all commands: what is wrong with an option is said in a validator's own words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = validator_text(error.message)
            raise


app = typer.Typer(
    cls=_Group,
    help="Honest comparison of sequence architectures.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would cost --help half its time
    pretty_exceptions_enable=False,
)
app.add_typer(tools.data, name="data")
app.add_typer(tools.new, name="new")
baseline = typer.Typer(help="Store or show the committed results that the gate compares with.", no_args_is_help=True)
app.add_typer(baseline, name="baseline")


def _version(*, wanted: bool) -> None:
    if wanted:
        say(f"bench {bench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda value: _version(wanted=value), is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version  # its callback has done the work


@app.command()
def run(  # noqa: PLR0913 - one parameter for each option
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    results: Annotated[
        Path | None,
        typer.Option(parser=tools.results_at, metavar="PATH", help="Folder or URL. [default: results/SUITE]"),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of parallel cells. [default: one per CPU]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=GLOB",
            help="Only these cells; repeatable. Keys: dataset, model, sequence_length, horizon; values may be globs, "
            "such as 'dataset=T04*'.",
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every cell again.")] = False,
    failed_only: Annotated[bool, typer.Option("--failed-only", help="Rerun stored cells that are not ok.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Root seed of all random streams, instead of the suite's.")
    ] = None,
    progress: Annotated[Progress, typer.Option(help="auto: rich on a terminal, else plain.")] = Progress.AUTO,
    no_report: Annotated[bool, typer.Option("--no-report", help="Do not write the report at the end.")] = False,
    within: Annotated[
        float | None,
        typer.Option(
            parser=parsed_seconds,
            metavar="DURATION",
            help="End after this time, such as 20m or 1h30m. Every cell first gets few seeds and is then tuned; then "
            "seeds are added where claims are undecided. The next run goes on.",
        ),
    ] = None,
    cell_timeout: Annotated[
        float | None,
        typer.Option(
            parser=parsed_seconds,
            metavar="DURATION",
            help="End a cell that takes longer, whatever it does, instead of the suite's limits.cell_s.",
        ),
    ] = None,
    cell_memory: Annotated[
        int | None,
        typer.Option(
            parser=parsed_bytes,
            metavar="SIZE",
            help="End a cell that holds more, such as 4GiB, instead of the suite's limits.cell_bytes. "
            "[default: 80 % of what is free]",
        ),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            metavar="N",
            help="Run cells of this run that crashed, took too long or too much memory, or lacked their data again, "
            "up to N times.",
        ),
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and for how long, and stop.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER/COUNT",
            help="Run one part of the cells, such as 3/16, of about equal time and the same on every machine.",
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(metavar="SHARE[:SEED]", help="Run a random share of the cells, such as 5% or 5%:17."),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Where cells run; inline: one after the other in this process.")
    ] = EngineName.PROCESSES,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Dask scheduler, such as tls://host:8786. [default: a cluster of this machine]"
        ),
    ] = None,
    need: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=AMOUNT", help="Resource that each cell takes of a Dask worker; repeatable."),
    ] = None,
    allow_plugin: AllowPlugin = False,
) -> None:
    """Run the cells of a suite that are not stored yet, then write the report.

    Exit status: 0 every cell is ok; 1 some did not finish, each listed with its reason; 2 the input is wrong;
    130 interrupted (finished cells are kept).
    """
    with explained(STARTING, unless=progress is Progress.NONE):
        from bench.cli.engines import EngineOptions
        from bench.cli.run import RunRequest, run_suite
        from bench.models.from_source import allowing_plug_ins

        request = RunRequest(
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
            within=within,
            cell_timeout=cell_timeout,
            cell_memory=cell_memory,
            retries=retries,
            shard=shard,
            sample=sample,
            engine=EngineOptions(engine.value, address, tuple(need or ())),
        )
        with allowing_plug_ins(allowed=allow_plugin):
            raise typer.Exit(run_suite(request))


@app.command()
def probe(  # noqa: PLR0913 - one parameter for each option
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    results: Annotated[
        Path | None,
        typer.Option(parser=tools.results_at, metavar="PATH", help="Folder or URL. [default: results/SUITE]"),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="KEY=GLOB", help="Only these cells; as for run.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of rounds; a 95 % interval needs 6 or more.")] = 9,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the model's process.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Probe every cell again.")] = False,
    progress: Annotated[Progress, typer.Option(help="auto: rich on a terminal, else plain.")] = Progress.AUTO,
    no_report: Annotated[bool, typer.Option("--no-report", help="Do not write the report again.")] = False,
    allow_plugin: AllowPlugin = False,
) -> None:
    """Measure time and memory of each model of a suite: one at a time, in fresh processes, rounds interleaved.

    Run nothing else meanwhile. A case whose models are all stored for this machine is not measured again. Exit status
    as for run.
    """
    with explained(STARTING, unless=progress is Progress.NONE):
        from bench.cli.probe import ProbeRequest, probe_suite
        from bench.models.from_source import allowing_plug_ins

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
        with allowing_plug_ins(allowed=allow_plugin):
            raise typer.Exit(probe_suite(request))


@app.command()
def report(
    results: tools.NamedResults,
    *,
    output: Annotated[
        Path, typer.Option(parser=path_of, metavar="PATH", help="Folder in which the report's folder is made.")
    ] = Path("reports"),
) -> None:
    """Write the report of a results folder again."""
    with explained("the report: rows are read, models compared, pictures drawn", unless=False):
        from bench.api.reports import write_report

        page = write_report(results, output)
    say(page)


@app.command("open")
def open_(
    results: tools.NamedResults,
    *,
    reports: Annotated[
        Path, typer.Option("--output", parser=path_of, metavar="PATH", help="Folder in which the report's folder is.")
    ] = Path("reports"),
) -> None:
    """Show the report of a results folder in the browser; it is written first where it is not up to date."""
    from bench.api.reports import open_report

    say(open_report(results, reports))


@app.command()
def show(
    cell: Annotated[
        str, typer.Argument(help="The beginning of a cell's id, as shown in a report, or a model's or dataset's name.")
    ],
    *,
    results: Annotated[
        Path | None,
        typer.Option(parser=tools.results_at, metavar="PATH", help="Results folder or URL. [default: all in results/]"),
    ] = None,
    table: Annotated[
        TableName | None, typer.Option(help="Which table. [default: runs, or probes for a cell that was never run]")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Every column with every digit, as CSV.")] = False,
) -> None:
    """Print the rows that a cell's numbers come from; of a model or dataset, its cells with their ids."""
    from bench.cli.report import show as rows

    show_parts(*rows(cell, results, table=table and table.value, csv=csv))


@app.command()
def recommend(
    results: tools.NamedResults,
    *,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset. [default: all]")] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Maximum time to predict one window; `bench probe` measures it.")
    ] = None,
    memory_mb: Annotated[float | None, typer.Option(min=0, help="Maximum memory while training, in MB.")] = None,
    parameters: Annotated[int | None, typer.Option(min=0, help="Maximum number of fitted parameters.")] = None,
    training: Annotated[
        float | None,
        typer.Option(parser=parsed_seconds, metavar="DURATION", help="Maximum time to fit one model, such as 30s."),
    ] = None,
) -> None:
    """Say which model to use for each dataset within a budget, with its verdict.

    Models over the budget are taken out before anything is chosen or tested. Where no model is shown to beat
    persistence, that is the advice.
    """
    from bench.cli.report import recommended

    limits = {"latency_s": latency_ms and latency_ms / 1e3, "memory_bytes": memory_mb and memory_mb * 1e6}
    show_parts(*recommended(results, {**limits, "parameters": parameters, "fit_s": training}, dataset=dataset))


@app.command()
def export(
    results: tools.NamedResults,
    *,
    latex: Annotated[bool, typer.Option("--latex", help="Tables for LaTeX with booktabs.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Tables as CSV with every digit.")] = False,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="One workbook with every table.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(parser=path_of, metavar="PATH", help="Folder. [default: exports/ and the suite's name]"),
    ] = None,
) -> None:
    """Write what a paper needs: ranking, errors and tests as tables, the protocol in words, model cards, figures.

    Without a format, LaTeX and CSV are written.
    """
    from bench.api.paper import write_export
    from bench.api.results import Results

    wanted = {"latex": latex, "csv": csv, "xlsx": xlsx}
    formats = [name for name, on in wanted.items() if on] or ["latex", "csv"]
    say(write_export(Results(results), formats, output))


app.command()(tools.compare)
app.command()(tools.merge)
app.command()(tools.compact)


@app.command()
def history(
    folders: Annotated[
        list[Path],
        typer.Argument(parser=tools.results_at, metavar="DIR...", help="Results folders, or parents of some."),
    ],
    *,
    metric: Annotated[ComparedMetric, typer.Option(help="Metric to show.")] = ComparedMetric.RMSE,
    level: Annotated[
        float, typer.Option(min=0.001, max=0.2, help="Probability of a false step in a series without one.")
    ] = 0.01,
    output: Annotated[Path, typer.Option(parser=path_of, metavar="PATH", help="Folder of the page.")] = Path(
        "reports/history"
    ),
) -> None:
    """Find when results changed over many runs, and by how much; superseded cells are included."""
    from bench.comparing.history_page import written_history

    say(written_history(folders, metric=metric.value, level=level, output=output))


@app.command()
def canary(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=GLOB",
            help="Only these cells; repeatable. Keys: dataset, model, sequence_length, horizon; values may be globs, "
            "such as 'dataset=T04*'.",
        ),
    ] = None,
    allow_plugin: AllowPlugin = False,
) -> None:
    """Check the cells of a suite for leaks; nothing is stored.

    Exit status: 0 no check that applies raised an alarm; 1 one did; 2 a check could not run, or none applied.
    """
    from bench.cli.canary import watched
    from bench.models.from_source import allowing_plug_ins

    with allowing_plug_ins(allowed=allow_plugin):
        raise typer.Exit(watched(suite, tuple(only or ())))


app.command()(tools.judge)
app.command()(tools.conform)
app.command()(tools.init)
app.command(name="list")(tools.list_)
app.command()(tools.schema)
app.command()(tools.doctor)


@app.command()
def ab(  # noqa: PLR0913 - one parameter for each option
    base_ref: Annotated[str, typer.Argument(metavar="BASE_REF", help="A branch, tag or commit of this repository.")],
    *,
    suite: Annotated[str, typer.Option(help="Suite whose models and windows are timed.")] = "suites/ci.yaml",
    only: Annotated[list[str] | None, typer.Option(metavar="KEY=GLOB", help="Only these cells; as for run.")] = None,
    slowdown: Annotated[float, typer.Option(min=0.01, max=10.0, help="Relative slowdown that must be detected.")] = 0.1,
    power: Annotated[float, typer.Option(min=0.5, max=0.999, help="Probability, at least, of detecting it.")] = 0.95,
    time_limit: Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="Maximum time for measuring.")] = 600.0,
    environment: Annotated[
        Environment,
        typer.Option(help="Where the base runs; auto: in this environment if base and head require the same packages."),
    ] = Environment.AUTO,
    output: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="PATH", help="Also append the table to this file.")
    ] = None,
) -> None:
    """Test whether this working tree is slower than another commit; the two alternate until the result is significant.

    Exit status: 0 nothing is slower; 1 something is; 2 comparison impossible; 3 the machine is too noisy to decide
    within the time limit.
    """
    from bench.cli.ab import AbRequest, compared

    request = AbRequest(
        base_ref=base_ref,
        suite=suite,
        only=tuple(only or ()),
        slowdown=slowdown,
        power=power,
        time_limit_s=time_limit,
        environment=environment,
        output=output,
    )
    raise typer.Exit(compared(request))


app.command("slurm")(slurm)
app.command("github-matrix")(github_matrix)


_Baseline = Annotated[Path, typer.Option("--baseline", parser=path_of, metavar="PATH", help="Folder of the baseline.")]


@baseline.command("update")
def update_baseline(
    results: Annotated[
        Path, typer.Argument(parser=tools.results_at, metavar="RESULTS", help="A results folder.")
    ] = Path("results/ci"),
    *,
    folder: _Baseline = Path("results/baseline"),
) -> None:
    """Make the runs of a results folder the baseline; every cell of its suite must be there, every replicate ok."""
    from bench.cli.compare import updated_baseline

    shown, left_out = updated_baseline(results, folder)
    show_parts(*shown)
    if left_out:
        say(f"left out, since the suite has no such cell: {'; '.join(left_out)}", err=True)


@baseline.command("show")
def show_baseline(*, folder: _Baseline = Path("results/baseline")) -> None:
    """Show the errors of the baseline and where they come from."""
    from bench.cli.compare import shown_baseline

    show_parts(*shown_baseline(folder))
