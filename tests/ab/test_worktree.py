"""The base: a commit in a working tree of its own, and nothing left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.ab.worktree import base_of, git, head_of, repository_of, requirements
from bench.errors import InputError


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits: `word` says ``old`` at the tag `before`, and ``new`` now."""
    for name, value in {"NAME": "A", "EMAIL": "a@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "pyproject.toml").write_text('[project]\nname = "word"\nversion = "1"\ndependencies = ["a>=1"]\n')
    for word in ("old", "new"):
        (folder / "word").write_text(word)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", word)
    git(folder, "tag", "before", "HEAD~1")
    return folder


def nothing_is_left(repository: Path, temporary: Path) -> bool:
    listed = git(repository, "worktree", "list", "--porcelain").count("worktree ")
    return (listed, list(temporary.iterdir())) == (1, []) and not list((repository / ".git").glob("worktrees/*"))


def test_a_base_is_the_commit_beside_an_untouched_working_tree(repository: Path, temporary: Path) -> None:
    (repository / "word").write_text("newest")
    hook = repository / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {repository / 'hooked'}\n")
    hook.chmod(0o755)
    with base_of(repository, "before") as base:
        assert (base.root / "word").read_text() == "old"
        assert base.python == sys.executable
        assert git(repository, "rev-parse", "before").startswith(base.commit)
        assert not nothing_is_left(repository, temporary)
    assert nothing_is_left(repository, temporary)
    assert (repository / "word").read_text() == "newest"
    assert not (repository / "hooked").exists()
    assert head_of(repository).commit.endswith(" and uncommitted changes")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_is_left_whatever_ends_the_block(repository: Path, temporary: Path, error: type[BaseException]) -> None:
    def use() -> None:
        with base_of(repository, "before") as base:
            (base.root / "made").write_text("by what ran there")
            raise error

    with pytest.raises(error):
        use()
    assert nothing_is_left(repository, temporary)


def test_a_working_tree_whose_making_was_interrupted_goes_too(repository: Path, temporary: Path) -> None:
    with base_of(repository, "before") as base:
        git(repository, "worktree", "lock", "--reason", "initializing", str(base.root))
    assert nothing_is_left(repository, temporary)


@pytest.mark.parametrize("ref", ["nowhere", "--detach", "HEAD~9", ""])
def test_an_unknown_ref_is_named_with_what_to_do(repository: Path, temporary: Path, ref: str) -> None:
    with pytest.raises(InputError, match=r"expected a branch, tag or commit of .* fetch it first") as caught:
        base_of(repository, ref).__enter__()
    assert str(caught.value).startswith(f"{ref}: ")
    assert nothing_is_left(repository, temporary)


def test_a_folder_in_no_repository_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="expected a git repository"):
        repository_of(tmp_path)


def test_packages_are_shared_where_both_ask_for_the_same(
    repository: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr("bench.ab.worktree._installed", lambda tree, folder: made.append(tree) or "its own")
    with base_of(repository, "before") as base:
        assert (base.python, requirements(base.root)) == (sys.executable, requirements(repository))
    with base_of(repository, "before", environment="own") as base:
        assert (base.python, made) == ("its own", [base.root])
    (repository / "constraints.txt").write_text("a==2\n")
    for environment, python in (("auto", "its own"), ("shared", sys.executable)):
        with base_of(repository, "before", environment=environment) as base:
            assert base.python == python


@pytest.mark.parametrize("environment", ["own", "auto"])
def test_a_base_that_cannot_be_built_tells_why(repository: Path, temporary: Path, environment: str) -> None:
    (repository / "pyproject.toml").write_text("no TOML")
    git(repository, "commit", "--quiet", "-am", "broken")
    (repository / "pyproject.toml").write_text('[project]\nname = "word"\n')
    with pytest.raises(InputError, match=r"TOML|toml") as caught:
        base_of(repository, "HEAD", environment=environment).__enter__()
    assert "line 1, column 4" in str(caught.value)
    assert nothing_is_left(repository, temporary)


def test_a_base_with_another_layout_is_refused(repository: Path, temporary: Path) -> None:
    """Its modules could not be imported by the names that they have here."""
    (repository / "bench" / "suite").mkdir(parents=True)
    (repository / "bench" / "suite" / "__init__.py").touch()
    git(repository, "add", "bench")
    git(repository, "commit", "--quiet", "-m", "another layout")
    with pytest.raises(InputError, match=r"HEAD: expected a commit whose package is laid out as this one, .*cells\.py"):
        base_of(repository, "HEAD").__enter__()
    assert nothing_is_left(repository, temporary)


def test_git_tells_its_last_lines(repository: Path) -> None:
    with pytest.raises(InputError, match="not a git command"):
        git(repository, "nonsense")
    assert subprocess.run(["git", "-C", repository, "status"], capture_output=True, check=False).returncode == 0
