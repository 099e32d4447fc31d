"""Files for SLURM and GitHub: what a parser reads in them, and what they run; and a shard from the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bench import store
from bench.cli.clusters import MOST_JOBS

Bench = Callable[..., Any]


def directives(script: str) -> dict[str, str]:
    """As sbatch reads them: up to the first line that is neither a comment nor blank."""
    known = {}
    for line in script.splitlines()[1:]:
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH "):
            name, _, value = line.removeprefix("#SBATCH ").partition("=")
            known[name] = value
    return known


def well_formed(path: Path) -> None:
    done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def run_task(script: Path, number: int, folder: Path) -> list[str]:
    """The words of the command that one task of the array runs, with a stand-in for Python."""
    stand_in = folder / "stand-in"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "python").write_text('#!/bin/bash\nprintf "%s\\0" "$OMP_NUM_THREADS" "$@"\n')
    (stand_in / "python").chmod(0o755)
    env = {"PATH": f"{stand_in}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": str(number)}
    return subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=True).stdout.split("\0")


def test_a_slurm_script_is_an_array_of_shards(bench: Bench, folder: Path) -> None:
    options = ("--nodes", "4", "--jobs", "3", "--time", "1-02:30:00", "--partition", "long")
    ended = bench("slurm", "tiny.yaml", *options)
    assert (ended.status, ended.err) == (0, "")
    assert "sbatch bench-tiny.sh" in ended.out
    assert "bench merge results/tiny-shards/* --into results/tiny" in ended.out
    script = folder / "bench-tiny.sh"
    well_formed(script)
    assert directives(script.read_text()) == {
        "--job-name": "bench-tiny",
        "--array": "1-4",
        "--nodes": "1",
        "--ntasks": "1",
        "--cpus-per-task": "3",
        "--output": "bench-tiny-%a.log",
        "--time": "1-02:30:00",
        "--partition": "long",
    }
    words = run_task(script, 2, folder)
    assert words[:-1] == [
        *("1", "-m", "bench", "run", "tiny.yaml", "--shard", "2/4"),
        *("--results", "results/tiny-shards/2-of-4", "--jobs", "3", "--no-report"),
    ]


def test_what_the_user_names_is_no_shell_code(bench: Bench, folder: Path) -> None:
    name = "it's $(touch bad) `touch bad`.yaml"
    (folder / name).write_text((folder / "tiny.yaml").read_text())
    assert bench("slurm", name, "--nodes", "2", "--output", "a.sh").status == 0
    well_formed(folder / "a.sh")
    assert name in run_task(folder / "a.sh", 1, folder)
    assert not (folder / "bad").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("slurm", "tiny.yaml", "--nodes", "9"), "tiny.yaml: 8 cells for 9 machines; name at most 8"),
        (("slurm", "tiny.yaml", "--nodes", "2", "--time", "1 day"), "--time '1 day': expected a value of sbatch"),
        (("slurm", "none.yaml", "--nodes", "2"), "none.yaml"),
        (("github-matrix", "tiny.yaml", "--shards", "2", "--install", "${{ x }}"), "expected one line without ${{"),
        (("run", "tiny.yaml", "--shard", "3"), "--shard 3: expected NUMBER/COUNT"),
        (("run", "tiny.yaml", "--need", "GPU=1"), "--engine processes: expected neither --address nor --need"),
    ],
)
def test_wrong_input_is_one_line(bench: Bench, arguments: tuple[str, ...], message: str) -> None:
    ended = bench(*arguments)
    assert ended.status == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_another_file_is_not_overwritten(bench: Bench, folder: Path) -> None:
    (folder / "bench-tiny.sh").write_text("mine")
    ended = bench("slurm", "tiny.yaml", "--nodes", "2")
    assert ended.status == 2
    assert "there is another file" in ended.err
    assert (folder / "bench-tiny.sh").read_text() == "mine"


def workflow(bench: Bench, folder: Path, *options: str) -> Mapping[str, Any]:
    ended = bench("github-matrix", "tiny.yaml", "--shards", "3", *options)
    assert (ended.status, ended.err) == (0, "")
    read: Mapping[str, Any] = YAML(typ="safe").load(folder / ".github" / "workflows" / "bench-tiny.yml")
    return read


def test_a_workflow_has_a_job_for_each_shard_and_one_that_merges(bench: Bench, folder: Path) -> None:
    read = workflow(bench, folder, "--allow-plugin")
    assert set(read) == {"name", "on", "permissions", "env", "jobs"}
    assert read["on"] == {"workflow_dispatch": None}
    shard, merge = read["jobs"]["shard"], read["jobs"]["merge"]
    assert shard["strategy"] == {"fail-fast": False, "matrix": {"shard": [1, 2, 3]}}
    assert merge["needs"] == "shard"
    names = [[step.get("uses", step.get("name")) for step in job["steps"]] for job in (shard, merge)]
    assert names[0][-1].startswith("actions/upload-artifact")
    assert any(name.startswith("actions/download-artifact") for name in names[1])
    (command,) = [step["run"] for step in shard["steps"] if step.get("name") == "Run the shard"]
    assert command == (
        'python -m bench run "$SUITE" --shard "$SHARD/3" --results "$FOLDERS/$SHARD-of-3" --jobs 2 --no-report '
        "--allow-plugin || test $? -eq 1"
    )
    for job in (shard, merge):
        for step in job["steps"]:
            if "run" in step:
                assert subprocess.run(["bash", "-n", "-c", step["run"]], check=False).returncode == 0


def test_the_jobs_hand_the_same_folders_on(bench: Bench, folder: Path) -> None:
    """What one job uploads is where the last one looks: artifact names match the pattern, and paths are equal."""
    read = workflow(bench, folder)
    (upload,) = [step["with"] for step in read["jobs"]["shard"]["steps"] if "upload" in step.get("uses", "")]
    (download,) = [step["with"] for step in read["jobs"]["merge"]["steps"] if "download" in step.get("uses", "")]
    assert upload["path"].rstrip("/") == download["path"] == "${{ env.FOLDERS }}"
    assert re.fullmatch(download["pattern"].replace("*", ".*"), upload["name"])
    assert upload["include-hidden-files"] is True
    assert read["env"]["FOLDERS"] == "results/tiny-shards"


def test_a_matrix_is_no_larger_than_github_accepts(bench: Bench, folder: Path) -> None:
    lengths = ", ".join(map(str, range(2, 70)))
    text = (folder / "tiny.yaml").read_text().replace("[3, 5]", f"[{lengths}]").replace("length: ", "length: 4")
    (folder / "wide.yaml").write_text(text)
    ended = bench("github-matrix", "wide.yaml", "--shards", str(MOST_JOBS + 1))
    assert ended.status == 2
    assert f"at most {MOST_JOBS} jobs" in ended.err


def columns_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of a results folder, without what differs from run to run."""
    timing = ("started_at", "fit_s", "predict_s", "tuning_s", "peak_memory_bytes", "run_id")
    rows = store.read(folder, "runs").to_pylist()
    kept = ({name: value for name, value in row.items() if name not in timing} for row in rows)
    return sorted(kept, key=lambda row: (row["cell_id"], row["seed"]))


@pytest.mark.usefixtures("fakes")
def test_the_shards_together_are_the_whole_run(bench: Bench, folder: Path) -> None:
    assert bench("run", "tiny.yaml", "--no-report", "--results", "whole").status == 0
    for number in (1, 2, 3):
        assert bench("run", "tiny.yaml", "--no-report", "--shard", f"{number}/3").status == 0
    parts = [columns_of(folder / "results" / "tiny-shards" / f"{number}-of-3") for number in (1, 2, 3)]
    assert all(parts)
    together = sorted((row for part in parts for row in part), key=lambda row: (row["cell_id"], row["seed"]))
    assert together == columns_of(folder / "whole")


def test_a_shard_without_cells_is_no_error(bench: Bench, folder: Path) -> None:
    ended = bench("run", "tiny.yaml", "--shard", "9/9", "--no-report")
    assert (ended.status, ended.err) == (
        0,
        "no cells in shard 9/9 of tiny: there are fewer of them than shards\n",
    )
    assert not (folder / "results").exists()


SLURM = ("slurmctld", "slurmd", "munged", "sbatch", "squeue")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of commands of a SLURM of this machine alone, or a skip with the reason."""
    missing = [name for name in SLURM if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        pytest.skip(f"SLURM is not installed: no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("a SLURM of this machine alone needs root: slurmd starts tasks as their user")
    monkeypatch.syspath_prepend(Path(__file__).parent)
    from slurm_here import running

    with running(tmp_path) as env:
        yield env


def test_a_real_slurm_runs_every_shard(slurm: dict[str, str], bench: Bench, folder: Path) -> None:
    assert bench("slurm", "tiny.yaml", "--nodes", "3").status == 0
    here = str(Path(sys.executable).parent)
    env = {**slurm, "PATH": f"{here}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    sent = subprocess.run(
        ["sbatch", "--parsable", "bench-tiny.sh"], env=env, capture_output=True, text=True, check=True
    )
    end = time.monotonic() + 240
    while (
        time.monotonic() < end
        and subprocess.run(
            ["squeue", "--noheader", "--job", sent.stdout.strip()], env=env, capture_output=True, text=True, check=False
        ).stdout.strip()
    ):
        time.sleep(0.5)
    logs = "\n".join(path.read_text() for path in folder.glob("bench-tiny-*.log"))
    parts = [columns_of(folder / "results" / "tiny-shards" / f"{number}-of-3") for number in (1, 2, 3)]
    assert bench("run", "tiny.yaml", "--no-report", "--jobs", "1", "--results", "whole").status == 0
    together = sorted((row for part in parts for row in part), key=lambda row: (row["cell_id"], row["seed"]))
    whole = columns_of(folder / "whole")
    assert [(row["cell_id"], row["seed"]) for row in together] == [(row["cell_id"], row["seed"]) for row in whole], logs
    for one, other in zip(together, whole, strict=True):
        assert one["mse"] == pytest.approx(other["mse"], rel=1e-6)
        assert one["status"] == other["status"] == "ok"
