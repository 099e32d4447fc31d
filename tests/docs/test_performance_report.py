"""The report of performance can be written again by its one command."""

import ast
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "performance.py"


@pytest.fixture
def performance(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("performance", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_section_has_its_marks_and_only_what_is_between_them_changes(performance):
    text = performance.REPORT.read_text()
    for name in performance.SECTIONS:
        before, inside, after = (part for part in performance.placed(text, name, "new").partition("\nnew\n\n"))
        assert inside
        assert text.startswith(before)
        assert text.endswith(after)
        assert before.endswith(f"<!-- {name}: begin -->\n")
        assert performance.placed(performance.placed(text, name, "other"), name, "new") == before + inside + after


def test_a_section_without_marks_is_refused(performance):
    with pytest.raises(SystemExit, match="expected one <!-- parts: begin -->"):
        performance.placed("no marks", "parts", "new")


def test_a_group_is_a_line_with_its_ratio(performance):
    benchmarks = [
        {"group": "read", "name": "test_bench", "stats": {"median": 3.0}},
        {"group": "read", "name": "test_reference_plain_read[small]", "stats": {"median": 0.002}},
    ]
    (pair,) = performance.pairs({"benchmarks": benchmarks})
    assert performance._line(pair) == "| read | 3000 | plain read | 2.00 | 1500.00 |"


@pytest.mark.parametrize("script", sorted(SCRIPT.parent.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_of_bench_is_there(script):
    """They are run by hand, so nothing else notices what was renamed."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "bench":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
