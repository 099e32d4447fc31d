"""What a dataset is made from, replaced from a row on: the rows of its file, or the random numbers of its formula.

`Replaced` loads a dataset as a run does, with other values in every row of its source from some row on. The loader runs
for real, so a value that it fills in, smooths or shifts with the help of a later row shows.

In a file, every digit of every number from that row on is another one. So numbers stay numbers, however they are
written; a price stays positive, a count stays whole, and a mark for a missing value stays one. Times stay as they are.
"""

import csv
import gzip
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from bench.array_types import BoolArray, FloatArray
from bench.content_sizes import refused_size
from bench.data.base import DatasetKind, Parameters, Sequences, Series
from bench.data.packaged import PACKAGED, located
from bench.data.pinned import PINNED, locate
from bench.data.stand_ins import CannotReplace, other_draws, other_files
from bench.seeds import generator

Load = Callable[[Any, int], Series | Sequences]
"""As `DatasetKind.load`."""

_LARGEST_FILE = 64 * 2**20  # bytes: every comparison writes and reads the file once
_TEXT = (".csv", ".txt", ".tsv", ".gz")
_SEPARATORS = ",;\t|"
_TIMES = frozenset({"time", "date", "timestamp", "index"})
_MOMENT = re.compile(r"\s*\d{1,4}[-/:]\d{1,2}([-/:]\d|$)|\s*\d{1,2}\.\d{1,2}\.\d{2,4}(\D|$)")
_MANTISSA = re.compile(r"[^eE]*")


@dataclass(frozen=True, eq=False)
class ColumnsFile:
    """A file of columns, as text.

    Parameters
    ----------
    path
        The file.
    head
        The lines before the first row.
    names
        The names of each column.
    fields
        ``[R, columns]``: the text of each field; empty where a value is missing.
    separator
        Between the fields of a row.
    """

    path: Path
    head: Sequence[str]
    names: Sequence[Sequence[str]]
    fields: NDArray[np.object_]
    separator: str = ","

    @classmethod
    def read(cls, path: Path, *, skip: int = 0, header: int = 1, separator: str | None = None) -> "ColumnsFile":
        """The file at `path`, whose columns are named in the `header` lines after the first `skip`.

        Raises
        ------
        CannotReplace
            It is no file that this module can write again.
        """
        if path.stat().st_size > _LARGEST_FILE:
            raise CannotReplace(f"{path.name} is larger than {_LARGEST_FILE >> 20} MiB")
        if path.suffix == ".parquet":
            with parquet.ParquetFile(path) as file:
                if refused_size(file, path, path.stat().st_size):
                    raise CannotReplace(f"{path.name} would fill the memory")
            table = parquet.read_table(path)
            columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table]
            return cls(path, (), [(name,) for name in table.column_names], np.array(columns, dtype=object).T)
        if path.suffix not in _TEXT:
            raise CannotReplace(f"{path.name} is none of {', '.join((*_TEXT, '.parquet'))}")
        with _opened(path, "rt") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise CannotReplace(f"{path.name} holds more than {_LARGEST_FILE >> 20} MiB")
        lines = text.splitlines()
        head, body = lines[: skip + header], [line for line in lines[skip + header :] if line.strip()]
        separator = separator or max(_SEPARATORS, key=(body or [""])[0].count)
        names, rows = ([*csv.reader(part, delimiter=separator)] for part in (head[skip:], body))
        width = len(rows[0]) if rows else 0
        if not rows or any(len(row) != width for row in [*names, *rows]):
            raise CannotReplace(f"{path.name} has rows of several lengths")
        named = [tuple(line[place].strip() for line in names) for place in range(width)]
        return cls(path, head, named, np.array(rows, dtype=object).reshape(-1, width), separator)

    @cached_property
    def known(self) -> BoolArray:
        """``[R, columns]``: which fields are numbers."""
        return np.array([[_is_number(field) for field in row] for row in self.fields]).reshape(self.fields.shape)

    def values(self, named: Sequence[str | int], kept: Sequence[str | int] = ()) -> BoolArray:
        """``[columns]``: which columns hold values; not those in `kept`, nor what rises as times do and is not `named`.

        Columns are known by a name or by their number from 1.
        """
        numeric = self.known.any(axis=0) & ~self._have(kept)
        chosen = self._have(named)
        time = np.array([any(name.lower() in _TIMES for name in own) for own in self.names])
        free = numeric & ~time & ~np.array([_rises(column) for column in self.fields.T])
        return np.asarray(numeric & (chosen | free) if (numeric & (chosen | free)).any() else numeric & ~time)

    def _have(self, wanted: Sequence[str | int]) -> BoolArray:
        texts = {str(name).strip().lower() for name in wanted}
        return np.array(
            [
                place in wanted or bool(texts.intersection(name.lower() for name in own))
                for place, own in enumerate(self.names, start=1)
            ],
            dtype=np.bool_,
        )

    def after_gaps(self, values: BoolArray) -> list[int]:
        """The rows that hold a number right after one that does not, in some column of `values`."""
        known = self.known[:, values]
        return (1 + np.flatnonzero((known[1:] & ~known[:-1]).any(axis=1))).tolist()

    def changed(self, first: int, values: BoolArray, seed: int) -> "ColumnsFile":
        """The file with other numbers in the columns `values` of every row from `first` on."""
        shifts = generator(seed, "canary", "rows", first).integers(1, 10, size=len(self.fields))
        fields = self.fields.copy()
        for row in range(first, len(fields)):
            for column in np.flatnonzero(values & self.known[row]):
                fields[row, column] = _other_digits(fields[row, column], int(shifts[row]))
        return replace(self, fields=fields)

    def write(self, path: Path) -> None:
        """Write it in the form of the file that it was read from."""
        if path.suffix == ".parquet":
            own = parquet.read_table(self.path)
            columns = [
                pa.array([text or None for text in texts], pa.string()).cast(field.type)
                if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
                else own[place]
                for place, (texts, field) in enumerate(zip(self.fields.T, own.schema, strict=True))
            ]
            parquet.write_table(pa.table(columns, schema=own.schema), path)
            return
        with _opened(path, "wt") as file:
            file.writelines(f"{line}\n" for line in self.head)
            csv.writer(file, delimiter=self.separator, lineterminator="\n").writerows(self.fields)


def _listed(given: Any) -> tuple[Any, ...]:
    if given is None:
        return ()
    return given if isinstance(given, tuple) else (given,)


def _opened(path: Path, mode: str) -> Any:
    """The file as text, whatever its bytes; one that gzip has compressed is read and written as such."""
    how: dict[str, Any] = {
        "encoding": "utf-8-sig" if mode == "rt" else "utf-8",
        "errors": "surrogateescape",
        "newline": "",
    }
    return gzip.open(path, mode, **how) if path.suffix == ".gz" else path.open(mode, **how)


def _is_number(field: str) -> bool:
    """Whether it holds digits and is neither a date nor a time of day, however its decimals are written."""
    letters = re.sub(r"[eE][+-]?\d+$", "", field.strip())
    return any(map(str.isdigit, field)) and not _MOMENT.match(field) and not any(map(str.isalpha, letters))


def _rises(fields: NDArray[np.object_]) -> bool:
    """Whether numbers increase from row to row, as times do; not of numbers that only some dialects can read."""
    try:
        numbers: FloatArray = np.array([float(field) for field in fields if _is_number(field)])
    except ValueError:
        return False
    return bool((np.diff(numbers) > 0).all())


def _other_digits(field: str, shift: int) -> str:
    """Every digit but those of an exponent is another one, and the first is not 0."""
    mantissa = _MANTISSA.match(field)
    end = mantissa.end() if mantissa else len(field)
    digits = [str((int(mark) + shift) % 10) if mark.isdigit() else mark for mark in field[:end]]
    first = next((place for place, mark in enumerate(digits) if mark.isdigit()), None)
    if first is not None and digits[first] == "0":
        digits[first] = "6" if field[first] == "5" else "5"
    return "".join(digits) + field[end:]


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
        if path is None:
            return None
        skip, header, separator = (
            getattr(self.parameters, name, None) for name in ("skip_rows", "header", "separator")
        )
        return ColumnsFile.read(path, skip=skip or 0, header=1 if header is None else header, separator=separator)

    @cached_property
    def columns(self) -> BoolArray:
        """``[columns]`` of the file: which hold values."""
        if self.table is None:
            return np.zeros(0, np.bool_)
        given = {name: getattr(self.parameters, name) for name in type(self.parameters).model_fields}
        time = given.pop("time", None)
        known = given.pop("known_future", None)  # in advance, whatever the values will be
        kept = [*_listed(time), *(given.pop("where", None) or ()), *_listed(known)]
        named = [
            each
            for name, value in given.items()
            if isinstance(value, str) or name in ("column", "columns", "target")
            for each in _listed(value)
        ]
        return self.table.values(named, kept)

    @property
    def kind_of_pinned(self) -> str | None:
        """The name of the pinned or packaged file that is the dataset; `None` where there is none."""
        load = getattr(self.kind.load, "args", ())
        return load[0] if load and load[0] in {*PINNED, *PACKAGED} else None

    @property
    def _path(self) -> Path | None:
        if (name := self.kind_of_pinned) is not None:
            return located(name) if name in PACKAGED else locate(name)
        given = self._path_parameter
        return Path(getattr(self.parameters, given)) if given else None

    @property
    def _path_parameter(self) -> str:
        """The parameter that names an existing file; empty where none does."""
        given = ((name, getattr(self.parameters, name)) for name in type(self.parameters).model_fields)
        return next((name for name, value in given if isinstance(value, str | Path) and Path(value).is_file()), "")
