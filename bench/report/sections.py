"""The cells of one dataset → lengths chosen, the best model and the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.report.values import CellSummary


def choose_lengths(cells: Sequence[CellSummary]) -> tuple[CellSummary, ...]:
    """`cells` with each model's best sequence length on validation marked as chosen.

    The test part has no say. Where no validation error is stored the shortest finished length is taken.
    """
    finished: dict[str, list[CellSummary]] = {}
    for cell in cells:
        if cell.rmse is not None:
            finished.setdefault(cell.model, []).append(cell)
    picked = {model: min(own, key=_validation) for model, own in finished.items()}
    return tuple(replace(cell, chosen=picked.get(cell.model) is cell) for cell in cells)


def _validation(cell: CellSummary) -> tuple[float, int]:
    error = cell.validation_mse_scaled
    return (float("inf") if error is None else error), cell.sequence_length


def best_of(cells: Sequence[CellSummary]) -> CellSummary | None:
    """The chosen cell with the smallest error."""
    return min((cell for cell in cells if cell.chosen and cell.rmse), key=_error, default=None)


def _error(cell: CellSummary) -> float:
    return cell.rmse.value if cell.rmse else float("inf")


def others(cells: Sequence[CellSummary], best: CellSummary) -> list[CellSummary]:
    """The chosen cells beside `best`, the smallest error first."""
    return sorted((cell for cell in cells if cell.chosen and cell is not best), key=_error)
