"""``bench init``: a suite for a data file, with what was chosen and why; everything is tried with the file itself."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bench.atomic import write_atomically
from bench.data.base import Series
from bench.data.files.joined import load_file
from bench.data.files.options import File
from bench.data.files.reading import names_of_columns
from bench.errors import DataError, InputError
from bench.protocol.seasons import detected_period
from bench.protocol.windows import parts
from bench.spec import Split
from bench.text import listed, plural

_TIME = re.compile(r"date|time|stamp|\bday\b|month|year|^ds$|^t$", re.IGNORECASE)
_VALUE = re.compile(r"^(close|adj close|load|value|values|y|target|price|sales|demand|consumption)$", re.IGNORECASE)
_MOST_COLUMNS = 50
_LENGTHS = (10, 30, 100)
_LEAST_WINDOWS = 100
"""A length leaves at least so many windows to train on."""


@dataclass(frozen=True)
class Proposal:
    """What a suite for the file says, with the reason of each choice.

    Parameters
    ----------
    file
        How it is read; that was tried.
    others
        Columns that can be read as well.
    season
        Points in one, by the train part's autocorrelation; `None` where there is none.
    lengths
        Sequence lengths.
    points
        Of the series.
    notes
        What the reader says of the file.
    """

    file: File
    others: tuple[str, ...]
    season: int | None
    lengths: tuple[int, ...]
    points: int
    notes: tuple[str, ...]


def proposed(path: Path, column: str | None = None) -> Proposal:
    """What to compare models on `path` with.

    Parameters
    ----------
    column
        Of the values; `None` for the likeliest.

    Raises
    ------
    DataError
        No column can be read; the message says why not the likeliest.
    InputError
        There is no such column, or the series is too short for any model.
    """
    names = names_of_columns(path)[:_MOST_COLUMNS]
    if column is not None and column not in names:
        near = difflib.get_close_matches(column, names, n=1)
        raise InputError(f"{path}: expected one of the columns {listed(names)}, got {column!r}" + _meant(near))
    likely = [name for name in names if _VALUE.match(name)]
    wanted = [column] if column else [*likely, *(name for name in names if name not in likely)]
    file, series = _readable(path, names, wanted)
    train = parts(len(series), Split(), source=str(path)).train_end
    season = detected_period(series.values[:train])
    lengths = tuple(dict.fromkeys(_fitting([*_LENGTHS, *([season] if season else [])], train)))
    if not lengths:
        raise InputError(
            f"{path}: expected a series of at least {round((_LENGTHS[0] + _LEAST_WINDOWS) / 0.7)} points, so that a "
            f"model has something to learn from, got {len(series)}; give a longer one"
        )
    others = [name for name in wanted if name not in (file.column, file.time) and _reads(path, name, file)]
    return Proposal(file, tuple(others), season, lengths, len(series), series.provenance.notes)


def _meant(near: Sequence[str]) -> str:
    return f"; did you mean {near[0]!r}?" if near else ""


def _fitting(lengths: Sequence[int], train: int) -> list[int]:
    """Those that leave windows enough in a train part of so many points, in order."""
    return sorted(length for length in lengths if train - length >= _LEAST_WINDOWS)


def _readable(path: Path, names: Sequence[str], wanted: Sequence[str]) -> tuple[File, Series]:
    """The first of the columns `wanted` that can be read, with times where a column has such.

    Raises
    ------
    DataError
        None can be.
    """
    named = [name for name in names if _TIME.search(name)]
    texts = (name for name in names if name not in named and not _reads(path, name, File(path=str(path), column=name)))
    times = chain(named, texts, [None])  # a column of texts may hold times whatever it is called; or there are none
    first: DataError | None = None
    for tried in _ways(path, wanted, times):
        try:
            return tried, load_file(tried, 0)
        except DataError as error:
            first = first or error
    raise first or DataError(f"{path}: expected a column of numbers, got none")


def _ways(path: Path, wanted: Sequence[str], times: Iterable[str | None]) -> Iterator[File]:
    """How the file may be read, the likeliest first: with a time before without, without holes before filled ones."""
    for time in times:
        for missing in ("refuse", "forward-fill"):
            for name in wanted:
                if name != time:
                    yield File(path=str(path), column=name, time=time, missing=missing)


def _reads(path: Path, name: str, like: File) -> bool:
    try:
        load_file(like.model_copy(update={"column": name, "path": str(path)}), 0)
    except DataError:
        return False
    return True


def suite_text(proposal: Proposal, name: str, place: str) -> str:
    """The suite as YAML, each choice with its reason; `place` is the file as the suite names it."""
    file, season = proposal.file, proposal.season
    stated = {"path": place, "column": file.column, "time": file.time, "missing": file.missing}
    shown = {key: value for key, value in stated.items() if value is not None and value != "refuse"}
    keys = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in shown.items())
    why = [
        f"{plural(proposal.points, 'point')} of the column {file.column!r}"
        + (f"; {listed(proposal.others)} can be read too" if proposal.others else ""),
        f"times: the column {file.time!r}" if file.time is not None else "no column of times was recognised: by order",
        *(["missing values: the one before them (never a later one)"] if file.missing != "refuse" else []),
        *proposal.notes,
        f"a season of {season} points, by the autocorrelation of the train part: the value one season ago is the "
        "second reference"
        if season
        else "no season shows in the autocorrelation of the train part",
        f"lengths: those of {listed([str(length) for length in _LENGTHS])}{' and the season' if season else ''} that "
        f"leave {_LEAST_WINDOWS} windows to train on",
        "`bench run --dry-run` says how long it takes, and which differences 5 seeds are likely to show",
    ]
    lines = [
        *(f"# {' '.join(line.split())}" for line in why),
        f"name: {name}",
        f"datasets: [{{id: {name}, kind: file, {keys}}}]",
        "models: [persistence, linear-ar, lstm, gru]",
        f"sequence_lengths: {list(proposal.lengths)}",
        "horizons: [1]                          # points to forecast; several are crossed with everything else",
        *([f"season: {season}"] if season and season > 1 else []),
        "seeds: 5",
        "training: {steps: 1000, schedule: one-cycle, learning_rate: 1.0e-2}",
        "tuning: {trials: 10, batch: 10, sampler: qmc, pruner: halving}   # or false",
    ]
    return "\n".join(lines) + "\n"


def initialised(path: Path, column: str | None, folder: Path) -> str:
    """Write a suite for the file at `path` into `folder`, and say what to do with it.

    Raises
    ------
    InputError
        There is a file of that name; nothing is overwritten.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.partition(".")[0]).strip("-._") or "mine"
    target = folder / f"{name}.yaml"
    if target.exists():
        raise InputError(f"{target}: expected no file of that name, got one; move it, or name a folder with --folder")
    place = path.resolve().as_posix()
    if path.resolve().is_relative_to(folder.resolve()):
        place = path.resolve().relative_to(folder.resolve()).as_posix()
    text = suite_text(proposed(path, column), name, place)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(target, text)
    return f"{text}\nwritten to {target}; next: bench run {target}"
