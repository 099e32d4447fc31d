"""The commands that write files for many machines; as the others', their work is imported when they are called."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.terminal import say
from bench.paths import path_of

AllowPlugin = Annotated[
    bool, typer.Option("--allow-plugin", help="Let the suite name models by their source, such as ./mynet.py:MyNet.")
]


def slurm(  # noqa: PLR0913 - one parameter for each option
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    nodes: Annotated[int, typer.Option(min=1, max=100_000, help="Tasks of the job array: one shard each.")],
    jobs: Annotated[int, typer.Option(min=1, help="Parallel cells of a task, and its CPUs.")] = 1,
    time: Annotated[str | None, typer.Option(metavar="TIME", help="Time limit of a task, as sbatch takes it.")] = None,
    partition: Annotated[str | None, typer.Option(metavar="NAME", help="Partition, as sbatch takes it.")] = None,
    output: Annotated[
        Path | None, typer.Option(parser=path_of, metavar="PATH", help="The script. [default: bench-SUITE.sh]")
    ] = None,
    allow_plugin: AllowPlugin = False,
) -> None:
    """Write a SLURM script whose tasks run one shard of a suite each."""
    from bench.cli.clusters import ShardedRun, slurm_file
    from bench.models.from_source import allowing_plug_ins

    with allowing_plug_ins(allowed=allow_plugin):
        wanted = ShardedRun(suite, nodes, jobs, allow_plugin)
        say(slurm_file(wanted, time=time, partition=partition, output=output))


def github_matrix(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped suite.")],
    *,
    shards: Annotated[int, typer.Option(min=1, help="Jobs of the matrix: one shard each.")],
    jobs: Annotated[int, typer.Option(min=1, help="Parallel cells of a job.")] = 2,
    install: Annotated[
        str, typer.Option(metavar="COMMAND", help="What installs bench on the runner.")
    ] = "python -m pip install .",
    output: Annotated[
        Path | None,
        typer.Option(parser=path_of, metavar="PATH", help="The file. [default: .github/workflows/bench-SUITE.yml]"),
    ] = None,
    allow_plugin: AllowPlugin = False,
) -> None:
    """Write a GitHub workflow whose jobs run one shard of a suite each, and merge their results."""
    from bench.cli.clusters import ShardedRun, github_file
    from bench.models.from_source import allowing_plug_ins

    with allowing_plug_ins(allowed=allow_plugin):
        say(github_file(ShardedRun(suite, shards, jobs, allow_plugin), install=install, output=output))
