"""``bench show``, the rows of one cell by the beginning of its id, and ``bench recommend``. Neither needs torch."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.errors import InputError
from bench.paths import RESULTS
from bench.reporting.export import rows_csv
from bench.store import cell_ids, is_results, read as read_table, read_cell
from bench.store.reader import read_probes
from bench.store.schema import ALL, KEY
from bench.text import NOTHING, TextTable, listed, number

_NAMED = ("dataset", "model", "length", "horizon", "RMSE", "seeds ok", "cell", "results")
_SEEDS = 10
"""Replicates next to each other, so that a line fits on a screen."""
_MADE_BY = {
    **dict.fromkeys(ALL, "the cell has nothing to tell there, or was never run"),
    "probes": "`bench probe` makes them",
}


def show(beginning: str, results: Path | None, *, table: str | None, csv: bool) -> list[str | TextTable]:
    """Every row of `table` of the cell whose id begins with `beginning`.

    Parameters
    ----------
    beginning
        Of an id; or the name of a model or dataset, whose cells are listed with their ids.
    results
        A results folder; `None` for every folder in ``results/``.
    table
        One of `bench.store.schema.ALL`; `None` for `runs`, or `probes` of a cell that was never run.
    csv
        All columns with every digit, instead of what fits on a screen.

    Raises
    ------
    InputError
        No stored cell begins so, or several do; or it has no row in `table`.
    """
    if named := _of_name(beginning, results):
        return [TextTable(named, _NAMED, names=2)]
    folder, cell_id = _located(beginning, results)
    table = table or ("runs" if cell_id in cell_ids(folder) else "probes")
    stored = _read(folder, table, cell_id)
    if not stored.num_rows:
        raise InputError(f"{folder}: expected rows of {table} for cell {cell_id}, got none; {_MADE_BY[table]}")
    if csv:
        return [rows_csv(stored).rstrip("\n")]
    rows = stored.to_pylist()
    blocks = _replicates(sorted(rows, key=lambda row: row["seed"])) if table == "runs" else _below_each_other(rows)
    return [TextTable(list(_shared(rows, folder))), *(part for block in blocks for part in ("", block))]


def recommended(results: Path, limits: Mapping[str, float | None], *, dataset: str | None) -> list[str | TextTable]:
    """The model to use for each dataset of a results folder within `limits`, the fields of a `Budget`."""
    from bench.replication.systems import parsed
    from bench.reporting.budget import Budget
    from bench.reporting.recommend import advice_parts, recommend
    from bench.reporting.source import read

    return advice_parts(recommend(read(results, parsed), Budget(**limits), dataset=dataset))


def _read(folder: Path, table: str, cell_id: str) -> pa.Table:
    """The rows of one cell; of a cell that was never run, none."""
    if table == "probes":
        probes = read_probes(folder)
        return probes.filter(pc.equal(probes["cell_id"], cell_id))
    return read_cell(folder, table, cell_id) if cell_id in cell_ids(folder) else ALL[table].empty_table()


def _of_name(name: str, results: Path | None) -> list[list[str]]:
    """The cells of the model or dataset `name`, as rows below `_NAMED`; none where nothing is called so."""
    rows = [
        [*(str(row[key]) for key in ("dataset", "model", "sequence_length", "horizon")), *_outcome(row), str(folder)]
        for folder in _folders(results)
        for row in _cells(folder)
        if name in (row["dataset"], row["model"])
    ]
    return sorted(rows, key=lambda row: (row[0], row[1], int(row[2]), int(row[3])))


def _cells(folder: Path) -> list[dict[str, Any]]:
    """Each stored cell with the mean of its MSE and how many of its replicates are ok."""
    if not is_results(folder):
        return []
    runs = read_table(folder, "runs", [*KEY, "mse", "status"])
    runs = runs.append_column("ok", pc.equal(runs["status"], "ok"))
    grouped = runs.group_by(list(KEY)).aggregate([("mse", "mean"), ("ok", "sum"), ("ok", "count")])
    return list(grouped.to_pylist())


def _outcome(row: Mapping[str, Any]) -> list[str]:
    rmse = None if row["mse_mean"] is None else math.sqrt(row["mse_mean"])
    return [number(rmse), f"{row['ok_sum']} of {row['ok_count']}", row["cell_id"]]


def _folders(results: Path | None) -> list[Path]:
    """The results folders to look in."""
    if results and not _holds_cells(results):
        raise InputError(f"{results}: expected a results folder with runs/ in it; `bench run` makes one")
    folders = [results] if results else sorted(filter(_holds_cells, RESULTS.glob("*")))
    if not folders:
        raise InputError("results/: expected results folders in it, got none; name one with --results")
    return folders


def _located(beginning: str, results: Path | None) -> tuple[Path, str]:
    """The folder and the id of the only cell whose id begins with `beginning`."""
    folders = _folders(results)
    if not beginning:
        raise InputError("expected the beginning of a cell's id, got nothing; a report names them")
    cells = [(folder, cell_id) for folder in folders for cell_id in _known(folder)]
    fitting = [cell for cell in cells if cell[1].startswith(beginning)]
    where = str(results) if results else listed([str(folder) for folder in folders])
    if not fitting:
        raise InputError(
            f"{where}: expected the beginning of a stored cell's id, or the name of a model or dataset, got "
            f"{beginning!r}; a report names them"
        )
    if len(fitting) > 1:
        several = ", ".join(f"{cell_id} in {folder}" for folder, cell_id in fitting[:3])
        more = f" and {len(fitting) - 3} more" if len(fitting) > 3 else ""
        raise InputError(f"{where}: {beginning!r} begins {several}{more}; give more of the id, or --results")
    return fitting[0]


def _holds_cells(folder: Path) -> bool:
    return is_results(folder) or (folder / "probes").is_dir()


def _known(folder: Path) -> list[str]:
    """The cells that were run or probed: a probe's part is named by its cell and its machine."""
    probed = (name.rpartition("-")[0] for name in cell_ids(folder, "probes"))
    return sorted({*cell_ids(folder), *probed})


def _shared(rows: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[tuple[str, str]]:
    """What is the same in every row, and known."""
    yield "results", str(folder)
    for name in rows[0]:
        if name not in _apart(rows) and rows[0][name] not in (None, ""):
            yield name, _text(rows[0][name])


def _apart(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that differ between rows; the number of a replicate always does."""
    return [name for name in rows[0] if name == "seed" or any(row[name] != rows[0][name] for row in rows)]


def _replicates(rows: Sequence[Mapping[str, Any]]) -> Iterator[TextTable]:
    """What differs, a line for each column and some replicates next to each other."""
    for start in range(0, len(rows), _SEEDS):
        block = rows[start : start + _SEEDS]
        yield TextTable(
            [
                [name, *(number(row[name]) if isinstance(row[name], float) else _text(row[name]) for row in block)]
                for name in _apart(rows)
            ]
        )


def _below_each_other(rows: Sequence[Mapping[str, Any]]) -> Iterator[TextTable]:
    """What differs, a line for each row; nothing does in a single one."""
    if names := _apart(rows):
        yield TextTable([[_text(row[name]) for name in names] for row in rows], names)


def _text(value: object) -> str:
    """`value` with every digit."""
    return NOTHING if value is None else str(value)
