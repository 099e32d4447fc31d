"""The commands and their options. Every command returns its exit status through `typer.Exit`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import bench
from bench.choices import EngineName, Environment, Listed, Progress
from bench.cli import on_results
from bench.cli.clusters import AllowPlugin, github_matrix, slurm
from bench.cli.terminal import say
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
data = typer.Typer(help="Download and check the real data files, pinned by URL and SHA-256.", no_args_is_help=True)
app.add_typer(data, name="data")
new = typer.Typer(help="Write a file to begin from.", no_args_is_help=True)
app.add_typer(new, name="new")
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
        Path | None, typer.Option(parser=path_of, metavar="PATH", help="Results folder. [default: results/SUITE]")
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
    progress: Annotated[Progress, typer.Option(help="auto: rich on a terminal, plain elsewhere.")] = Progress.AUTO,
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
        engine=EngineOptions(engine.value, address, tuple(need or ())),
    )
    with allowing_plug_ins(allowed=allow_plugin):
        raise typer.Exit(run_suite(request))


@app.command()
def probe(  # noqa: PLR0913 - one parameter for each option
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    results: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="PATH", help="Results folder. [default: results/SUITE]")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="KEY=GLOB", help="Only these cells; as for run.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of rounds; a 95 % interval needs 6 or more.")] = 9,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the model's process.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Probe every cell again.")] = False,
    progress: Annotated[Progress, typer.Option(help="auto: rich on a terminal, plain elsewhere.")] = Progress.AUTO,
    no_report: Annotated[bool, typer.Option("--no-report", help="Do not write the report again.")] = False,
    allow_plugin: AllowPlugin = False,
) -> None:
    """Measure time and memory of each model of a suite: one at a time, in fresh processes, rounds interleaved.

    Run nothing else meanwhile. A case whose models are all stored for this machine is not measured again. Exit status
    as for run.
    """
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


app.command()(on_results.report)
app.command("open")(on_results.open_)
app.command()(on_results.show)
app.command()(on_results.recommend)
app.command()(on_results.export)
app.command()(on_results.compare)
app.command()(on_results.merge)
app.command()(on_results.compact)
app.command()(on_results.history)


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


@app.command()
def judge(
    predictions: Annotated[Path, typer.Argument(parser=path_of, metavar="FILE", help="Forecasts: CSV or Parquet.")],
    *,
    truth: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="FILE", help="The whole series: time or index, and values.")
    ] = None,
) -> None:
    """Test forecasts that anybody made: skill, differences from persistence and between models, delay.

    The file has a row for each forecast, with the columns time or index, step (from 1), truth and prediction, and
    where there are several: model, seed, persistence.
    """
    from bench.api.judged import source_of, text_of

    source, notes = source_of(predictions, truth)
    for note in notes:
        say(f"note: {note}", err=True)
    say(text_of(source))


@app.command()
def conform(
    address: Annotated[
        str, typer.Argument(metavar="FILE:CLASS", help="A torch module or forecaster, such as ./mynet.py:MyNet.")
    ],
    *,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of its own; repeatable.")
    ] = None,
    sequence_length: Annotated[int, typer.Option(min=1, max=10_000, help="Points in a window.")] = 12,
    horizon: Annotated[int, typer.Option(min=1, max=10_000, help="Points to predict.")] = 2,
    channels: Annotated[
        list[int] | None, typer.Option(min=1, max=1000, help="Values at each point; repeatable. [default: 1 and 2]")
    ] = None,
    limit: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Maximum time of one check.")] = 60.0,
) -> None:
    """Check that a torch module or a forecaster of your own is fit to be a model; this runs its code.

    Exit status: 0 every check passed; 1 one failed, or took too long; 2 the input is wrong.
    """
    from bench.cli.conform import conformed
    from bench.conformance.child import Examination

    tried = tuple(channels or (1, 2))
    examination = Examination(address, {}, sequence_length, horizon, tried, limit)
    raise typer.Exit(conformed(examination, settings or []))


@new.command("model")
def new_model(
    name: Annotated[str, typer.Argument(help="Of the module, such as my_net.")],
    *,
    folder: Annotated[Path, typer.Option(parser=path_of, metavar="PATH", help="Where its files are written.")] = Path(),
) -> None:
    """Write a torch module of your own, its test, and a suite that compares it."""
    from bench.cli.conform import new_model as written

    say(written(name, folder))


@app.command()
def init(
    file: Annotated[Path, typer.Argument(parser=path_of, metavar="FILE", help="A data file of yours.")],
    *,
    column: Annotated[str | None, typer.Option(help="Of the values. [default: the likeliest]")] = None,
    folder: Annotated[Path, typer.Option(parser=path_of, metavar="PATH", help="Where the suite is written.")] = Path(),
) -> None:
    """Write a suite for a data file: column, season and lengths are proposed, each with its reason."""
    from bench.cli.init import initialised

    say(initialised(file, column, folder))


@app.command(name="list")
def list_(what: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List the available datasets, models, metrics or suites."""
    from bench.cli.data import listing

    say(listing(what.value))


@app.command()
def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    from bench.cli.data import schema_text

    say(schema_text())


@app.command()
def doctor() -> None:
    """Check this machine and say how to fix each problem; exit status 1 if there is one."""
    from bench.cli.doctor import doctor as examine

    raise typer.Exit(examine())


@data.command()
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Which files. [default: all]")] = None) -> None:
    """Download the files that are neither in BENCH_DATA nor in the cache; exit status 1 if a file is unavailable."""
    from bench.cli.data import fetched

    raise typer.Exit(fetched(names or []))


@data.command()
def verify(names: Annotated[list[str] | None, typer.Argument(help="Which files. [default: all]")] = None) -> None:
    """Check the local files by SHA-256, without a network; exit status 1 if a file is damaged."""
    from bench.cli.data import verified

    raise typer.Exit(verified(names or []))


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


_Baseline = Annotated[Path, typer.Option("--baseline", parser=path_of, metavar="PATH", help="Folder of the baseline.")]


@baseline.command("update")
def update_baseline(
    results: Annotated[Path, typer.Argument(parser=path_of, metavar="RESULTS", help="A results folder.")] = Path(
        "results/ci"
    ),
    *,
    folder: _Baseline = Path("results/baseline"),
) -> None:
    """Make the runs of a results folder the baseline; every cell of its suite must be there, every replicate ok."""
    from bench.cli.compare import updated_baseline

    shown, left_out = updated_baseline(results, folder)
    say(shown)
    if left_out:
        say(f"left out, since the suite has no such cell: {'; '.join(left_out)}", err=True)


@baseline.command("show")
def show_baseline(*, folder: _Baseline = Path("results/baseline")) -> None:
    """Show the errors of the baseline and where they come from."""
    from bench.cli.compare import shown_baseline

    say(shown_baseline(folder))


app.command("slurm")(slurm)
app.command("github-matrix")(github_matrix)
