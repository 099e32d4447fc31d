"""Text in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def aligned(cells: Sequence[str], widths: Iterable[int]) -> str:
    """One line of `cells`, each but the last padded to its width."""
    *head, last = cells
    return "  ".join([*(cell.ljust(width) for cell, width in zip(head, widths, strict=True)), last])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """`rows` of equal length as lines, each column as wide as it needs."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join(aligned(row, widths) for row in rows)
