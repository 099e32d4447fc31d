"""The tables of results that a run prints at its end: errors next to each other, or models in order with verdicts."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.replication.systems import parsed
from bench.reporting.learning import LEARNING, learning_caution
from bench.reporting.source import read
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Section
from bench.stats.verdicts import Verdict
from bench.store.grid import Grid, grid
from bench.tasks import words, words_of
from bench.text import TextTable, number, percent, plural, seconds, significant

COLUMNS = ("cell_id", "seed", "task", "mse", "accuracy", *LEARNING)
"""The columns of `runs` that a table is made from."""

_HEAD = ("dataset", "L", "h")
_NEXT_TO = 10
"""Models next to each other, at most, so that a line fits on a screen."""


def results_table(runs: pa.Table, cell_ids: Sequence[str]) -> list[str | TextTable]:
    """RMSE by dataset, horizon, sequence length and model, pooled over the seeds that are ok.

    Parameters
    ----------
    runs
        Rows of `bench.store.schema.RUNS`, with `COLUMNS` at least.
    cell_ids
        The cells to show.
    """
    shown = grid(runs.filter(pc.is_in(runs["cell_id"], value_set=pa.array(cell_ids, pa.string()))))
    mse = shown.values("mse")  # [cells, models, seeds]
    order = _as_given(shown, cell_ids)
    unit = words(shown.runs["task"].unique().to_pylist()).unit
    errors = _table(shown, order, [_row(values) for values in mse[:, order]])
    caution = learning_caution(shown.runs)  # of models that were stopped while they were still learning
    return [
        f"RMSE on test, pooled over seeds, {unit} (* smallest of its dataset and length)",
        errors,
        *_accuracies(shown, order),
        *(["", caution] if caution else []),
    ]


def _accuracies(shown: Grid, order: Sequence[int]) -> list[str | TextTable]:
    """The same table of accuracies, for the cases that have them; nothing where none does."""
    accuracy = shown.values("accuracy")[:, order]
    rows = [[*map(_mean, values)] if np.isfinite(values).any() else None for values in accuracy]
    return ["", "Accuracy on test, mean over seeds", _table(shown, order, rows)] if any(rows) else []


def _table(shown: Grid, order: Sequence[int], rows: Sequence[Sequence[str] | None]) -> TextTable:
    """A line for each case, and a column for each model; of many models, a line for each cell that has a row."""
    models = [shown.models[m] for m in order]
    cases = [[case.dataset, str(case.sequence_length), str(case.horizon)] for case in shown.cases]
    there = np.any(shown.row[:, order] >= 0, axis=2)
    reported = [(case, row, own) for case, row, own in zip(cases, rows, there, strict=True) if row is not None]
    if len(models) <= _NEXT_TO:
        return TextTable([[*case, *row] for case, row, _ in reported], [*_HEAD, *models])
    lines = [
        [*case, model, entry]
        for case, row, own in reported
        for model, entry, stored in zip(models, row, own, strict=True)
        if stored
    ]
    return TextTable(lines, [*_HEAD, "model", ""])


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.1%}" if known.size else "–"


def _as_given(shown: Grid, cell_ids: Sequence[str]) -> list[int]:
    """Positions of the models in the order of `cell_ids`."""
    model_of = dict(zip(shown.runs["cell_id"].to_pylist(), shown.runs["model"].to_pylist(), strict=True))
    names = dict.fromkeys(model_of[cell_id] for cell_id in cell_ids if cell_id in model_of)
    return [shown.models.index(name) for name in names]


def _row(mse: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    """RMSE from ``[models, seeds]``, the square root of the mean; a dash where no seed is ok."""
    done = [each[~np.isnan(each)] for each in mse]
    pooled = [float(np.sqrt(each.mean())) if each.size else None for each in done]
    known = [rmse for rmse in pooled if rmse is not None]
    smallest = min(known) if len(known) > 1 else None
    return ["–" if rmse is None else f"{rmse:#.4g}{'*' if rmse == smallest else ''}" for rmse in pooled]


PLAIN = words_of("").unit
"""What errors are in where nobody says of what unit the data are."""
_BEST = 8
"""So many models are shown of each dataset, at most."""


def ranked_table(folder: Path, cell_ids: Collection[str]) -> list[str | TextTable]:
    """The models of each dataset, the smallest error first, with the verdicts and the costs of the report.

    Each is at the length that is best on validation.

    Parameters
    ----------
    folder
        A results folder.
    cell_ids
        The cells to show.

    Returns
    -------
    list
        Nothing where none of them is finished.
    """
    summary = summarise(read(folder, parsed))
    shown = [(section, own) for section in summary.sections if (own := _in_order(section, cell_ids))]
    if not shown:
        return []
    units = {section.words.unit for section, _ in shown}
    unit = units.pop() if len(units) == 1 else ""
    extra = {
        "unit": not unit,
        "length": len(summary.sequence_lengths) > 1,
        "accuracy": any(cell.accuracy is not None for _, own in shown for cell in own),
    }
    rows = [line for section, own in shown for line in _ranks(section, own, extra)]
    head = [
        *("dataset", "model"),
        *(["length"] if extra["length"] else []),
        f"RMSE, {unit}" if unit and unit != PLAIN else "RMSE",
        *(["unit"] if extra["unit"] else []),
        *(["accuracy"] if extra["accuracy"] else []),
        *("skill", "against the reference", "fit"),
    ]
    note = (
        f"Errors on test{f' in {unit}' if unit == PLAIN else ''}, over all seeds; skill: 1 − MSE / MSE of the reference"
    )
    length = "; length: the best on validation" if extra["length"] else ""
    caution = learning_caution(summary.replicates)
    return [
        TextTable(rows, head, names=2),
        "",
        f"{note}; fit: time to train one seed{length}.",
        *(["", caution] if caution else []),
    ]


def _in_order(section: Section, cell_ids: Collection[str]) -> list[CellSummary]:
    """The cells of `section` to show, the smallest error first."""
    chosen = [cell for cell in section.cells if cell.chosen and cell.rmse and cell.cell_id in cell_ids]
    return sorted(chosen, key=lambda cell: cell.rmse.value if cell.rmse else float("inf"))


def _ranks(section: Section, cells: Sequence[CellSummary], extra: Mapping[str, bool]) -> Iterator[list[str]]:
    """A row for each of the best, and for the reference; the name of the dataset stands in the first."""
    best = [cell for place, cell in enumerate(cells) if place < _BEST or cell.verdict is Verdict.REFERENCE]
    for place, cell in enumerate(best):
        yield [
            "" if place else section.title,
            cell.model,
            *([str(cell.sequence_length)] if extra["length"] else []),
            significant(cell.rmse.value if cell.rmse else None),
            *([section.words.unit] if extra["unit"] else []),
            *([percent(cell.accuracy, 1)] if extra["accuracy"] else []),
            number(cell.skill.value if cell.skill else None, 2),
            re.sub(r" \([^)]*\)", "", cell.words) or str(cell.verdict),  # how it was corrected, the report says
            seconds(cell.cost.fit_s),
        ]
    if len(cells) > len(best):
        yield ["", f"and {plural(len(cells) - len(best), 'other')}", *[""] * (5 + sum(extra.values()) - 1)]
