"""A results folder → the input of a report: the rows that can be read, and the suite that they belong to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from bench import store
from bench.cells import CellKey, expand
from bench.errors import InputError, StoreError
from bench.limits import CELLS, exceeded
from bench.registry import flag_of
from bench.spec import Suite
from bench.store import KeptCell
from bench.store.copies import url_of
from bench.store.reader import NAME as SUITE
from bench.store.schema import Rows, Status
from bench.text import without_folders


@dataclass(frozen=True, eq=False)
class Source:
    """What a report is made from.

    Parameters
    ----------
    rows
        `runs`, `trials`, `curves` and `predictions` of `bench.store.schema`, one cell for each place of the product;
        any of them may be empty. `probes` where there are any.
    folder
        Where they were read from, relative to the working folder.
    suite
        The suite of the last run; `None` where the folder does not record it.
    requested
        The cells that the suite has; `None` where the folder does not record its suite.
    unreadable
        Why something of the folder is missing from all this, and what to do: a line for each.
    kept
        The cells of the folder that are no results of the suite: `rows` has none of them.
    fewer
        The cells with fewer replicates than the suite has seeds, which `bench run` extends.
    seeds
        How many replicates each cell of the suite is to have, at most.
    """

    rows: Rows
    folder: str
    suite: Suite | None = None
    requested: frozenset[CellKey] | None = None
    unreadable: Sequence[str] = ()
    kept: tuple[KeptCell, ...] = ()
    fewer: frozenset[CellKey] = frozenset()
    seeds: Mapping[CellKey, int] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """What a command that runs the suite needs at its end: the option that allows code where it names some."""
        return flag_of(model.kind for model in self.suite.models) if self.suite else ""

    @property
    def suites(self) -> list[str]:
        """The names that the rows have for their suite: those of what was run, or else of what was probed."""
        tables = [self.rows[name] for name in ("runs", "probes") if name in self.rows]
        names = (sorted(table["suite"].unique().to_pylist()) for table in tables)
        return next(filter(None, names), [])

    def without_folders(self) -> Source:
        """The same, with absolute paths cut to the names of their files: what pages show."""
        shown = {name: _without_folders(table) for name, table in self.rows.items()}
        return replace(self, rows=shown, unreadable=tuple(map(without_folders, self.unreadable)))

    def parted(self, datasets: Sequence[str]) -> tuple[Source, Source]:
        """What belongs to `datasets`, and all else."""
        names = pa.array(datasets, pa.string())
        masks = {name: pc.is_in(table["dataset"], value_set=names) for name, table in self.rows.items()}
        own = {name: table.filter(masks[name]) for name, table in self.rows.items()}
        others = {name: table.filter(pc.invert(masks[name])) for name, table in self.rows.items()}
        known = self.requested is not None
        kept = tuple(cell for cell in self.kept if cell.key.dataset in datasets)
        requested, fewer = (
            frozenset(key for key in keys or () if key.dataset in datasets) for keys in (self.requested, self.fewer)
        )
        return (
            replace(self, rows=own, requested=requested if known else None, kept=kept, fewer=fewer),
            replace(
                self,
                rows=others,
                requested=(self.requested or frozenset()) - requested if known else None,
                kept=tuple(cell for cell in self.kept if cell not in kept),
                fewer=self.fewer - fewer,
            ),
        )


def read(results: Path, parse: Callable[[str], Suite] = Suite.model_validate_json) -> Source:
    """What the folder `results` holds of its suite, and apart from it what it keeps from earlier ones.

    Parameters
    ----------
    parse
        Reads the suite that the folder keeps as JSON; suites of more keys than `Suite` has need a parser of their own.

    Raises
    ------
    StoreError
        It is no results folder, or holds nothing that can be read.
    """
    gathered = store.gather(results)
    suite, problem = suite_of(results, parse)
    renewal, unknown = renewal_of(results)
    kept = store.kept_cells(gathered.tables["runs"], suite, renewal, ranked=True)
    probes = gathered.tables["probes"]  # a probe outlives its cell
    folder = url_of(results) or Path(os.path.relpath(results)).as_posix()
    folder = f"./{folder}" if folder.startswith("-") else folder  # a command would take it for an option
    unreadable = [*filter(None, (problem, unknown)), *gathered.unreadable]
    rows = {**{name: store.without(table, kept) for name, table in gathered.tables.items()}, "probes": probes}
    seeds = {cell.key: cell.seeds for cell in expand(suite)} if suite else {}
    return Source(
        rows=rows,
        folder=folder,
        suite=suite,
        requested=frozenset(seeds) if suite else None,
        unreadable=tuple(line.replace(str(results), folder) for line in unreadable),
        kept=kept,
        fewer=_fewer(rows["runs"], {key: suite.least_of(most) for key, most in seeds.items()} if suite else {}),
        seeds=seeds,
    )


def _fewer(runs: pa.Table, seeds: Mapping[CellKey, int]) -> frozenset[CellKey]:
    """The cells of `runs` with fewer replicates than `seeds`, of which some could be trained."""
    trained = pc.is_in(runs["status"], value_set=pa.array([Status.OK, Status.DIVERGED], pa.string()))
    grouped = runs.select(CellKey.COLUMNS).append_column("trained", trained).group_by(CellKey.COLUMNS)
    rows = grouped.aggregate([("trained", "any"), ("trained", "count")]).to_pylist()
    return frozenset(
        key for row in rows if row["trained_any"] and row["trained_count"] < seeds.get(key := CellKey.of(row), 0)
    )


def renewal_of(results: Path) -> tuple[store.Renewal | None, str]:
    """What `bench run --fresh` has still to run again, or why that is not known."""
    try:
        return store.read_renewal(results), ""
    except StoreError as error:
        return None, str(error)


def suite_of(results: Path, parse: Callable[[str], Suite]) -> tuple[Suite | None, str]:
    """The suite of the last run, or why it is not known; neither where the folder does not record it."""
    try:
        text = store.read_suite(results)
        suite = parse(text) if text else None
    except StoreError as error:
        return None, str(error)
    except (ValidationError, RecursionError, InputError):
        return None, (
            f"{results / SUITE}: expected a suite as this version of bench writes it; `bench run` writes it again"
        )
    if suite and (problem := exceeded(CELLS, suite.size)):
        return None, f"{results / SUITE}: {problem}"
    return suite, ""


def _without_folders(table: pa.Table) -> pa.Table:
    """`table` with the paths in its texts for people cut."""
    for at, name in enumerate(table.column_names):
        if name in ("data_source", "reason"):
            column = table[name].combine_chunks().dictionary_encode()
            texts = pa.array([text and without_folders(text) for text in column.dictionary.to_pylist()], pa.string())
            table = table.set_column(at, table.schema.field(at), texts.take(column.indices))
    return table
