"""The provenance columns, in and out of a git repository, with and without torch."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.store import environment as module
from bench.store.environment import checkout, environment, libraries, machine_reference_s, of_process, refused_checkout
from bench.store.schema import RUNS


@pytest.fixture(autouse=True)
def _uncached() -> Iterator[None]:
    of_process.cache_clear()
    yield
    of_process.cache_clear()


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_column_is_of_the_schema() -> None:
    found = environment("cpu")
    assert set(found) <= set(RUNS.names)
    first, last = RUNS.names.index("host"), RUNS.names.index("machine_reference_s")
    assert set(RUNS.names[first : last + 1]) - set(found) == {"code_version"}
    assert found["bench_version"] == bench.__version__
    assert found["cpu"]
    assert (found["gpu"], found["driver"]) == (None, None)


def test_libraries_are_those_installed() -> None:
    assert libraries()["numpy"] == np.__version__ == metadata.version("numpy")
    assert json.loads(environment("cpu")["libraries"]) == libraries()


def test_git_tells_the_commit_of_the_package_and_whether_it_is_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    monkeypatch.setattr(module, "_PACKAGE", package)
    package.mkdir()
    file = package / "__init__.py"
    file.write_text("one")
    assert (environment("cpu")["git_commit"], environment("cpu")["git_dirty"]) == (None, None)
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "a.txt").touch()
    _git(tmp_path, "add", "a.txt")
    _git(tmp_path, "commit", "--quiet", "--message", "zero")
    of_process.cache_clear()
    assert environment("cpu")["git_commit"] is None  # installed into somebody's repository, no part of it
    _git(tmp_path, "add", "package")
    _git(tmp_path, "commit", "--quiet", "--message", "one")
    (tmp_path / "results.txt").touch()  # next to the package
    of_process.cache_clear()
    of_process.cache_clear()
    assert environment("cpu")["git_commit"] == _git(tmp_path, "rev-parse", "HEAD")
    assert environment("cpu")["git_dirty"] is False
    file.write_text("two")
    assert environment("cpu")["git_dirty"] is False  # reported once per process
    of_process.cache_clear()
    assert environment("cpu")["git_dirty"] is True
    file.write_text("one")
    (package / "new.py").touch()
    of_process.cache_clear()
    assert environment("cpu")["git_dirty"] is True


def test_the_working_directory_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment("cpu")["git_commit"]
    monkeypatch.chdir(tmp_path)
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "of the user")
    of_process.cache_clear()
    assert environment("cpu")["git_commit"] == here != _git(tmp_path, "rev-parse", "HEAD")


def test_a_machine_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment("cpu")["git_commit"] is None


def test_the_reference_is_short_and_positive() -> None:
    assert 0 < machine_reference_s() < 0.5


def test_it_needs_no_torch_and_then_says_null_for_what_only_torch_knows() -> None:
    script = (
        "import json, sys; from bench.store.environment import environment; found = environment('cpu')\n"
        "assert 'torch' not in sys.modules; print(json.dumps([found['threads'], found['deterministic_algorithms']]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [None, None]


def test_torch_tells_threads_and_determinism_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Torch:
        @staticmethod
        def get_num_threads() -> int:
            return 3

        @staticmethod
        def are_deterministic_algorithms_enabled() -> bool:
            return True

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert module._torch_flags() == {"threads": 3, "deterministic_algorithms": True}


CPUINFO = """\
processor\t: 0
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
bogomips\t: 5200.00
flags\t\t: fpu sse2 {flags}

processor\t: 1
model name\t: another
"""


def test_machines_of_one_name_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cpu(flags: str, caches: dict[str, str]) -> str:
        monkeypatch.setattr(module, "_cpuinfo", lambda: dict(_pairs(CPUINFO.format(flags=flags).partition("\n\n")[0])))
        monkeypatch.setattr(module, "_caches", lambda: [f"L{level} {size}" for level, size in caches.items()])
        return module._cpu()

    wide = cpu("avx avx2 avx512f", {"2": "1024K", "3": "32768K"})
    assert wide == "AMD EPYC, model 25 17 1, AVX-512, L2 1024K, L3 32768K, 5200 BogoMIPS"
    others = [cpu("avx avx2", {"2": "1024K", "3": "32768K"}), cpu("avx avx2 avx512f", {"2": "512K", "3": "32768K"})]
    assert len({wide, *others}) == 3


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()


def test_this_machine_has_a_name_that_stays() -> None:
    assert module._cpu() == module._cpu() != ""


def test_a_repository_of_another_user_is_named_with_the_command_that_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a b" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(module, "_PACKAGE", package)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert refused_checkout() == ""
    _git(package.parent, "init", "--quiet")
    _git(package.parent, "add", ".")
    _git(package.parent, "commit", "--quiet", "--message", "one")
    assert (refused_checkout(), checkout()["git_commit"]) == ("", _git(package.parent, "rev-parse", "HEAD"))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own way to play another user
    said = refused_checkout()
    assert said.startswith(f"git does not read {package.parent}, which another user owns")
    assert checkout()["git_commit"] is None
    trust = shlex.split(said.split("`")[1])
    subprocess.run(trust, check=True)
    assert (refused_checkout(), checkout()["git_commit"]) == ("", _git(package.parent, "rev-parse", "HEAD"))
