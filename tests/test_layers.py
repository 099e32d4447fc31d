"""A module imports only from lower layers; the reading wing and the making wing meet at the store and the schema."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the top down. A name stands for the module and all below it; the longest name that fits counts.
TABLES = {
    "top": [["bench.__main__"], ["bench.cli"], ["bench.cli.progress"], ["bench.api"]],
    "making": [
        ["bench.running.plan", "bench.running.runner", "bench.running.probing", "bench.ab"],
        ["bench.running.workers", "bench.canary"],
        ["bench.running"],
        ["bench.tuning", "bench.probe"],
        ["bench.training"],
        ["bench.models", "bench.data"],
        ["bench.data.pinned", "bench.data.files", "bench.data.pinned", "bench.data.images"],
        ["bench.protocol.windows", "bench.data.generated", "bench.data.files", "bench.data.files"],
        [
            "bench.data.files",
            "bench.data.pinned",
            "bench.data.base",
            "bench.data.images",
            "bench.data.images",
            "bench.data.covariance",
            "bench.kernels",
        ],
    ],
    "reading": [
        ["bench.reporting.render", "bench.comparing"],
        ["bench.reporting.page", "bench.replication.card_page"],
        ["bench.reporting.page", "bench.reporting.figures"],
        ["bench.reporting"],
        ["bench.replication"],
        ["bench.stats"],
    ],
    "shared": [
        ["bench.store", "bench.suite", "bench.store.environment", "bench.running.cell"],
        ["bench.spec", "bench.store.schema", "bench.data.base", "bench.data.pinned", "bench.models.base"],
        ["bench.registry", "bench.spec"],
        ["bench.errors", "bench.seeds", "bench.tasks", "bench.spec", "bench"],
    ],
}
MAY_IMPORT = {
    "top": {"top", "making", "reading", "shared"},
    "making": {"making", "shared"},
    "reading": {"reading", "shared"},
    "shared": {"shared"},
}


def modules():
    for path in sorted((ROOT / "bench").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = {name for name, _ in modules()}


def imports(path):
    """Modules of the project that the file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "bench")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module and node.module.split(".")[0] == "bench":
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield full if full in NAMES else node.module


def place(name):
    """The wing of `name` and its height there, counted from the bottom."""
    fits = [
        (len(entry), wing, len(table) - row)
        for wing, table in TABLES.items()
        for row, entries in enumerate(table)
        for entry in entries
        if name == entry or name.startswith(entry + ".")
    ]
    _, wing, height = max(fits)
    return wing, height


def package(name):
    return name.split(".")[:2]


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_a_module_imports_only_from_lower_layers(name, path):
    wing, height = place(name)
    for imported in imports(path):
        other, below = place(imported)
        assert other in MAY_IMPORT[wing], f"{name} ({wing}) imports {imported} ({other})"
        level = below == height and package(name) == package(imported)
        assert other != wing or below < height or level, f"{name} imports {imported}, which is not below it"


def test_there_are_no_import_cycles():
    graph = {name: set(imports(path)) - {name} for name, path in modules()}
    done = set()

    def visit(name, trail):
        assert name not in trail, f"import cycle: {' → '.join([*trail[trail.index(name) :], name])}"
        if name not in done:
            for imported in sorted(graph.get(name, ())):
                visit(imported, [*trail, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def test_only_the_command_line_prints():
    allowed = {"bench.cli", "bench.cli.progress", "bench.__main__"}
    for name, path in modules():
        if any(name == prefix or name.startswith(prefix + ".") for prefix in allowed):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not prints, f"{path}:{node.lineno} prints"
