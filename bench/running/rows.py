"""The rows of one cell, as tables of the schema. Imports no torch.

An error becomes a status and a reason in one line.
"""

import json
import math
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

import bench
from bench.cells import CODE_VERSION, Cell
from bench.data import dataset_kinds
from bench.errors import (
    DataError,
    DataUnavailable,
    InputError,
    LibraryUnavailable,
    NotFiniteError,
    OutOfTime,
    is_out_of_memory,
    one_line,
    text_of,
)
from bench.models import model_kinds
from bench.store.environment import environment
from bench.store.rules import refuse_broken
from bench.store.schema import ADVICE, SCHEMAS, Rows, Status, table
from bench.text import cut, visible
from bench.training.members import Fit

_LONGEST = 2000
"""Characters of a reason: what raised may have said anything."""


def classified(error: BaseException) -> tuple[Status, str]:
    """The status and the one-line reason of what ended a cell."""
    text = visible(cut(one_line(text_of(error)), _LONGEST))
    if isinstance(error, DataUnavailable | LibraryUnavailable):
        return Status.UNAVAILABLE, text
    if isinstance(error, DataError):
        return Status.INVALID_DATA, text
    if isinstance(error, InputError):  # only a model on its data can tell, such as a period longer than the window
        return Status.DIVERGED if isinstance(error, NotFiniteError) else Status.FAILED, text
    if isinstance(error, OutOfTime):
        return Status.TIMEOUT, f"{text}; {ADVICE[Status.TIMEOUT]}"
    if is_out_of_memory(error):
        return Status.OUT_OF_MEMORY, f"{text or 'memory ran out'}; {ADVICE[Status.OUT_OF_MEMORY]}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = next((frame for frame in reversed(frames) if is_of_others(frame.filename)), None)
    place = theirs or frames[-1]
    where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
    given = any(frame.filename == _OBJECTS for frame in frames)
    advice = NOT_OURS if theirs or given else ADVICE[Status.FAILED]
    if isinstance(error, SystemExit):
        text = f"sys.exit({visible(repr(error.code)):.100}) was called"
    status = Status.CRASHED if isinstance(error, SystemExit) else Status.FAILED
    return status, f"{type(error).__name__} at {where}: {text}; {advice}"


_PACKAGE = Path(bench.__file__).parent
_OBJECTS = str(_PACKAGE / "api" / "objects.py")
_INSTALLED = (str(_PACKAGE), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")), "<frozen")
NOT_OURS = "that was raised by code that was given to bench, not by bench: correct it there, and run the cell again"


def is_of_others(file: str) -> bool:
    """Whether `file` is code of the user's own: neither of bench, nor of Python, nor of a library."""
    return not file.startswith(_INSTALLED)


def failed(cell: Cell, status: Status, reason: str, *, device: str = "cpu") -> Rows:
    """The rows of a cell that could not begin: one for each replicate that was to run, with why."""
    ledger = Ledger(cell, device)
    ledger.fail_the_rest(status, reason)
    return ledger.rows()


@dataclass
class Ledger:
    """Collects the rows of one cell while it runs, so that what is known survives what goes wrong later."""

    cell: Cell
    device: str
    common: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    trials: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    targets: dict[str, list[pa.Table]] = field(default_factory=lambda: {"predictions": [], "sequences": []})
    earlier: Sequence[Mapping[str, Any]] = ()  # the trials of an attempt that was ended
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add_run(self, seed: int, values: Mapping[str, Any]) -> None:
        """One replicate."""
        self.runs.append({"seed": seed, **values})

    def fail_the_rest(self, status: Status, reason: str) -> None:
        """A row with `status` and `reason` for every replicate to run that has none yet."""
        done = {run["seed"] for run in self.runs}
        for seed in self.cell.replicates:
            if seed not in done:
                self.add_run(seed, {"status": status.value, "reason": reason})

    def add_curve(self, seed: int, fit: Fit) -> None:
        """The losses of one replicate by epoch."""
        for epoch, (loss, error) in enumerate(zip(fit.train_losses, fit.validation_mses, strict=True), start=1):
            self.curves.append(
                {"seed": seed, "epoch": epoch, "train_loss": loss, "validation_mse_scaled": known(error)}
            )

    def add_targets(self, name: str, seeds: Sequence[int], columns: Mapping[str, NDArray[Any] | pa.Array]) -> None:
        """The same rows of the table `name` for each of `seeds`; each column holds one value per row."""
        for seed in seeds:
            n = len(columns["index"])
            filled = {**{key: [value] * n for key, value in self.cell.columns.items()}, "seed": [seed] * n, **columns}
            schema = SCHEMAS[name]
            self.targets[name].append(pa.table({key: filled[key] for key in schema.names}, schema=schema))

    def rows(self) -> Rows:
        """Every table of the schema; a table of nothing is empty, not absent.

        A value that its column cannot hold, or a machine that does not tell its environment, ends the cell as
        `failed`; it never raises.
        """
        try:
            tables = self._tables({**requested(self.cell), **environment(self.device), **self.common})
            refuse_broken(tables)
        except Exception as error:  # whatever it was: without a row the cell would be lost
            status, reason = classified(error)
            bare = Ledger(self.cell, self.device, started_at=self.started_at)
            bare.fail_the_rest(status, f"its rows cannot be stored: {reason}")
            return bare._tables({})
        return tables

    def trials_table(self) -> pa.Table:
        """The trials that are finished."""
        return table("trials", [{**self.cell.columns, **trial} for trial in self.trials])

    def _tables(self, known: Mapping[str, Any]) -> Rows:
        common = {**self.cell.columns, **self._provenance(), **known}
        return {
            "runs": table("runs", [{**common, **run} for run in sorted(self.runs, key=lambda run: int(run["seed"]))]),
            "trials": self.trials_table(),
            "curves": table("curves", [{**self.cell.columns, **point} for point in self.curves]),
            **{name: pa.concat_tables(parts) if parts else table(name, []) for name, parts in self.targets.items()},
        }

    def _provenance(self) -> dict[str, Any]:
        return {
            "spec": self.cell.spec,
            "code_version": CODE_VERSION,
            "data_sha256": self.cell.data_sha256,
            "started_at": self.started_at,
            "device": self.device,
            "untuned": True if self.cell.untuned else None,
        }


def requested(cell: Cell) -> dict[str, str | None]:
    """The columns that say what was requested of the data, and how it departs from the protocol."""
    dataset, model = dataset_kinds().get(cell.dataset.kind), model_kinds().get(cell.model.kind)
    if dataset is None or model is None:  # of a distribution that is not installed here
        return {}
    departures = (
        *cell.as_published.departures,
        *cell.dataset.parsed(dataset.parameters).departures(),
        *cell.model.parsed(model.parameters).departures(),
    )
    return {"task": dataset.task, "departures": ", ".join(departures) or None}


def as_json(values: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys, as the schema's JSON columns hold it."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def known(value: float) -> float | None:
    """`value`, or `None` for one that is not finite."""
    return value if math.isfinite(value) else None


class Blocked(NamedTuple):
    """How a cell ends that cannot begin."""

    status: Status
    reason: str
