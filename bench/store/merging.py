"""Bring the cells of several results folders into one: each of them once, and none where two disagree.

Two cells of one id are equal where their rows are, but for what says when and where they were measured; then the one
that is there stays. Everything is compared before anything is written.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import CellSpec
from bench.errors import StoreError
from bench.store.parts import is_results, load, part_of
from bench.store.reader import cell_ids, read_cell, read_suite, stored
from bench.store.schema import PROBES, SCHEMAS, Rows, joined
from bench.store.writer import Writer, writing
from bench.text import listed, plural

MEASURED = frozenset(
    {"fit_s", "predict_s", "tuning_s", "peak_memory_bytes", "duration_s", "spec", "data_source"}
    | set(PROBES.names[PROBES.get_field_index("device") :]) - {"code_version"}
)
"""Columns in which equal results of two machines, or of two times, differ; a specification has a time limit in it."""

_SHOWN = 5
"""Conflicts that are listed."""


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Parameters
    ----------
    added
        Ids of the cells that the target did not have, or not all replicates of.
    equal
        How many cells were in several folders, with the same rows.
    probes
        How many probes were added.
    note
        How many cells of the folder are of another root seed than its suite, and so no results of it; or empty.
    """

    added: tuple[str, ...]
    equal: int
    probes: int
    note: str = ""


def merge(sources: Sequence[Path], into: Path) -> Merged:
    """Store every cell of `sources` in `into`, one of them or another folder, which is made where it does not exist.

    Cells that were set aside stay where they are. After a kill the same call ends what is left to do.

    Raises
    ------
    StoreError
        A folder cannot be read or written, the suites differ, or cells of one id have different rows: then nothing is
        changed.
    """
    others = [source for source in dict.fromkeys(sources) if source.resolve() != into.resolve()]
    text = _suite([into, *others])
    places = dict(_places(into, others))
    _refuse_conflicts(places)
    with writing(into) as writer:
        if text is not None:
            writer.put_suite(text)
        added = [cell_id for cell_id in sorted(places) if _with_cell(writer, places[cell_id], cell_id)]
        probes = sum(copy_probes(source, writer) for source in others)
    several = sum(len(each) > 1 for each in places.values())
    return Merged(tuple(added), several, probes, _of_other_seeds(into, text))


def _of_other_seeds(into: Path, text: str | None) -> str:
    """What to say where the cells of `into`, which keeps the suite `text`, have several root seeds."""
    cells = (CellSpec.from_json(what.spec).content for what in stored(into).values())
    counts = Counter(content["seed"] for content in cells if "seed" in content)
    own = _known(text or "", "seed", next(iter(counts), 0))
    others = [f"{plural(count, 'cell')} of root seed {seed}" for seed, count in sorted(counts.items()) if seed != own]
    if not others:
        return ""
    return (
        f"{listed(others)}: the suite that is kept has root seed {own}, so they stay but are no results of it; "
        f"run them with --seed {own} to compare them"
    )


def _with_cell(writer: Writer, places: Sequence[Path], cell_id: str) -> bool:
    """Store what of a cell the folder of `writer` does not have; whether there is such."""
    first, *rest = places
    if first == writer.folder and not rest:
        return False
    rows = _cell(first, cell_id)
    count = rows["runs"].num_rows
    for other in rest:
        rows = joined(rows, _cell(other, cell_id))
    if first == writer.folder and rows["runs"].num_rows == count:
        return False
    writer.put(rows)
    return True


def _cell(folder: Path, cell_id: str) -> Rows:
    return {name: read_cell(folder, name, cell_id) for name in SCHEMAS}


def _suite(folders: Sequence[Path]) -> str | None:
    """The suite that all of `folders` keep, which is that of the first."""
    known = {folder: text for folder in folders if (text := read_suite(folder)) is not None}
    first = next(iter(known), None)
    for folder, text in known.items():
        if first is not None and _name(text) != _name(known[first]):
            raise StoreError(
                f"{folder}: expected results of the suite {_name(known[first])!r}, as {first} has, got those of "
                f"{_name(text)!r}; only results of one suite are merged"
            )
    return None if first is None else known[first]


def _name(text: str) -> str:
    return str(_known(text, "name", ""))


def _known(text: str, key: str, default: Any) -> Any:
    """What a suite, as JSON, says of `key`; `default` where it cannot be read."""
    try:
        return json.loads(text)[key]
    except (ValueError, KeyError, TypeError, RecursionError):
        return default


def _places(into: Path, others: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Each cell with the folders that have it, the target first."""
    places: dict[str, list[Path]] = {}
    for folder in (into, *others):
        if folder != into and not is_results(folder):
            raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
        for cell_id in stored(folder):  # refuses what cannot be read before anything is written
            places.setdefault(cell_id, []).append(folder)
    yield from places.items()


def _refuse_conflicts(origin: Mapping[str, list[Path]]) -> None:
    conflicts: list[str] = []
    for cell_id, (first, *rest) in origin.items():
        conflicts += [
            f"{cell_id}: its {table} in {other} and in {first} differ"
            for other in rest
            if (table := _differing(first, other, cell_id))
        ]
    if conflicts:
        more = f"\nand {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        shown = "\n".join(conflicts[:_SHOWN])
        raise StoreError(
            f"expected equal rows in cells of one id, got {len(conflicts)} that differ; nothing was changed: leave out "
            f"one of these folders, or run these cells there again with --fresh\n{shown}{more}"
        )


def _differing(one: Path, other: Path, cell_id: str) -> str:
    """The first table in which the rows of the replicates that both have differ, or nothing."""
    mine, theirs = _cell(one, cell_id), _cell(other, cell_id)
    common = sorted({*mine["runs"]["seed"].to_pylist()}.intersection(theirs["runs"]["seed"].to_pylist()))
    seeds = pa.array(common, pa.int32())
    return next((name for name in SCHEMAS if not _results(mine[name], seeds).equals(_results(theirs[name], seeds))), "")


def _results(rows: pa.Table, seeds: pa.Array) -> pa.Table:
    """What of `rows`, of the replicates `seeds`, depends neither on the machine nor on the time."""
    if "seed" in rows.column_names:
        rows = rows.filter(pc.is_in(rows["seed"], value_set=seeds))
    return rows.select([name for name in rows.schema.names if name not in MEASURED]).combine_chunks()


def copy_probes(source: Path, writer: Writer) -> int:
    """Store the probes of `source` that the folder of `writer` does not have; how many these are."""
    missing = sorted(set(cell_ids(source, "probes")) - set(cell_ids(writer.folder, "probes")))
    for name in missing:
        rows = load(part_of(source, "probes", name))
        if rows is not None:
            writer.put_probe(rows, name.rpartition("-")[2])
    return len(missing)
