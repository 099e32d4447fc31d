"""The cells of one dataset → lengths chosen, the best model, who cannot be told from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report.losses import Losses, ratio_in_window
from bench.report.values import CellSummary
from bench.stats.intervals import paired_ratio
from bench.stats.table import Case, FloatArray


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


@dataclass(frozen=True, eq=False)
class Evidence:
    """What two cells are compared by.

    Parameters
    ----------
    mse
        ``[seeds]`` for each case and model, NaN where a replicate is missing.
    losses
        By cell id.
    """

    mse: Mapping[tuple[Case, str], FloatArray]
    losses: Mapping[str, Losses]

    def told_apart(self, cell: CellSummary, best: CellSummary) -> bool:
        """Whether the error of `cell` is larger than that of `best`, over the seeds and over the test window."""
        return self._over_seeds(cell, best) and self._in_window(cell, best)

    def _over_seeds(self, cell: CellSummary, best: CellSummary) -> bool:
        if cell.deterministic and best.deterministic:
            return True  # nothing is drawn: the test window decides
        ratio = paired_ratio(self.mse[_place(cell)], self.mse[_place(best)])
        return bool(ratio.low > 1)

    def _in_window(self, cell: CellSummary, best: CellSummary) -> bool:
        own, other = (self.losses.get(item.cell_id or "") for item in (cell, best))
        bounds = ratio_in_window(own, other) if own and other else None
        return bounds is not None and bounds[0] > 1


def _place(cell: CellSummary) -> tuple[Case, str]:
    return Case(cell.dataset, cell.horizon, cell.sequence_length), cell.model


def rivals(cells: Sequence[CellSummary], best: CellSummary, evidence: Evidence) -> tuple[str, ...]:
    """The models whose chosen cell cannot be told from `best`, the smallest error first."""
    others = sorted((cell for cell in cells if cell.chosen and cell is not best), key=_error)
    return tuple(cell.model for cell in others if not evidence.told_apart(cell, best))
