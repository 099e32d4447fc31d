"""The trials of cells whose study goes on, as a results folder keeps them batch by batch.

A study goes on with them as if it had never ended, so they are looked at more closely than other rows: what it could
not go on with is no trial of this cell, and is made again.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from bench.atomic import kind_of
from bench.errors import StoreError
from bench.store.parts import UNFINISHED, DamagedPart, load, part_of
from bench.store.rules import refuse_broken

_NEEDED = ("trial", "epochs", "parameters", "validation_curve", "duration_s")
_COMPARED = ("state", "epochs", "validation_mse_scaled", "validation_curve")


def read_unfinished(folder: Path, cell_id: str) -> pa.Table | None:
    """The finished trials of a cell whose study was ended; `None` where there are none that can be used."""
    part = part_of(folder, UNFINISHED, cell_id)
    return None if _wrong(part) else load(part)


def unusable(folder: Path) -> Iterator[tuple[Path, str]]:
    """What lies among the trials in `folder` and can be none: where, and what was expected and found."""
    place = folder / UNFINISHED
    if kind_of(place) not in ("", "a folder"):
        yield place, f"expected a folder, found {kind_of(place)}"
        return
    for path in sorted(place.iterdir()) if kind_of(place) else ():
        if kind_of(path) != "a file":
            yield path, f"expected a file of trials, found {kind_of(path)}"
        elif path.suffix == ".parquet" and (wrong := _wrong(path)):
            yield path, wrong


def _wrong(part: Path) -> str:
    """What is wrong with a file of trials; nothing where a study can go on with them."""
    if kind_of(part) != "a file":
        return "expected a file of trials"
    try:
        trials = load(part)
        refuse_broken({} if trials is None else {"trials": trials})
    except DamagedPart as error:
        return error.wrong
    except StoreError as error:
        return str(error)
    return unfit(trials) if trials is not None and trials.num_rows else "expected at least one trial"


def unfit(trials: pa.Table) -> str:
    """Why no study can go on with `trials`, of `bench.store.schema.TRIALS`; empty where one can."""
    for name in _NEEDED:
        if trials[name].null_count:
            return f"{name}: expected a value, got None"
    if len(trials["trial"].unique()) < trials.num_rows:
        return "trial: expected one row for each trial"
    columns = zip(*(trials[name].to_pylist() for name in _COMPARED), strict=True)
    return next(
        (f"row {number}: {wrong}" for number, row in enumerate(columns, start=1) if (wrong := _unfit(*row))), ""
    )


def _unfit(state: str, epochs: int, error: float | None, curve: list[float | None]) -> str:
    """What is wrong with one trial, which has a validation error for each round, and of these the one that counts."""
    if len(curve) != epochs or None in curve:
        return f"validation_curve: expected one number for each of {epochs} epochs"
    if state != "failed" and (error is None or (curve and error not in curve)):
        return f"validation_mse_scaled: expected one of its curve, got {error}"
    return ""
