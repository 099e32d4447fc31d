from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from bench.store.schema import Rows

PROGRAM = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "optuna", "numba"}:
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Absent())
from pathlib import Path
import pyarrow.parquet as pq
import bench.comparing, bench.stats.aggregates, bench.stats.confidence_set, bench.stats.delay
import bench.stats.tuning, bench.stats.verdicts
from bench.comparing import compare
from bench.comparing.markdown import to_markdown
from bench.reporting.render import render, write
from bench.reporting.source import Source
from bench.reporting.summary import summarise
rows = {name: pq.read_table(f"{name}.parquet") for name in ("runs", "trials", "curves", "predictions")}
page = render(summarise(Source(rows, "results/fake")))["index.html"]
assert "has the smallest error" in page
print(to_markdown(compare(rows, rows)).splitlines()[2])
"""


def test_reading_works_where_nothing_that_makes_results_is_installed(fake: Callable[..., Rows], tmp_path: Path) -> None:
    for name, rows in fake(datasets=["noisy-sine"], lengths=(30,)).items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "5 cells in both: 5 equivalent.\n"


def test_reporting_knows_nothing_of_replication() -> None:
    folder = Path(__file__).parents[2] / "bench" / "reporting"
    assert [path.name for path in folder.rglob("*.py") if "bench.replication" in imports(path)] == []


def imports(path: Path) -> set[str]:
    """The packages of the project that the file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {".".join(name.split(".")[:2]) for name in found}
