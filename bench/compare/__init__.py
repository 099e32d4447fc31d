"""Two result sets → what changed between them, cell by cell.

`compare` takes tables and returns frozen values; `bench.compare.exporters` writes them for people and programs.
"""

from bench.compare.compare import compare, compare_folders
from bench.compare.values import ALARMS, CellChange, Comparison, MetricChange, Place, Side, Verdict

__all__ = [
    "ALARMS",
    "CellChange",
    "Comparison",
    "MetricChange",
    "Place",
    "Side",
    "Verdict",
    "compare",
    "compare_folders",
]
