"""The commands that work on results folders, and need no suite: report, open, show, recommend, export, compare, ….

They are registered in `bench.cli.app`; what their work needs is imported when they are called.
"""

from pathlib import Path
from typing import Annotated

import typer

from bench.choices import ComparedMetric, Format, TableName
from bench.cli.terminal import say
from bench.paths import path_of, results_folder
from bench.work_clock import parsed_seconds


def report(
    results: Annotated[
        Path,
        typer.Argument(
            parser=results_folder, metavar="RESULTS", help="A results folder, or the name of one in results/."
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option(parser=path_of, metavar="PATH", help="Folder in which the report's folder is made.")
    ] = Path("reports"),
) -> None:
    """Write the report of a results folder again."""
    from bench.api.folders import write_report

    say(write_report(results, output))


def open_(
    results: Annotated[
        Path,
        typer.Argument(
            parser=results_folder, metavar="RESULTS", help="A results folder, or the name of one in results/."
        ),
    ],
    *,
    reports: Annotated[
        Path, typer.Option("--output", parser=path_of, metavar="PATH", help="Folder in which the report's folder is.")
    ] = Path("reports"),
) -> None:
    """Show the report of a results folder in the browser; it is written first where it is not up to date."""
    from bench.api.folders import open_report

    say(open_report(results, reports))


def show(
    cell: Annotated[
        str, typer.Argument(help="The beginning of a cell's id, as shown in a report, or a model's or dataset's name.")
    ],
    *,
    results: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="PATH", help="A results folder. [default: those in results/]")
    ] = None,
    table: Annotated[
        TableName | None, typer.Option(help="Which table. [default: runs, or probes for a cell that was never run]")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Every column with every digit, as CSV.")] = False,
) -> None:
    """Print the rows that a cell's numbers come from; of a model or dataset, its cells with their ids."""
    from bench.cli.report import show as rows

    say(rows(cell, results, table=table and table.value, csv=csv))


def recommend(
    results: Annotated[
        Path,
        typer.Argument(
            parser=results_folder, metavar="RESULTS", help="A results folder, or the name of one in results/."
        ),
    ],
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
    say(recommended(results, {**limits, "parameters": parameters, "fit_s": training}, dataset=dataset))


def export(
    results: Annotated[
        Path,
        typer.Argument(
            parser=results_folder, metavar="RESULTS", help="A results folder, or the name of one in results/."
        ),
    ],
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


def compare(
    old: Annotated[Path, typer.Argument(parser=path_of, metavar="BASE", help="A results folder.")],
    new: Annotated[Path, typer.Argument(parser=path_of, metavar="NEW", help="Another, of the same suite.")],
    *,
    gate: Annotated[bool, typer.Option("--gate", help="Set the exit status by the verdict.")] = False,
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
    raise typer.Exit(compare_results(old, new, suite=suite, gate=gate, forms=forms, outputs=output or []))


def merge(
    folders: Annotated[
        list[Path], typer.Argument(parser=path_of, metavar="A B...", help="Results folders of one suite.")
    ],
    *,
    into: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="PATH", help="Where all of them go. [default: A]")
    ] = None,
) -> None:
    """Bring the cells of several results folders into one; the other folders are not changed.

    Cells that several folders have are compared: equal rows become one, different ones are refused before anything is
    written.
    """
    from bench.cli.compare import merged

    say(merged(folders, into))


def compact(
    results: Annotated[
        Path,
        typer.Argument(
            parser=results_folder, metavar="RESULTS", help="A results folder, or the name of one in results/."
        ),
    ],
) -> None:
    """Bring the many small files of a results folder into few; every row stays, and runs go on as before."""
    from bench.cli.compare import compacted

    say(compacted(results))


def history(
    folders: Annotated[
        list[Path], typer.Argument(parser=path_of, metavar="DIR...", help="Results folders, or parents of some.")
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
