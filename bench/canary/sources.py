"""What a dataset is made from, replaced from a row on: the rows of its file, or the random numbers of its formula.

`Replaced` loads a dataset as a run does, with other values in every row of its source from some row on. The loader runs
for real, so a value that it fills in, smooths or shifts with the help of a later row shows.

In a text file, every number from that row on is another: positive columns are multiplied by 1/3 to 3, row by row with
one factor, others move by once to twice their range. Columns of times stay, and so does a mark for a missing value.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from bench.array_types import BoolArray, FloatArray
from bench.data.base import DatasetKind, Parameters, Sequences, Series
from bench.data.pinned import PINNED, locate
from bench.data.stand_ins import CannotReplace, other_draws, other_files
from bench.seeds import generator

Load = Callable[[Any, int], Series | Sequences]
"""As `DatasetKind.load`."""

_LARGEST_FILE = 64 * 2**20  # bytes: every comparison writes and reads the file once
_TEXT = (".csv", ".txt", ".tsv")
_SEPARATORS = ",;\t|"
_TIMES = frozenset({"time", "date", "timestamp", "index"})


@dataclass(frozen=True, eq=False)
class ColumnsFile:
    """A file of columns: the header, and the text of each field.

    Parameters
    ----------
    path
        The file.
    names
        Of the columns.
    fields
        ``[R, columns]`` of text; empty where a value is missing.
    separator
        Between the fields of a text file.
    """

    path: Path
    names: Sequence[str]
    fields: NDArray[np.object_]
    separator: str = ","

    @classmethod
    def read(cls, path: Path) -> ColumnsFile:
        """The file at `path`.

        Raises
        ------
        CannotReplace
            It is no table that this module can write again.
        """
        if path.stat().st_size > _LARGEST_FILE:
            raise CannotReplace(f"{path.name} is larger than {_LARGEST_FILE >> 20} MiB")
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
            columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table]
            return cls(path, table.column_names, np.array(columns, dtype=object).T)
        if path.suffix not in _TEXT:
            raise CannotReplace(f"{path.name} is none of {', '.join((*_TEXT, '.parquet'))}")
        lines = path.read_text("utf-8-sig").splitlines()
        separator = max(_SEPARATORS, key=lines[0].count) if lines else ","
        names, *rows = [row for row in csv.reader(lines, delimiter=separator) if row] or [[]]
        if any(len(row) != len(names) for row in rows):
            raise CannotReplace(f"{path.name} has rows of several lengths")
        return cls(path, names, np.array(rows, dtype=object).reshape(len(rows), len(names)), separator)

    @cached_property
    def numbers(self) -> FloatArray:
        """``[R, columns]``: NaN where a field is no number."""
        return np.array([[_number(field) for field in row] for row in self.fields]).reshape(self.fields.shape)

    def values(self, named: Sequence[str]) -> BoolArray:
        """``[columns]``: which columns hold values, and no times; those in `named` in any case."""
        known = np.isfinite(self.numbers)
        numeric = known.any(axis=0)
        rising = np.array([bool((np.diff(column[np.isfinite(column)]) > 0).all()) for column in self.numbers.T])
        time = np.array([name.strip().lower() in _TIMES for name in self.names])
        chosen = np.array([name in named for name in self.names])
        free = numeric & ~time & ~rising
        return np.asarray(numeric & (chosen | free) if chosen.any() or free.any() else numeric & ~time)

    def after_gaps(self, values: BoolArray) -> list[int]:
        """The rows that hold a number right after one that does not, in some column of `values`."""
        known = np.isfinite(self.numbers[:, values])
        return (1 + np.flatnonzero((known[1:] & ~known[:-1]).any(axis=1))).tolist()

    def changed(self, first: int, values: BoolArray, seed: int) -> ColumnsFile:
        """The table with other numbers in the columns `values` of every row from `first` on."""
        random = generator(seed, "canary", "rows", first)
        rows = len(self.fields) - first
        factor = np.exp(random.choice([-1.0, 1.0], rows) * random.uniform(np.log(1.5), np.log(3), rows))
        sign, share = random.choice([-1.0, 1.0], rows), random.uniform(1, 2, rows)
        fields = self.fields.copy()
        for column in np.flatnonzero(values):
            own = self.numbers[:, column]
            known = own[np.isfinite(own)]
            spread = np.ptp(known) or 1.0
            others = own[first:] * factor if known.min() > 0 else own[first:] + sign * share * spread
            fields[first:, column] = _texts(fields[first:, column], others)
        return ColumnsFile(self.path, self.names, fields, self.separator)

    def write(self, path: Path) -> None:
        """Write it in the form of the file that it was read from."""
        if path.suffix == ".parquet":
            own = parquet.read_table(self.path)
            columns = [
                pa.array([None if text == "" else text for text in texts], pa.string()).cast(field.type)
                if _is_number(field.type)
                else own[place]
                for place, (texts, field) in enumerate(zip(self.fields.T, own.schema, strict=True))
            ]
            parquet.write_table(pa.table(columns, schema=own.schema), path)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self.separator, lineterminator="\n").writerows([self.names, *self.fields])


def _number(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        return np.nan


def _texts(fields: NDArray[np.object_], values: FloatArray) -> list[str]:
    """`values` as text, whole numbers where `fields` hold nothing else; what is missing stays as it is."""
    known = np.isfinite(values)
    if all(field.strip().lstrip("+-").isdigit() for field in fields[known]):
        values = np.where(values > 0, np.ceil(values) + 1, np.floor(values) - 1)
        return [f"{int(v)}" if k else field for field, v, k in zip(fields, values, known, strict=True)]
    return [repr(float(v)) if k else field for field, v, k in zip(fields, values, known, strict=True)]


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


@dataclass(frozen=True, eq=False)
class Replaced:
    """Loads a dataset whose source is replaced from some row on.

    Parameters
    ----------
    kind, parameters
        The dataset.
    seed
        Of the stream that the other values are drawn from.
    """

    kind: DatasetKind
    parameters: Parameters
    seed: int

    def load(self, first: int) -> Load:
        """The kind's loader over a source whose rows from `first` on are others.

        Raises
        ------
        CannotReplace
            When it is called: the source is neither a table nor drawn at random row by row.
        """

        def load(parameters: Any, seed: int) -> Series | Sequences:
            if self.table is None:
                with other_draws(first, self.seed):
                    return self._loaded(parameters, seed)
            with tempfile.TemporaryDirectory(prefix="bench-canary-") as folder:
                copy = Path(folder) / self.table.path.name
                self.table.changed(first, self.columns, self.seed).write(copy)
                if self.kind_of_pinned is not None:
                    with other_files({self.kind_of_pinned: copy}):
                        return self._loaded(parameters, seed)
                return self._loaded(parameters.model_copy(update={self._path_parameter: str(copy)}), seed)

        return load

    def _loaded(self, parameters: Any, seed: int) -> Series | Sequences:
        loaded: Series | Sequences = self.kind.load(parameters, seed)
        return loaded

    @cached_property
    def table(self) -> ColumnsFile | None:
        """The file behind the dataset; `None` for one that is generated."""
        path = self._path
        return None if path is None else ColumnsFile.read(path)

    @cached_property
    def columns(self) -> BoolArray:
        """``[columns]`` of the table: which hold values."""
        if self.table is None:
            return np.zeros(0, np.bool_)
        texts = {name: value for name, value in self._parameters() if name != "time"}
        return self.table.values(list(texts.values()))

    @property
    def kind_of_pinned(self) -> str | None:
        """The name of the pinned file that is the dataset; `None` where there is none."""
        load = getattr(self.kind.load, "args", ())
        return load[0] if load and load[0] in PINNED else None

    @property
    def _path(self) -> Path | None:
        if self.kind_of_pinned is not None:
            return locate(self.kind_of_pinned)
        name = self._path_parameter
        return Path(getattr(self.parameters, name)) if name else None

    @property
    def _path_parameter(self) -> str:
        """The parameter that names an existing file; empty where none does."""
        return next((name for name, value in self._parameters() if Path(value).is_file()), "")

    def _parameters(self) -> Iterator[tuple[str, str]]:
        """Those that are text."""
        for name in type(self.parameters).model_fields:
            value = getattr(self.parameters, name)
            if isinstance(value, str | Path) and str(value):
                yield name, str(value)
