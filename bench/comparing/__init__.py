"""Compare two result sets, cell by cell.

`compare` takes tables and returns frozen values; `bench.comparing.formats` writes them for people and programs.
"""

from bench.comparing.decision import compare, compare_folders
from bench.comparing.outcomes import ALARMS, CellChange, ChangeVerdict, Comparison, MetricChange, ResultSide

__all__ = [
    "ALARMS",
    "CellChange",
    "ChangeVerdict",
    "Comparison",
    "MetricChange",
    "ResultSide",
    "compare",
    "compare_folders",
]
