"""Tables of rows → `Summary`: all that figures and templates see."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.report import provenance
from bench.report.budget import standings
from bench.report.cells import cells
from bench.report.cost import ProbedCell, costs
from bench.report.drawn import Curves, Trace
from bench.report.grouping import by_cell
from bench.report.judging import Against, Evidence, against, judged
from bench.report.learning import curves
from bench.report.losses import Losses, losses, trace
from bench.report.questions import answers
from bench.report.ranking import rank
from bench.report.sections import best_of, choose_lengths, others
from bench.report.statement import OTHER_DATA, statement
from bench.report.tuning import tuned
from bench.report.values import CellSummary, Counts, Model, Section, State, Summary, Verdict
from bench.stats.table import BoolArray, FloatArray, Grid, grid

__all__ = ["summarise"]


def summarise(tables: Mapping[str, pa.Table], *, folder: str) -> Summary:
    """The summary of one result set.

    Parameters
    ----------
    tables
        `runs`, `trials`, `curves` and `predictions` of `bench.schema`, one cell for each place of the cross product;
        any of them may be empty. `probes` where there are any.
    folder
        Where they were read from, as the user wrote it.
    """
    runs = tables["runs"]
    layout = grid(runs)
    models = _models(layout)
    sections = _Sections(tables, layout, models).all()
    ranking = rank(sections, models)
    probes = _probes(tables)
    standing = standings(sections, [row.model for row in ranking.ranks], probes)
    counts = _counts(layout, sections)
    suite = ", ".join(sorted(runs["suite"].unique().to_pylist())) or folder.rstrip("/").rpartition("/")[2]
    return Summary(
        suite=suite,
        answers=answers(sections, ranking, standing, counts=counts, seeds=len(layout.seeds)),
        models=models,
        sequence_lengths=tuple(sorted({case.sequence_length for case in layout.cases})),
        sections=sections,
        ranking=ranking,
        standings=standing,
        failures=provenance.failures(runs),
        cautions=(*_leaks(sections), *provenance.cautions(runs)),
        setting=provenance.settings(runs),
        environments=provenance.environments(runs),
        probes=probes,
        counts=counts,
        commands=provenance.commands(folder),
        replicates=runs,
        folder=folder,
    )


def _probes(tables: Mapping[str, pa.Table]) -> tuple[ProbedCell, ...]:
    """What was probed of the cells that are stored: a probe outlives its cell."""
    if "probes" not in tables:
        return ()
    stored = pc.unique(tables["runs"]["cell_id"])
    return costs(tables["probes"].filter(pc.is_in(tables["probes"]["cell_id"], value_set=stored)))


def _leaks(sections: Sequence[Section]) -> list[str]:
    chosen = [(section.title, cell) for section in sections for cell in section.cells if cell.chosen]
    return [f"On {title} {cell.why}" for title, cell in chosen if cell.verdict is Verdict.LEAK]


def _models(layout: Grid) -> tuple[Model, ...]:
    """Persistence first, then what draws no random number, then what is trained; by name within each."""
    deterministic: BoolArray = np.asarray(layout.deterministic().any(axis=0))
    found = []
    for m, name in enumerate(layout.models):
        kind = _kind(layout, m) or name
        reference = kind == "persistence"
        found.append((not reference, not deterministic[m], name, Model(name, kind, reference)))
    return tuple(model for *_, model in sorted(found, key=lambda item: item[:3]))


def _kind(layout: Grid, m: int) -> str:
    rows = layout.row[:, m][layout.row[:, m] >= 0]
    spec: dict[str, Any] = json.loads(layout.runs["spec"][int(rows[0])].as_py() or "{}")
    return str(spec.get("model", {}).get("kind", ""))


def _counts(layout: Grid, sections: Sequence[Section]) -> Counts:
    states = [cell.state for section in sections for cell in section.cells]
    return Counts(
        cells=sum(state is not State.MISSING for state in states),
        finished=sum(state is State.OK for state in states),
        replicates=layout.runs.num_rows,
        replicates_finished=int(layout.ok.sum()),
    )


class _Sections:
    """Builds the sections; holds what they share."""

    def __init__(self, tables: Mapping[str, pa.Table], layout: Grid, models: Sequence[Model]) -> None:
        self.runs = tables["runs"]
        self.models = models
        self.predictions = by_cell(tables["predictions"])
        self.curves = by_cell(tables["curves"])
        self.trials = by_cell(tables["trials"])
        self.losses = _losses(self.predictions)
        references = frozenset(model.name for model in models if model.reference)
        self.cells = cells(layout, self.losses, references)
        self.evidence = Evidence.of(layout, self.losses, _kinds(self.runs))
        self.references = _reference_errors(layout)
        self.linear_floors = _linear_floors(layout)
        self.different_data = frozenset(provenance.different_data(self.runs))
        self.several_horizons = len({case.horizon for case in layout.cases}) > 1

    def all(self) -> tuple[Section, ...]:
        facts = provenance.data_facts(self.runs)
        own = defaultdict(list)
        for cell in self.cells:
            own[cell.dataset, cell.horizon].append(cell)
        order = sorted(own, key=lambda place: (place[0].casefold(), *place))
        compared = [place for place in order if place[0] not in self.different_data]
        found = {place: self._chosen(own[place]) for place in order}
        found |= dict(zip(compared, judged((found[place] for place in compared), self.evidence), strict=True))
        held = self._held([found[place] for place in compared])
        return tuple(self._section(found[place], facts=facts[place[0]], held=held) for place in order)

    def _chosen(self, own: Sequence[CellSummary]) -> tuple[CellSummary, ...]:
        order = {model.name: place for place, model in enumerate(self.models)}
        return choose_lengths(sorted(own, key=lambda cell: (order[cell.model], cell.sequence_length)))

    def _held(self, sections: Sequence[Sequence[CellSummary]]) -> Mapping[str | None, Against]:
        """Every chosen cell against the best one of its dataset."""
        best = [(own, best_of(own)) for own in sections]
        return against([(cell, top) for own, top in best if top for cell in others(own, top)], self.evidence)

    def _section(
        self, own: Sequence[CellSummary], *, facts: tuple[str, str, int | None], held: Mapping[str | None, Against]
    ) -> Section:
        dataset, horizon = own[0].dataset, own[0].horizon
        same_data = dataset not in self.different_data
        found = tuple(
            replace(cell, why_not_best=held[cell.cell_id].sentence) if cell.cell_id in held else cell for cell in own
        )
        best = best_of(found) if same_data else None
        near = tuple(cell.model for cell in others(found, best) if not held[cell.cell_id].larger) if best else ()
        persistence, floor = self.references[dataset, horizon]
        return Section(
            title=f"{dataset} (horizon {horizon})" if self.several_horizons else dataset,
            dataset=dataset,
            horizon=horizon,
            source=facts[0],
            data_sha256=facts[1],
            test_points=facts[2],
            persistence_rmse=persistence,
            noise_floor_rmse=floor,
            linear_floor_rmse=self.linear_floors[dataset, horizon],
            cells=found,
            best=best,
            rivals=near,
            same_data=same_data,
            statement=statement(found, best, near, persistence_rmse=persistence) if same_data else OTHER_DATA,
            curves=tuple(self._curves(found)),
            tuned=tuple(tuned(rows) for cell in found if cell.chosen and (rows := self.trials.get(cell.cell_id or ""))),
            trace=self._trace(found),
        )

    def _curves(self, found: Sequence[CellSummary]) -> Iterator[Curves]:
        """Of the models that are trained by gradient descent, at their chosen length."""
        for cell in found:
            rows = self.curves.get(cell.cell_id or "")
            if cell.chosen and not cell.deterministic and rows is not None:
                yield curves(rows)

    def _trace(self, found: Sequence[CellSummary]) -> Trace | None:
        """Of the best model that is not persistence itself, which is drawn beside it anyway."""
        reference = {model.name for model in self.models if model.reference}
        drawn = best_of([cell for cell in found if cell.model not in reference]) or best_of(found)
        rows = self.predictions.get(drawn.cell_id or "") if drawn else None
        return None if rows is None else trace(rows)


def _kinds(runs: pa.Table) -> dict[str, str]:
    """The kind of each dataset."""
    first = runs.group_by("dataset").aggregate([("spec", "min")]).to_pylist()
    return {row["dataset"]: str(json.loads(row["spec_min"] or "{}").get("dataset", {}).get("kind")) for row in first}


def _losses(predictions: Mapping[str, pa.Table]) -> dict[str, Losses]:
    found = {cell_id: losses(rows) for cell_id, rows in predictions.items()}
    return {cell_id: item for cell_id, item in found.items() if item is not None}


def _reference_errors(layout: Grid) -> dict[tuple[str, int], tuple[float | None, float | None]]:
    """For each dataset and horizon the RMSE of persistence and of the noise floor."""
    arrays = [layout.values(name) for name in ("persistence_mse", "noise_floor_mse")]
    found: dict[tuple[str, int], tuple[float | None, float | None]] = {}
    for place in dict.fromkeys((case.dataset, case.horizon) for case in layout.cases):
        own = [i for i, case in enumerate(layout.cases) if (case.dataset, case.horizon) == place]
        persistence, floor = (_root_median(array[own]) for array in arrays)
        found[place] = (persistence, floor)
    return found


def _linear_floors(layout: Grid) -> dict[tuple[str, int], dict[int, float]]:
    """For each dataset and horizon the RMSE of the best linear forecast, by sequence length."""
    values = layout.values("linear_floor_mse")
    found: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for i, case in enumerate(layout.cases):
        rmse = _root_median(values[i])
        if rmse is not None:
            found[case.dataset, case.horizon][case.sequence_length] = rmse
    return found


def _root_median(values: FloatArray) -> float | None:
    present = values[np.isfinite(values)]
    return float(np.sqrt(np.median(present))) if len(present) else None
