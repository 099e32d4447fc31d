"""The rules that keep the code readable: sizes, names, words, length of import chains. Layers are import-linter's."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHORTEST, LONGEST = 60, 500
MOST_LINKS = 16
MOST_IMPORT_LINES = 0.065
PRINTS = ("bench.cli", "bench.__main__")
"""The only place that prints."""

WORDS = (
    *("sing", "sings", "sang", "mend", "mends", "mended", "told", "beside", "alike", "tired", "lot", "asked"),
    *("desk", "leaving", "lasting", "aside", "shelf", "rests", "works"),
    *("found", "held", "drawn", "room", "shelves"),
)
"""Words of an older dialect for which software has standard terms. None is part of an identifier."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "bench").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


PATHS = dict(modules())
TREES = {name: ast.parse(path.read_text()) for name, path in PATHS.items()}
FILES = {name: path for name, path in PATHS.items() if path.stem not in ("__init__", "__main__")}


def imports(name: str) -> Iterator[str]:
    """Modules of the project that one imports, also inside functions."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in PATHS)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                module = full if full in PATHS else node.module
                if module in PATHS and module != name:
                    yield module


GRAPH = {name: set(imports(name)) for name in PATHS}
IMPORTERS = Counter(imported for names in GRAPH.values() for imported in names)


def lines(path: Path) -> int:
    return path.read_text().count("\n")


@pytest.mark.parametrize("name", FILES)
def test_one_file_is_one_concept(name: str) -> None:
    """Neither a fragment, unless three others use it, nor several concepts in one."""
    assert lines(PATHS[name]) <= LONGEST
    assert lines(PATHS[name]) >= SHORTEST or IMPORTERS[name] >= 3


def test_no_two_modules_of_one_name() -> None:
    """A command's file in `bench.cli` is named as the command is."""
    stems = Counter(path.stem for name, path in FILES.items() if path.stem != "base" and ".cli." not in name)
    assert [stem for stem, count in stems.items() if count > 1] == []


def test_a_class_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    several = {name: places for name, places in homes.items() if len(places) > 1}
    assert set(several) <= CLASSES_OF_SEVERAL


CLASSES_OF_SEVERAL = {
    "Parameters",  # what a suite may set: of a dataset, of a model
}


def test_there_are_no_import_cycles_and_no_long_chains() -> None:
    @functools.cache
    def chain(name: str) -> tuple[str, ...]:
        return (name, *max((chain(imported) for imported in GRAPH[name]), key=len, default=()))

    longest = max((chain(name) for name in PATHS), key=len)  # a cycle would not end
    assert len(longest) - 1 <= MOST_LINKS, " → ".join(longest)


def test_few_lines_are_imports() -> None:
    nodes = [
        node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    share = sum((node.end_lineno or 0) - node.lineno + 1 for node in nodes) / sum(map(lines, PATHS.values()))
    assert share <= MOST_IMPORT_LINES


def test_one_function_prints() -> None:
    """`bench.cli.terminal.say`, which escapes what a terminal would obey."""
    callers = [
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("echo", "secho")
    ]
    assert callers == ["bench.cli.terminal"]


def test_only_the_command_line_prints() -> None:
    for name, tree in TREES.items():
        if name.startswith(PRINTS):
            continue
        for node in ast.walk(tree):
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not prints, f"{PATHS[name]}:{node.lineno} prints"


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What the code names itself: functions, classes, parameters, variables, attributes that are set."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr


def words(identifier: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", identifier)]


@pytest.mark.parametrize("name", PATHS)
def test_identifiers_are_plain_words(name: str) -> None:
    old = [
        f"{PATHS[name].name}:{line} {identifier}"
        for line, identifier in identifiers(TREES[name])
        if set(words(identifier)) & set(WORDS)
    ]
    assert old == []
