"""Paths as users write them."""

import os
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.paths import data_folders, path_of


def test_the_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert path_of("~/results") == Path("/home/me/results")
    assert path_of("a/~/b") == Path("a/~/b")


def test_folders_of_data_are_paths_and_blanks_name_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("BENCH_DATA", os.pathsep.join(["~/a", " ", "", "b"]))
    assert data_folders() == [Path("/home/me/a"), Path("b")]
    monkeypatch.setenv("BENCH_DATA", "\udcff")
    with pytest.raises(InputError, match=r"BENCH_DATA: .*expected a path in UTF-8"):
        data_folders()


@pytest.mark.parametrize("name", ["name:x", "s3:x", "c:", "a b", "é", "-x", "x/../y"])
def test_names_that_look_like_something_else_are_paths(name: str) -> None:
    assert str(path_of(name)) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "expected the path of a file or folder, got ''"),
        (" ", "expected the path of a file or folder, got ' '"),
        ("a\0b", "expected the path of a file or folder, got 'a\\x00b'"),
        (
            "s3://bucket/x",
            "'s3://bucket/x': expected a path of this machine, got an address; copy the files here first",
        ),
        (
            os.fsdecode(b"r\xff"),
            "b'r\\xff': expected a path in UTF-8, got other bytes; rename the folder, or name another",
        ),
        (
            "~nobody-of-this-name/x",
            "'~nobody-of-this-name/x': expected a home folder that is known; give the whole path",
        ),
    ],
)
def test_what_is_no_path_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        path_of(name)
    assert str(caught.value) == reason
