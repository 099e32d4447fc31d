"""A module imports only from lower layers; the reading wing and the making wing meet at the store and the schema."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the top down. A name stands for the module and all below it; the longest name that fits counts.
MAKING = [
    ["bench.running.plan"],
    ["bench.running.engines"],
    ["bench.running.cell", "bench.running.estimate", "bench.running.preflight"],
    ["bench.running", "bench.tuning"],
    ["bench.training"],
    ["bench.models", "bench.data"],
    ["bench.kernels", "bench.data.windows", "bench.data.fetch"],
]
READING = [
    ["bench.report.render", "bench.compare"],
    ["bench.report.figures"],
    ["bench.report.summary", "bench.report"],
    ["bench.stats"],
    ["bench.stats.table"],
]
TOP = [["bench.__main__", "bench.cli", "bench.progress"]]
SHARED = [
    ["bench.store", "bench.suite.load", "bench.suite.cells", "bench.environment"],
    ["bench.suite", "bench.schema", "bench.data.base", "bench.models.base"],
    ["bench.errors", "bench.seeds", "bench.registry", "bench"],
]


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


def place(name, table):
    """Height of `name` in `table`, counted from the bottom; None where it is not listed."""
    found = [
        (len(entry), len(table) - row)
        for row, entries in enumerate(table)
        for entry in entries
        if name == entry or name.startswith(entry + ".")
    ]
    return max(found)[1] if found else None


def wing(name):
    longest = {}
    for title, table in [("top", TOP), ("making", MAKING), ("reading", READING), ("shared", SHARED)]:
        lengths = [len(e) for row in table for e in row if name == e or name.startswith(e + ".")]
        longest[title] = max(lengths, default=0)
    return max(longest, key=longest.__getitem__)


TABLES = {"top": TOP, "making": MAKING, "reading": READING, "shared": SHARED}
MAY_IMPORT = {
    "top": {"top", "making", "reading", "shared"},
    "making": {"making", "shared"},
    "reading": {"reading", "shared"},
    "shared": {"shared"},
}


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_a_module_imports_only_from_lower_layers(name, path):
    for imported in imports(path):
        assert wing(imported) in MAY_IMPORT[wing(name)], f"{name} ({wing(name)}) imports {imported} ({wing(imported)})"
        if wing(imported) == wing(name):
            above, below = place(name, TABLES[wing(name)]), place(imported, TABLES[wing(name)])
            siblings = imported.rpartition(".")[0] == name.rpartition(".")[0] or imported.startswith(name + ".")
            assert below < above or (below == above and siblings), f"{name} imports {imported}, which is not below it"


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
    allowed = {"bench.cli", "bench.progress", "bench.__main__"}
    for name, path in modules():
        if any(name == prefix or name.startswith(prefix + ".") for prefix in allowed):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not prints, f"{path}:{node.lineno} prints"
