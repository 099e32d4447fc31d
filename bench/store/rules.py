"""What the values of each column may be: rows of others are looked at before anything is computed from them.

A schema says of which type a column is; these rules say the rest. Whatever `bench` writes keeps them: rows that break
one were written by another program, or were changed since.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.array_types import BoolArray, IntArray
from bench.errors import StoreError
from bench.store.schema import ALL, KEY, Status
from bench.tasks import Task

_LONGEST_NAME = 1_000
_LONGEST_TEXT = 20_000
_LONGEST_JSON = 2_000_000
_DEEPEST_JSON = 20
_SHOWN = 40

_NEEDED = frozenset({*KEY, "seed", "status", "state", "epoch", "index", "channel", "step"})
"""Columns that always hold a value, in every table that has them."""

_RESULTS = frozenset({"mse", "rmse"})
"""Columns of `runs` that hold a value wherever a replicate is ok."""

_NAMES = frozenset({"cell_id", "suite", "dataset", "model"})

_LARGEST = float(np.finfo(np.float64).max)
_COUNT = (0, 2**53)
_SECONDS = (0, 1e12)
_ERROR = (0, 1e154)
"""The square of the largest is a number."""
_SQUARE = (0, 1e307)
_SHARE = (0, 1)
_ANY = (-_LARGEST, _LARGEST)
_AT_MOST_1 = (-_LARGEST, 1)

_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("sequence_length", "horizon", "epoch", "step"), (1, 2**63 - 1)),
    **dict.fromkeys(("seed", "trial", "repeat", "index", "channel", "epochs", "best_epoch", "threads"), _COUNT),
    **dict.fromkeys(("steps", "peak_memory_bytes", "parameters", "trials", "train_windows", "code_version"), _COUNT),
    **dict.fromkeys(("validation_points", "test_points"), _COUNT),
    **dict.fromkeys(("fit_s", "predict_s", "tuning_s", "duration_s", "machine_reference_s"), _SECONDS),
    "season": _COUNT,
    "mase": (0, _LARGEST),
    "seasonal_mse": _SQUARE,
    **dict.fromkeys(("rmse", "mae", "rmse_scaled", "error_scale", "log_loss"), _ERROR),
    **dict.fromkeys(("mse", "mse_scaled", "persistence_mse", "noise_floor_mse", "linear_floor_mse"), _SQUARE),
    "validation_mse_scaled": _SQUARE,
    **dict.fromkeys(("targets", "true_class", "predicted_class"), _COUNT),
    **dict.fromkeys(("squared_error", "persistence_squared_error"), _SQUARE),
    "absolute_error": _ERROR,
    **dict.fromkeys(("directional_accuracy", "accuracy"), _SHARE),
    **dict.fromkeys(("r2", "skill"), _AT_MOST_1),
    **dict.fromkeys(("learnable_fraction", "truth", "prediction", "persistence", "value"), _ANY),
}
"""Columns of numbers, each finite and within these bounds."""

_CHOICES: Mapping[str, Sequence[str]] = {
    "status": [status.value for status in Status],
    "state": ["complete", "pruned", "failed"],
    "task": list(get_args(Task)),
    "parameters_from": ["runs", "suite"],
}

_TIMES = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_spec(value: Any) -> bool:
    """Its sections are mappings, and those of a dataset and a model have their parameters as one."""
    sections = [value.get(name) or {} for name in ("dataset", "model", "training", "split")]
    if not all(map(_is_mapping, sections)):
        return False
    return all(_is_mapping(section.get("parameters", {})) for section in sections[:2])


def _holds_scalars(value: Any) -> bool:
    return not any(isinstance(each, dict) for each in value.values())


def _holds_text(value: Any) -> bool:
    return all(isinstance(each, str) for each in value.values())


def _holds_shapes(value: Any) -> bool:
    return all(isinstance(each, list) and all(isinstance(side, int) for side in each) for each in value.values())


def _holds_positions(value: Any) -> bool:
    at = value.get("at", [])
    return isinstance(at, list) and all(isinstance(each, int) and each >= 0 for each in at) and at == sorted(set(at))


def _is_workload(value: Any) -> bool:
    return _is_mapping(value.get("parameters", {}))


_JSON: Mapping[tuple[str, str], tuple[Callable[[Any], bool], str]] = {
    ("runs", "spec"): (_is_spec, "the resolved cell"),
    ("runs", "hyperparameters"): (_holds_scalars, "names with values"),
    ("runs", "libraries"): (_holds_text, "names with versions"),
    ("runs", "shapes"): (_holds_shapes, "names with shapes"),
    ("runs", "shifts"): (_holds_positions, "ascending positions"),
    ("trials", "parameters"): (_holds_scalars, "names with values"),
    ("trials", "distributions"): (_holds_text, "names with distributions"),
    ("probes", "workload"): (_is_workload, "what was measured"),
    ("probes", "libraries"): (_holds_text, "names with versions"),
}
"""Columns of JSON objects: what each must hold, and what that is called."""


@dataclass(frozen=True, eq=False)
class JoinedParts:
    """The rows of some parts of one table, one part after the other.

    Parameters
    ----------
    table
        One of `bench.store.schema.ALL`.
    rows
        All of them; columns may be missing, which are then not looked at.
    ends
        ``[parts]``: the row after the last of each part.
    """

    table: str
    rows: pa.Table
    ends: IntArray

    @property
    def starts(self) -> IntArray:
        """``[parts]``: the first row of each; the row after it where it has none."""
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]]).astype(np.int64)

    def part_of_row(self) -> IntArray:
        """``[rows]``: the part that each belongs to."""
        return np.repeat(np.arange(len(self.ends)), self.ends - self.starts).astype(np.int64)


def broken(parts: JoinedParts) -> dict[int, str]:
    """The parts that break a rule, by their number, each with the first thing that is wrong there."""
    problems: dict[int, str] = {}
    if not parts.rows.num_rows:
        return problems
    for bad, text in _violations(parts):
        where = np.flatnonzero(bad)
        if len(where):
            for number, row in zip(*np.unique(parts.part_of_row()[where], return_index=True), strict=True):
                problems.setdefault(int(number), text(int(where[row])))
    return problems


_Violation = tuple[BoolArray, Callable[[int], str]]
"""``[rows]``: which rows break a rule, and what to say of one of them."""


def refuse_broken(rows: Mapping[str, pa.Table]) -> None:
    """See that the rows of one cell, by table, keep every rule.

    Raises
    ------
    StoreError
        They do not; the first thing that is wrong.
    """
    for table, part in rows.items():
        for problem in broken(JoinedParts(table, part, np.array([len(part)]))).values():
            raise StoreError(f"{table}: {problem}")


def _violations(parts: JoinedParts) -> Iterator[_Violation]:
    for field in ALL[parts.table]:
        if field.name in parts.rows.column_names:
            column = parts.rows[field.name].combine_chunks()
            for bad, expected in _of_column(parts.table, field.name, column):
                yield bad, _said(parts, field.name, expected)
    yield from _of_keys(parts)
    if parts.table == "runs" and "seed" in parts.rows.column_names:
        yield _repeated(parts), _said(parts, "seed", "one row for each seed")
    if parts.table == "runs" and "status" in parts.rows.column_names:
        ok = pc.equal(parts.rows["status"].combine_chunks(), Status.OK.value)
        for name in _RESULTS.intersection(parts.rows.column_names):
            missing = _mask(pc.and_(ok, pc.is_null(parts.rows[name].combine_chunks())))
            yield missing, _said(parts, name, "a value where the status is ok")


def _said(parts: JoinedParts, name: str, expected: str) -> Callable[[int], str]:
    def text(row: int) -> str:
        number = row - int(parts.starts[parts.part_of_row()[row]]) + 1
        return f"row {number}: {name}: expected {expected}, got {_shown(parts.rows[name][row])}"

    return text


def _shown(value: pa.Scalar) -> str:
    try:
        known = value.as_py()
    except (ValueError, OverflowError):  # not UTF-8, or a time that Python does not know
        return "what no text can show"
    text = str(known)[: _SHOWN + 1]
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…") if isinstance(known, str) else text


def _of_column(table: str, name: str, column: pa.Array) -> Iterator[tuple[BoolArray, str]]:
    if name in _NEEDED:
        yield _mask(pc.is_null(column)), "a value"
    if name in _CHOICES:
        choices = _CHOICES[name]
        known = pc.is_in(column, value_set=pa.array(choices, pa.string()))
        yield _mask(pc.and_(pc.is_valid(column), pc.invert(known))), f"one of {', '.join(choices)}"
    elif name in _RANGES and not pa.types.is_string(column.type):
        low, high = _RANGES[name]
        yield _outside(column, low, high), _range(low, high)
    elif pa.types.is_timestamp(column.type):
        bounds = [pa.scalar(time, column.type) for time in _TIMES]
        late = pc.or_(pc.less(column, bounds[0]), pc.greater(column, bounds[1]))
        yield _mask(late), f"a time from {_TIMES[0]:%Y} to {_TIMES[1]:%Y}"
    elif pa.types.is_string(column.type):
        yield from _of_text(table, name, column)


def _outside(column: pa.Array, low: float, high: float) -> BoolArray:
    """Which values are not finite, or beyond the bounds; a null is neither."""
    if pa.types.is_floating(column.type):
        fits = pc.and_(pc.is_finite(column), pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high)))
    else:
        ends = [pa.scalar(min(int(end), _top(column.type)), column.type) for end in (low, high)]
        fits = pc.and_(pc.greater_equal(column, ends[0]), pc.less_equal(column, ends[1]))
    return _mask(pc.invert(fits))


def _top(kind: pa.DataType) -> int:
    return int(2 ** (kind.bit_width - 1) - 1)


def _range(low: float, high: float) -> str:
    parts = [f"≥ {low:g}" if low > -_LARGEST else "", f"≤ {high:g}" if high not in (_LARGEST, 2**63 - 1) else ""]
    return " ".join(["a finite number", " and ".join(filter(None, parts))]).strip()


def _of_text(table: str, name: str, column: pa.Array) -> Iterator[tuple[BoolArray, str]]:
    """Each distinct text is looked at once; there are few of them."""
    longest = _LONGEST_NAME if name in _NAMES else _LONGEST_JSON if (table, name) in _JSON else _LONGEST_TEXT
    yield _mask(pc.greater(pc.binary_length(column), longest)), f"at most {longest} bytes of text"
    if name in _NAMES:
        yield _unless(column, lambda text: bool(text) and text.isprintable()), "a name in one line"
    elif (table, name) in _JSON:
        holds, what = _JSON[table, name]
        yield _unless(column, lambda text: _is_object(text, holds)), f"{what} as a JSON object"


def _unless(column: pa.Array, fits: Callable[[str], bool]) -> BoolArray:
    encoded = column.dictionary_encode()
    wrong = pa.array([not _read(text, fits) for text in encoded.dictionary], pa.bool_())
    return _mask(wrong.take(encoded.indices))


def _read(scalar: pa.StringScalar, fits: Callable[[str], bool]) -> bool:
    try:
        return fits(scalar.as_py())
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested without end
        return False


def _is_object(text: str, holds: Callable[[Any], bool]) -> bool:
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    flat = text.count("{") + text.count("[") <= _DEEPEST_JSON  # as nearly every one is
    return isinstance(value, dict) and (flat or _depth(value) <= _DEEPEST_JSON) and holds(value)


def _refuse(text: str) -> float:
    raise ValueError(text)


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(text)
    return value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _mask(column: pa.Array) -> BoolArray:
    """Booleans, of which a null is none."""
    return np.asarray(pc.fill_null(column, fill_value=False))


def _of_keys(parts: JoinedParts) -> Iterator[_Violation]:
    """All rows of one part are of one cell."""
    first = pa.array(parts.starts[parts.part_of_row()])
    for name in KEY:
        if name in parts.rows.column_names:
            column = parts.rows[name].combine_chunks()
            other = _mask(pc.not_equal(column, column.take(first)))
            yield other, _said(parts, name, "the same in every row of a cell")


def _repeated(parts: JoinedParts) -> BoolArray:
    """Rows of a seed that another row of the part has."""
    seeds = pc.fill_null(parts.rows["seed"], 0).to_numpy().astype(np.int64)
    code = parts.part_of_row() * 2**32 + seeds
    repeated = np.ones(len(code), np.bool_)
    repeated[np.unique(code, return_index=True)[1]] = False
    return repeated
