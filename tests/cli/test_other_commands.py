"""The commands next to ``run``, what ``--help`` may import, and how the program is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bench as package
from bench.cli import data, doctor
from bench.cli.doctor import Diagnosis
from bench.data import DATASETS
from bench.data.pinned import PINNED, LocalFile
from bench.models import MODELS
from bench.protocol.metrics import METRICS
from bench.store import environment

Bench = Callable[..., Any]

HEAVY = ("torch", "numpy", "pyarrow", "pandas", "optuna", "seaborn", "scipy", "numba", "rich", "ruamel")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"], ["data", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        f"import sys; sys.argv[1:] = {arguments}; import bench.__main__ as main\n"
        "try: main.main()\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout


def test_python_m_bench_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"bench {package.__version__}\n"


def test_a_terminal_that_cannot_show_a_character_gets_the_rest(folder: Path) -> None:
    places = {"PYTHONPATH": str(Path(package.__file__).parents[1]), "PYTHONIOENCODING": "cp437"}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "tiny.yaml", "--dry-run"],
        env={**os.environ, **places},
        capture_output=True,
        encoding="cp437",
        check=True,
    )
    assert done.stdout.startswith("noise ? persistence, L=3, h=1  new, about")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("list", "foo"), "'what': 'foo' is not one of 'datasets', 'models', 'metrics', 'suites'."),
        (("run", "tiny.yaml", "--progress", "foo"), "'--progress': 'foo' is not one of 'auto', 'rich', 'plain', "),
    ],
)
def test_an_unknown_choice_is_refused_in_plain_words(bench: Bench, arguments: tuple[str, ...], reported: str) -> None:
    ended = bench(*arguments)
    assert ended.status == 2
    assert f"Error: Invalid value for {reported}" in ended.err


@pytest.mark.parametrize(("what", "names"), [("datasets", DATASETS), ("models", MODELS), ("metrics", METRICS)])
def test_list_has_a_line_for_each(bench: Bench, what: str, names: dict[str, object]) -> None:
    ended = bench("list", what)
    assert [line.split()[0] for line in ended.out.splitlines()] == list(names)


def test_list_suites_counts_cells_and_says_which_file_is_wrong(bench: Bench, folder: Path) -> None:
    (folder / "suites").mkdir()
    shutil.copy(folder / "tiny.yaml", folder / "suites")
    (folder / "suites" / "bad.yaml").write_text("name: bad\n")
    lines = {line.split()[0]: line for line in bench("list", "suites").out.splitlines()}
    assert lines["tiny"].split()[1:3] == ["8", "cells"]
    assert lines["bad"].split()[1:3] == ["wrong", "suites/bad.yaml:1:1:"]


@pytest.mark.usefixtures("fakes")
def test_a_shipped_suite_is_found_by_its_name(bench: Bench, folder: Path) -> None:
    (folder / "suites").mkdir()
    (folder / "tiny.yaml").rename(folder / "suites" / "tiny.yaml")
    assert "8 cells, 0 stored" in bench("run", "tiny", "--dry-run").out


@pytest.mark.usefixtures("fakes")
def test_a_suite_that_comes_with_the_program_is_found_from_any_folder(bench: Bench) -> None:
    assert "15 cells, 0 stored" in bench("run", "quick", "--dry-run").out


@pytest.mark.usefixtures("fakes")
def test_a_file_comes_before_a_shipped_suite_of_its_name(bench: Bench, folder: Path) -> None:
    (folder / "quick").mkdir()
    assert "15 cells, 0 stored" in bench("run", "quick", "--dry-run").out
    (folder / "quick").rmdir()
    (folder / "tiny.yaml").rename(folder / "quick")
    assert "8 cells, 0 stored" in bench("run", "quick", "--dry-run").out


def test_an_unknown_suite_is_one_line_with_those_that_come_with_the_program(bench: Bench) -> None:
    ended = bench("run", "quikc", "--dry-run")
    known = ", ".join(sorted(path.stem for path in (Path(__file__).parents[2] / "suites").glob("*.yaml")))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        f"unknown suite 'quikc'; did you mean 'quick'? (known: {known}); "
        "a file is given with its path, such as suites/quikc.yaml\n"
    )


@pytest.mark.usefixtures("fakes")
def test_a_path_in_a_suite_that_is_found_by_its_name_begins_at_its_file(bench: Bench, folder: Path) -> None:
    (folder / "suites").mkdir()
    dataset = "{id: own, kind: file, path: own.csv, column: load}"
    text = (folder / "tiny.yaml").read_text().replace("{id: wave, kind: sine, length: 90}", dataset)
    (folder / "suites" / "mine.yaml").write_text(text)
    (folder / "suites" / "own.csv").write_text("\n".join(["load", *map(str, range(80))]) + "\n")
    assert "8 cells, 0 stored, 8 to run:" in bench("run", "mine", "--dry-run").out


def test_schema_is_json(bench: Bench) -> None:
    assert "datasets" in json.loads(bench("schema").out)["properties"]


def test_verify_tells_absent_from_damaged(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = bench("data", "verify")
    assert ended.status == 0
    assert [line.split()[:2] for line in ended.out.splitlines()] == [["absent", name] for name in PINNED]
    (folder / PINNED["TSLA"].file).write_text("Date,Close\n")
    monkeypatch.setenv("BENCH_DATA", str(folder))
    ended = bench("data", "verify", "TSLA")
    assert ended.status == 1
    assert ended.out.startswith("damaged")
    assert f"expected SHA-256 {PINNED['TSLA'].sha256}, got " in ended.out


def test_a_file_that_cannot_be_read_is_told_and_the_others_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(name: str) -> LocalFile:
        if name == "TSLA":
            raise PermissionError(13, "Permission denied", "data/tsla.csv")
        return LocalFile(name, PINNED[name].file, "absent", advice="")

    def fetch(names: list[str]) -> Iterator[LocalFile]:
        return map(verify, names)

    monkeypatch.setattr(doctor, "verify", verify)
    monkeypatch.setattr(data, "fetch", fetch)
    for command in ("verify", "fetch"):
        ended = bench("data", command)
        assert ended.status == 1
        assert [line.split()[1] for line in ended.out.splitlines()] == list(PINNED)
        (line,) = (line for line in ended.out.splitlines() if line.split()[1] == "TSLA")
        assert line.startswith("damaged")
        assert "data/tsla.csv: expected a file that can be read, got Permission denied; fix its permissions" in line
    monkeypatch.setattr(doctor, "CHECKS", (doctor._data, doctor._python))
    lines = bench("doctor").out.splitlines()
    assert [line.split()[0] for line in lines] == [*("wrong" if name == "TSLA" else "note" for name in PINNED), "ok"]


def test_a_check_that_the_system_refuses_is_a_finding(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def _refused() -> Iterator[Diagnosis]:
        raise PermissionError(13, "Permission denied", "/some/folder")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (_refused, doctor._python))
    ended = bench("doctor")
    assert ended.status == 1
    assert ended.out.startswith("wrong  refused  /some/folder: Permission denied; fix its permissions\nok     python")


def test_fetch_of_an_unknown_name_lists_the_names(bench: Bench) -> None:
    ended = bench("data", "fetch", "TLSA")
    assert ended.status == 2
    assert ended.err.startswith("unknown pinned file 'TLSA'; did you mean 'TSLA'? (known: ")


def test_the_doctor_finds_a_data_folder_that_is_none_and_a_damaged_file(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._data,))
    assert bench("doctor").status == 0
    monkeypatch.setenv("BENCH_DATA", str(folder / "none"))
    ended = bench("doctor")
    assert ended.status == 1
    assert f"wrong  BENCH_DATA               {folder / 'none'} is no folder; name one" in ended.out
    (folder / PINNED["DJI"].file).write_text("")
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("BENCH_DATA", f"~/{folder.name}")
    wrong = [line for line in bench("doctor").out.splitlines() if line.startswith("wrong")]
    assert [line.split()[1:3] for line in wrong] == [["data", "DJI"]]
    monkeypatch.setenv("BENCH_DATA", "\udcff")
    ended = bench("doctor")
    assert (ended.status, ended.out.count("expected a path in UTF-8")) == (1, 1)


def test_the_doctor_finds_nothing_wrong_with_the_machine_of_these_tests(folder: Path) -> None:
    checks = (doctor._python, doctor._processors, doctor._folders)
    assert {finding.state for check in checks for finding in check()} == {"ok"}


def test_the_doctor_says_what_a_full_disk_and_a_missing_library_need(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_ENOUGH_BYTES", 1 << 80)
    assert {finding.what for finding in doctor._folders() if finding.state == "wrong"} == {
        "results",
        "reports",
        "cache",
    }
    monkeypatch.setattr(doctor, "_LIBRARIES", ("no_such_library",))
    (finding,) = doctor._libraries()
    assert finding == Diagnosis(
        "wrong",
        "no_such_library",
        "cannot be imported (No module named 'no_such_library'); "
        "install the project again: pip install --constraint constraints.txt .",
    )


def test_doctor_says_what_a_container_allows_and_lacks(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._code, doctor._container))
    monkeypatch.setattr(doctor, "cpu_quota", lambda: 1.5)
    monkeypatch.setattr(doctor, "memory_limit", lambda: 2_000_000_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = tmp_path / f"bench-{os.getuid()}"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(place / "kernels"))
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(environment, "_PACKAGE", tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    lines = bench("doctor").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["note", "ok", "ok", "note", "note"]
    assert "git does not read" in lines[0]
    assert "1.5 CPUs for this container" in lines[1]
    assert "2.0 GB for this container" in lines[2]
    assert f"compiled kernels are kept in {place / 'kernels'}" in lines[3]
    assert "set HOME to a folder that lasts" in lines[4]


def test_the_doctor_names_what_models_need_that_is_not_installed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._optional,))
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    monkeypatch.setitem(sys.modules, "catboost", None)
    ended = bench("doctor")
    assert ended.status == 0  # nothing is wrong
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    needed = 'statsmodels is not installed; pip install "sequence-bench[data]", for ets, theta, auto-arima'
    assert f"note statsmodels {needed}" in lines
    assert (
        "note catboost catboost is not installed; pip install catboost, for models of kind sklearn that name it"
        in lines
    )
