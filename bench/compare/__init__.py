"""Two result sets → what changed between them, cell by cell.

`compare` takes tables and returns frozen values; `to_markdown` and `to_json` show them.
"""

from bench.compare.compare import compare, compare_folders
from bench.compare.render import to_json, to_markdown
from bench.compare.values import CellChange, Change, Comparison, Place, Side

__all__ = [
    "CellChange",
    "Change",
    "Comparison",
    "Place",
    "Side",
    "compare",
    "compare_folders",
    "to_json",
    "to_markdown",
]
