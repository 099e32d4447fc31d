"""The commands around a run: checks of models and forecasts, data, suites to begin from, this machine, whole folders.

They are registered in `bench.cli.app`; what their work needs is imported when they are called.
"""

from pathlib import Path
from typing import Annotated

import typer

from bench.choices import Format, Listed, TableName
from bench.cli.terminal import say, show_parts
from bench.paths import is_url, path_of, results_folder


def results_at(text: str) -> Path:
    """A results folder by its path; by its URL, its copy on this machine, brought up to date."""
    return _copied(text) or path_of(text)


def results_named(text: str) -> Path:
    """The same, or by the bare name of a folder in ``results/``."""
    return _copied(text) or results_folder(text)


NamedResults = Annotated[
    Path,
    typer.Argument(
        parser=results_named, metavar="RESULTS", help="A results folder, the name of one in results/, or a URL."
    ),
]


def _copied(text: str) -> Path | None:
    if not is_url(text):
        return None
    from bench.store.copies import copy_of

    folder = copy_of(text)
    say(f"{text}: its copy on this machine is {folder}", err=True)
    return folder


data = typer.Typer(help="Download and check the real data files, pinned by URL and SHA-256.", no_args_is_help=True)
new = typer.Typer(help="Write a file to begin from.", no_args_is_help=True)


def judge(
    predictions: Annotated[Path, typer.Argument(parser=path_of, metavar="FILE", help="Forecasts: CSV or Parquet.")],
    *,
    truth: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="FILE", help="The whole series: time or index, and values.")
    ] = None,
) -> None:
    """Test forecasts that anybody made: skill, differences from persistence and between models, delay.

    The file has a row for each forecast, with the columns time or index, step (from 1), truth and prediction, and
    where there are several: model, seed. It may have persistence, the last value that was known, and best, the best
    possible forecast.
    """
    from bench.api.judged import judgement, source_of

    source, notes = source_of(predictions, truth)
    for note in notes:
        say(f"note: {note}", err=True)
    show_parts(*judgement(source))


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


def init(
    file: Annotated[Path, typer.Argument(parser=path_of, metavar="FILE", help="A data file of yours.")],
    *,
    column: Annotated[str | None, typer.Option(help="Of the values. [default: the likeliest]")] = None,
    folder: Annotated[Path, typer.Option(parser=path_of, metavar="PATH", help="Where the suite is written.")] = Path(),
) -> None:
    """Write a suite for a data file: column, season and lengths are proposed, each with its reason."""
    from bench.cli.init import initialised

    say(initialised(file, column, folder))


def list_(what: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List the available datasets, models, metrics or suites."""
    from bench.cli.data import listing

    show_parts(listing(what.value))


def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    from bench.cli.data import schema_text

    say(schema_text())


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


def compare(  # noqa: PLR0913 - one parameter for each option
    old: Annotated[Path, typer.Argument(parser=results_at, metavar="BASE", help="A results folder.")],
    new: Annotated[Path, typer.Argument(parser=results_at, metavar="NEW", help="Another, of the same suite.")],
    *,
    gate: Annotated[bool, typer.Option("--gate", help="Set the exit status by the verdict.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Compare what NEW has, such as a sample; what it lacks has not vanished.")
    ] = False,
    suite: Annotated[
        str | None, typer.Option(help="Suite whose gate sets the thresholds. [default: the suite that NEW names]")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        list[Format] | None, typer.Option(help="Output format; repeatable. [default: md]")
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            parser=path_of, metavar="PATH", help="File for the first --format, the second, …; else standard output."
        ),
    ] = None,
) -> None:
    """Report what changed between two result sets, cell by cell.

    Exit status with --gate: 0 nothing got worse; 1 a cell or one of its replicates got worse, vanished or no longer
    finishes; 2 some or all cells cannot be compared. Without --gate: 0 unless nothing can be compared.
    """
    from bench.cli.compare import compare_results

    forms = [form.value for form in format or ()]
    raise typer.Exit(
        compare_results(old, new, suite=suite, gate=gate, partial=partial, forms=forms, outputs=output or [])
    )


def merge(
    folders: Annotated[
        list[Path], typer.Argument(parser=results_at, metavar="A B...", help="Results folders of one suite.")
    ],
    *,
    into: Annotated[
        Path | None, typer.Option(parser=results_at, metavar="PATH", help="Where all of them go. [default: A]")
    ] = None,
) -> None:
    """Bring the cells of several results folders into one; the other folders are not changed.

    Cells that several folders have are compared: equal rows become one, different ones are refused before anything is
    written.
    """
    from bench.cli.compare import merged

    say(merged(folders, into))


def compact(
    results: NamedResults,
    *,
    into: Annotated[
        Path | None,
        typer.Option(parser=path_of, metavar="PATH", help="Make a compacted copy there. [default: in place]"),
    ] = None,
    without: Annotated[
        list[TableName] | None, typer.Option(help="Table that the copy does without; repeatable.")
    ] = None,
) -> None:
    """Bring the many small files of a results folder into few; every row stays, and runs go on as before.

    With --into, RESULTS is not changed, and an earlier copy is replaced.
    """
    from bench.cli.compare import compacted

    say(compacted(results, into, [table.value for table in without or ()]))
