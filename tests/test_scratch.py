"""Where libraries keep what they make, in a container that leaves them no place."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import bench
from bench import scratch

VARIABLES = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "USER", "LOGNAME", "LNAME", "USERNAME")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment that names nothing, and a temporary folder of its own."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "to be undone")
        monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"bench-{os.getuid()}"


def test_nothing_is_named_where_the_package_or_the_home_can_be_written(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USER", "me")
    scratch.settle(Path("/dev/null/package"))
    scratch.settle(tmp_path)
    assert {name: os.environ.get(name) for name in VARIABLES if name in os.environ} == {
        "HOME": str(tmp_path / "home"),
        "USER": "me",
    }
    assert (scratch.note(), bare.exists()) == ("", False)


def test_without_a_place_to_write_there_is_a_folder_of_this_user_alone(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    scratch.settle(Path("/dev/null/package"))
    assert os.environ["NUMBA_CACHE_DIR"] == str(bare / "kernels")
    assert os.environ["MPLCONFIGDIR"] == str(bare / "matplotlib")
    assert bare.stat().st_mode & 0o777 == 0o700
    assert scratch.note() == (
        f"neither the package nor a home folder can be written: compiled kernels are kept in {bare / 'kernels'}, and "
        "lost with it; name a folder that lasts in NUMBA_CACHE_DIR, and in BENCH_CACHE for downloads"
    )


def test_a_user_without_a_home_and_a_name_gets_both(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    scratch.settle(Path("/dev/null/package"))
    assert os.environ["HOME"] == str(bare)
    assert os.environ["USER"] == f"user-{os.getuid()}"
    assert os.environ["NUMBA_CACHE_DIR"] == str(bare / "kernels")


def test_what_the_user_names_is_kept(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/mine")
    scratch.settle(Path("/dev/null/package"))
    assert (os.environ["NUMBA_CACHE_DIR"], scratch.note()) == ("/mine", "")


def test_a_folder_that_others_may_enter_is_not_trusted(bare: Path) -> None:
    bare.mkdir()
    bare.chmod(0o777)
    other = scratch.folder()
    assert other != bare
    assert other.stat().st_mode & 0o777 == 0o700


def test_kernels_compile_where_only_the_temporary_folder_can_be_written(tmp_path: Path) -> None:
    """A package whose own folders are files' names: numba alone would refuse to compile anything."""
    script = (
        "import sys, pathlib, bench.scratch as scratch\n"
        "scratch.settle(pathlib.Path('/dev/null/package'))\n"
        "import numba, bench.kernels.compiled\n"
        "print(numba.config.CACHE_DIR)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    places = {"HOME": "/dev/null", "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(bench.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment | places, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / f"bench-{os.getuid()}" / "kernels")
