"""``bench slurm`` and ``bench github-matrix``: files that run the shards of a suite, and how to put them together.

A file states the command of one shard, which needs nothing of the others. What the user names enters a shell script by
`shlex.quote`, and a workflow as a JSON string, which is a string of YAML. The commands are here too, so that what their
work needs is imported when they are called.
"""

import json
import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.terminal import say
from bench.errors import InputError
from bench.paths import path_of
from bench.text import plural

if TYPE_CHECKING:
    from bench.spec import Suite

AllowPlugin = Annotated[
    bool, typer.Option("--allow-plugin", help="Let the suite name models by their source, such as ./mynet.py:MyNet.")
]

MOST_JOBS = 256
"""Jobs of one matrix that GitHub accepts."""


@dataclass(frozen=True)
class ShardedRun:
    """What the shards of a suite run.

    Parameters
    ----------
    suite
        As typed.
    shards
        How many machines.
    jobs
        Cells at the same time on each.
    allow_plugin
        Whether the suite may name code.
    """

    suite: str
    shards: int
    jobs: int
    allow_plugin: bool

    @cached_property
    def _suite(self) -> "Suite":
        from bench.api.folders import loaded

        return loaded(self.suite)

    def checked(self) -> str:
        """The suite's name, after its file was read and divided.

        Raises
        ------
        InputError
            The suite is wrong, or there are more shards than parts of it.
        """
        from bench.cells import expand
        from bench.running.sharding import divided
        from bench.spec import SeedPlan

        if not self.suite.isprintable():
            raise InputError(f"{self.suite!r}: expected a path of one line, which a script can name; rename it")
        suite = self._suite
        whole = isinstance(suite.seeds, SeedPlan)
        parts = divided(list(expand(suite)), self.shards, whole_datasets=whole)
        if empty := sum(not part for part in parts):
            parted = plural(self.shards - empty, "dataset" if whole else "cell")
            raise InputError(f"{self.suite}: {parted} for {self.shards} machines; name at most {self.shards - empty}")
        return suite.name

    @property
    def folders(self) -> str:
        """The folder of the results folders of all shards."""
        from bench.api.folders import results_of

        return f"{results_of(self.suite, self._suite)}-shards"

    @property
    def flags(self) -> str:
        """What every machine is to run a shard with."""
        return f"--jobs {self.jobs} --no-report{' --allow-plugin' if self.allow_plugin else ''}"


def slurm_file(run: ShardedRun, *, time: str | None, partition: str | None, output: Path | None) -> str:
    """Write the script of a job array with one task for each shard, and say how to submit it.

    Parameters
    ----------
    time, partition
        As ``sbatch`` takes them; `None` for what the cluster has as default.
    output
        The script; `None` for ``bench-NAME.sh`` here.

    Raises
    ------
    InputError
        The suite is wrong, something is no value of ``sbatch``, or the script is there already with other content.
    """
    name = run.checked()
    label = re.sub(r"[^\w.-]+", "-", name)
    for option, value in (("--time", time), ("--partition", partition)):
        if value is not None and not re.fullmatch(r"[\w:.,-]+", value):
            raise InputError(f"{option} {value!r}: expected a value of sbatch, without spaces or quotes")
    limits = [f"#SBATCH --time={time}"] if time else []
    limits += [f"#SBATCH --partition={partition}"] if partition else []
    merged = _merge(run, name)
    text = _SLURM.format(
        name=name,
        label=label,
        shards=run.shards,
        jobs=run.jobs,
        limits="".join(f"{line}\n" for line in limits),
        suite=shlex.quote(run.suite),
        folders=shlex.quote(run.folders),
        flags=run.flags,
        merge=merged,
    )
    path = output or Path(f"bench-{label}.sh")
    _write(path, text)
    return f"{path}: {plural(run.shards, 'task')} of a job array\n\n  sbatch {shlex.quote(str(path))}\n  {merged}"


_SLURM = """#!/bin/bash
# Every task runs one shard of the suite {name}. Submit with sbatch; when the tasks have ended, on any machine:
#   {merge}
# A task that was ended goes on where it stood when it is submitted again: sbatch --array=NUMBER with this file.
#SBATCH --job-name=bench-{label}
#SBATCH --array=1-{shards}
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={jobs}
#SBATCH --output=bench-{label}-%a.log
{limits}
set -euo pipefail
export OMP_NUM_THREADS=1
suite={suite}
folders={folders}
shard="$SLURM_ARRAY_TASK_ID"
exec python -m bench run "$suite" --shard "$shard/{shards}" --results "$folders/$shard-of-{shards}" {flags}
"""


def github_file(run: ShardedRun, *, install: str, output: Path | None) -> str:
    """Write a workflow with one job for each shard, and a last one that merges them, and say what to do with it.

    Parameters
    ----------
    install
        The shell command that installs `bench`.
    output
        The workflow; `None` for ``.github/workflows/bench-NAME.yml``.

    Raises
    ------
    InputError
        The suite is wrong, there are too many shards for a matrix, or the file is there already with other content.
    """
    name = run.checked()
    label = re.sub(r"[^\w.-]+", "-", name)
    if run.shards > MOST_JOBS:
        raise InputError(f"--shards {run.shards}: GitHub accepts at most {MOST_JOBS} jobs of one matrix; give fewer")
    for text in (run.suite, install):
        if "${{" in text or not text.isprintable():
            raise InputError(f"{text!r}: expected one line without ${{{{, which GitHub would replace")
    path = output or Path(".github", "workflows", f"bench-{label}.yml")
    text = _GITHUB.format(
        name=json.dumps(f"bench {label}"),
        suite=json.dumps(run.suite),
        folders=json.dumps(run.folders),
        merged=json.dumps(f"results/{name}"),
        numbers=", ".join(map(str, range(1, run.shards + 1))),
        shards=run.shards,
        install=json.dumps(install),
        label=label,
        flags=run.flags,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text)
    return f"{path}: {plural(run.shards, 'job')} and one that merges their results; commit it and start it by hand"


_GITHUB = """# Every job runs one shard of a suite; the last one merges them. Written by `bench github-matrix`.
name: {name}

on:
  workflow_dispatch:

permissions:
  contents: read

env:
  OMP_NUM_THREADS: "1"
  SUITE: {suite}
  FOLDERS: {folders}
  MERGED: {merged}

jobs:
  shard:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        shard: [{numbers}]
    env:
      SHARD: ${{{{ matrix.shard }}}}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - name: Install
        run: {install}
      - name: Run the shard
        # 1: some cell did not finish, which its rows say; anything else stops here.
        run: >-
          python -m bench run "$SUITE" --shard "$SHARD/{shards}" --results "$FOLDERS/$SHARD-of-{shards}"
          {flags} || test $? -eq 1
      - uses: actions/upload-artifact@v4
        with:
          name: shard-${{{{ matrix.shard }}}}
          path: ${{{{ env.FOLDERS }}}}/
          include-hidden-files: true

  merge:
    needs: shard
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - name: Install
        run: {install}
      - uses: actions/download-artifact@v4
        with:
          pattern: shard-*
          path: ${{{{ env.FOLDERS }}}}
          merge-multiple: true
      - name: Merge the results
        run: python -m bench merge "$FOLDERS"/* --into "$MERGED"
      - name: Write the report
        run: python -m bench report "$MERGED"
      - uses: actions/upload-artifact@v4
        with:
          name: bench-{label}
          path: |
            ${{{{ env.MERGED }}}}/
            reports/
"""


def _merge(run: ShardedRun, name: str) -> str:
    """The command that puts the shards together."""
    return f"bench merge {shlex.quote(run.folders)}/* --into {shlex.quote(f'results/{name}')}"


def _write(path: Path, text: str) -> None:
    """Write a file that is not there yet, or that already says so.

    Raises
    ------
    InputError
        There is another file.
    """
    from bench.atomic import write_atomically

    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{path}: there is another file; move it away, or name one with --output")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: expected a folder, got none; make it first")
    write_atomically(path, text)


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
    from bench.models.from_source import allowing_plug_ins

    with allowing_plug_ins(allowed=allow_plugin):
        say(github_file(ShardedRun(suite, shards, jobs, allow_plugin), install=install, output=output))
