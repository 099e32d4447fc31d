"""Every block of the site's pages runs, one after another as a reader types them, in a folder with ``examples/``.

Commands run in this process. A comment before a block of commands says where that would take too long: it is then run
with ``--dry-run``, or its options are looked up in ``--help``. Lines of a block of text are in what was printed before.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.__main__ import main
from bench.cli import run
from bench.running.workers import start

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [DOCS / f"{name}.md" for name in ("index", "architecture", "gallery", "glossary")]
PAGES += sorted(path for name in ("tutorial", "howto", "explanation") for path in (DOCS / name).glob("*.md"))
"""Those that teach; the others are tested by what they describe."""

BLOCK = re.compile(
    r"(?:^<!-- checked with (?P<how>--[a-z-]+)[^>]*-->\n)?"
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One fenced block of a page."""

    kind: str
    title: str | None
    body: str
    how: str | None


def blocks(page: Path) -> list[Block]:
    matches = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["kind"], match["title"], match["body"], match["how"]) for match in matches]


def first_command() -> str:
    """The first block of the README, which `.ci/run` runs."""
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[0]


class Reader:
    """Types what a page says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.names: dict[str, object] = {"__name__": "page"}
        self.printed = ""

    def take(self, block: Block) -> None:
        """Do what one block says."""
        if block.title:
            (self.folder / block.title).write_text(block.body)
        elif block.kind == "sh" and block.body != first_command():
            self.printed = "".join(self.command(line, block.how) for line in block.body.splitlines())
        elif block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(block.body, "page", "exec"), self.names)
            self.printed = printed.getvalue()
        elif block.kind == "text":
            seen = self.printed.split()
            for line in block.body.splitlines():
                words = line.split()
                assert any(seen[i : i + len(words)] == words for i in range(len(seen))), f"{line!r}\n{self.printed}"

    def command(self, line: str, how: str | None) -> str:
        """What a line prints, run with `how`."""
        program, name, *more = shlex.split(line)
        assert program == "bench", line
        if how == "--help":
            status, printed = self.call(name, "--help")
            options = [word for word in more if word.startswith("--")]
            assert [option for option in options if option not in printed] == []
        else:
            status, printed = self.call(name, *more, *([how] if how else ()))
        assert status in ((0, 1) if name == "doctor" else (0,)), f"{line}\n{printed}"
        return printed

    def call(self, *arguments: str) -> tuple[int, str]:
        """A command in this process, as the console script would run it."""
        self.monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), out.getvalue() + err.getvalue()


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """One in an empty folder with a copy of ``examples/``; cells run in this process."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "start", lambda _name, *, jobs, device: start("inline", jobs=jobs, device=device))
    return Reader(tmp_path, monkeypatch)


TUTORIAL = [DOCS / "tutorial" / f"{name}.md" for name in ("index", "own-csv", "read-the-report", "decide")]
TASKS = [TUTORIAL, *([page] for page in PAGES if page not in TUTORIAL)]
"""Pages that are read one after another: each goes on where the one before stood."""


@pytest.mark.parametrize("pages", TASKS, ids=lambda pages: pages[0].relative_to(DOCS).as_posix())
def test_every_block_of_a_page_runs(pages: list[Path], reader: Reader) -> None:
    for page in pages:
        for block in blocks(page):
            reader.take(block)


def test_blocks_are_of_the_kinds_that_are_run() -> None:
    found = [(page.name, block) for page in PAGES for block in blocks(page)]
    assert len(found) >= 40
    assert {block.kind for _, block in found} <= {"sh", "yaml", "python", "text"}
    assert all(page.read_text().count("\n```") == 2 * len(blocks(page)) for page in PAGES)


def test_the_suites_that_a_page_shows_are_those_that_are_shipped() -> None:
    shown = [block.body for block in blocks(DOCS / "tutorial/index.md") if block.kind == "yaml"]
    shipped = (ROOT / "suites/quick.yaml").read_text()
    assert shown
    assert all(body in shipped for body in shown)


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert max(sizes.values()) < 200_000, sizes
    assert sum(sizes.values()) < 1_500_000
