"""`Source` → `Summary`: all the values that figures and templates use."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.array_types import BoolArray, FloatArray
from bench.cells import CellKey, CellSpec
from bench.reporting import learning, provenance
from bench.reporting.by_series import SeriesErrors, local_fits, series_errors
from bench.reporting.by_step import StepErrors, step_errors
from bench.reporting.costs import ProbedCell, costs
from bench.reporting.every_pair import Place, every_pair
from bench.reporting.evidence import curves, never_moves, trace, tuned
from bench.reporting.forecasts import CellForecasts, Losses, forecasts, losses
from bench.reporting.judging import Contender, Families, Judged, SeedEvidence, best_of, best_set, looks_at, others
from bench.reporting.levels import hard_levels
from bench.reporting.ranking import rank, standings
from bench.reporting.recomputed import differences, uncompared
from bench.reporting.recovery import Recovery, known_shifts, recovery
from bench.reporting.sentences import OTHER_DATA, STILL, answers, statement
from bench.reporting.source import Source
from bench.reporting.summary_cells import CellArrays, Cells
from bench.reporting.trained import Curves
from bench.reporting.values import CellSummary, Counts, Model, ModelPair, Section, State, Summary, Trace, count_on_page
from bench.stats.claims import ClaimOutcome
from bench.stats.verdicts import Verdict
from bench.stats.window_tests import FAR
from bench.store.grid import Grid, by_cell, grid, own_data
from bench.store.schema import KEY, Status
from bench.tasks import unit_of, words_of
from bench.text import listed, plural, setting

__all__ = ["summarise"]

_NAMED = 6
"""So many missing cells are named; the tables show all."""


def summarise(source: Source, families: Families = MappingProxyType({})) -> Summary:
    """The summary of one result set.

    Parameters
    ----------
    source
        What it is made from.
    families
        Dataset → the part of the page whose claims are corrected together; by default all are.
    """
    where, files = by_cell(source.rows["runs"]), _files(source)
    source = source.without_folders()
    runs = source.rows["runs"]
    layout = grid(runs)
    models = _models(layout)
    builder = _Sections(source, layout, models, families)
    sections = builder.all()
    ranking = rank(sections, models)
    probes = _probes(source)
    standing = standings(sections, [row.model for row in ranking.ranks], probes)
    absent = _absent(source)
    counts = _counts(layout, sections, absent=len(absent), probed=len({probe.cell_id for probe in probes}))
    return Summary(
        suite=", ".join(source.suites) or PurePath(source.folder).name,
        answers=answers(sections, ranking, standing, counts=counts, seeds=len(layout.seeds)),
        models=models,
        sequence_lengths=tuple(sorted({case.sequence_length for case in layout.cases})),
        sections=sections,
        ranking=ranking,
        standings=standing,
        failures=provenance.failures(runs),
        cautions=(
            *_leaks(sections),
            *differences(where, builder.predictions, files),
            *uncompared(where, builder.predictions, files),
            *_unstored(source, absent),
            *_without_predictions(runs, builder.predictions),
            *_untuned(runs),
            *_kept(source),
            *provenance.cautions(runs),
        ),
        kept=source.kept,
        setting=provenance.settings(runs),
        environments=provenance.environments(runs),
        probes=probes,
        counts=counts,
        commands=provenance.commands(source.folder, kept=source.suite is not None, flag=source.flag),
        replicates=runs,
        folder=source.folder,
        local_fits=tuple(local_fits(runs, builder.predictions)),
    )


def _files(source: Source) -> dict[str, str]:
    """Where the recorded suite says that the file of a dataset lies: it is absolute there, from any working folder."""
    entries = source.suite.datasets if source.suite else ()
    return {entry.id: path for entry in entries if isinstance(path := entry.parameters.get("path"), str)}


def _probes(source: Source) -> tuple[ProbedCell, ...]:
    """What was probed, but for cells that are no longer of the suite: a probe outlives its cell."""
    if "probes" not in source.rows:
        return ()
    stored = _stored(source.rows["runs"])
    requested = stored.keys() if source.requested is None else stored.keys() | source.requested
    cells = costs(source.rows["probes"])
    return tuple(cell for cell in cells if cell.key in requested and stored.get(cell.key, cell.cell_id) == cell.cell_id)


def _stored(runs: pa.Table) -> dict[CellKey, str]:
    """The id of each cell."""
    rows = runs.select(KEY).group_by(KEY, use_threads=False).aggregate([]).to_pylist()
    return {CellKey.of(row): row["cell_id"] for row in rows}


def _absent(source: Source) -> list[CellKey]:
    """What the suite has a cell for, and the results no row."""
    return sorted((source.requested or frozenset()) - _stored(source.rows["runs"]).keys())


def _unstored(source: Source, absent: Sequence[CellKey]) -> Iterator[str]:
    """What is not here, and what to do about it."""
    yield from source.unreadable
    for keys, what in ((absent, "no row"), (sorted(source.fewer), "fewer replicates than it has seeds")):
        if keys:
            have = "has" if len(keys) == 1 else "have"
            yield (
                f"{plural(len(keys), 'cell')} of the suite {have} {what}: {_some(keys)}. `bench run` makes what is "
                "missing."
            )


def _some(keys: Sequence[CellKey]) -> str:
    """The first of `keys`, and how many more there are."""
    named = list(dict.fromkeys(f"{key.model} on {key.dataset} at {key.sequence_length}" for key in keys))
    more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return listed([*named[:_NAMED], *more])


def _without_predictions(runs: pa.Table, predictions: Mapping[str, pa.Table]) -> Iterator[str]:
    """That cells finished and none of their forecasts is here, and what cannot be said or shown for want of them."""
    finished = runs.filter(pc.equal(runs["status"], Status.OK.value))["cell_id"].unique().to_pylist()
    if count := len(set(finished) - predictions.keys()):
        have = "has" if count == 1 else "have"
        yield (
            f"{plural(count, 'cell')} {have} no stored predictions, as in a copy by "
            "`bench compact --without predictions`: nothing is tested over the test window, so there is no verdict, "
            "and neither forecasts, residuals, delays nor errors by step are shown. Errors, intervals over seeds, "
            "ranks, curves and trials are those of the run."
        )


def _untuned(runs: pa.Table) -> Iterator[str]:
    """That cells are compared as they stand until they are tuned."""
    count = len(runs.filter(runs["untuned"])["cell_id"].unique())
    if count:
        are = "is" if count == 1 else "are"
        yield (
            f"{plural(count, 'cell')} {are} not tuned yet: what is said of {'it' if count == 1 else 'them'} is of the "
            "suite's own hyperparameters. `bench run` goes on."
        )


def _kept(source: Source) -> Iterator[str]:
    """That there is more in the folder than is shown."""
    apart = "listed apart, under “Kept from earlier suites”, and neither ranked nor tested."
    if whole := sum(not cell.first_seed for cell in source.kept):
        are = "is no result" if whole == 1 else "are no results"
        yield f"{plural(whole, 'cell')} of this folder {are} of the suite as it is now: {apart}"
    if partly := sum(cell.first_seed > 0 for cell in source.kept):
        have = "has" if partly == 1 else "have"
        yield f"{plural(partly, 'cell')} {have} more replicates than the suite has seeds: the further ones are {apart}"


def _leaks(sections: Sequence[Section]) -> list[str]:
    chosen = [(section.title, cell) for section in sections for cell in section.cells if cell.chosen]
    return [f"On {title} {cell.why}" for title, cell in chosen if cell.verdict is Verdict.LEAK]


def _models(layout: Grid) -> tuple[Model, ...]:
    """Persistence first, then what draws no random number, then what is trained; by name within each."""
    deterministic: BoolArray = np.asarray(layout.deterministic().any(axis=0))
    sortable = []
    for m, name in enumerate(layout.models):
        kind = _kind(layout, m) or name
        reference = kind == "persistence"
        sortable.append((not reference, not deterministic[m], name, Model(name, kind, reference)))
    return tuple(model for *_, model in sorted(sortable, key=lambda item: item[:3]))


def _kind(layout: Grid, m: int) -> str:
    rows = layout.row[:, m][layout.row[:, m] >= 0]
    return CellSpec.from_json(layout.runs["spec"][int(rows[0])].as_py()).model_kind


def _counts(layout: Grid, sections: Sequence[Section], *, absent: int, probed: int) -> Counts:
    states = [cell.state for section in sections for cell in section.cells]
    return Counts(
        cells=sum(state is not State.MISSING for state in states) + absent,
        stored=sum(state is not State.MISSING for state in states),
        probed=probed,
        finished=sum(state is State.OK for state in states),
        replicates=layout.runs.num_rows,
        replicates_finished=int(layout.ok.sum()),
    )


class _Sections:
    """Builds the sections; holds what they share."""

    def __init__(self, source: Source, layout: Grid, models: Sequence[Model], families: Families) -> None:
        tables = source.rows
        self.families = families
        self.runs = tables["runs"]
        self.models = models
        self.predictions = by_cell(tables["predictions"])
        self.curves = by_cell(tables["curves"])
        self.trials = by_cell(tables["trials"])
        self.own_data = own_data(self.runs)
        one_series = {cell_id: rows for cell_id, rows in self.predictions.items() if cell_id not in self.own_data}
        self.losses = _losses(one_series)  # there is no test window that replicates with data of their own share
        references = frozenset(model.name for model in models if model.reference)
        looks = looks_at(layout, source.seeds)
        arrays, late = CellArrays.of(layout, self.own_data, looks), learning.still_learning(self.runs)
        self.cells = Cells(arrays, self.losses, references, source.requested, late)
        self.evidence = SeedEvidence.of(layout, self.losses, _kinds(self.runs), own_data=self.own_data, looks=looks)
        self.references = _reference_errors(layout)
        self.linear_floors = _linear_floors(layout)
        self.test_points = _largest(layout, "test_points")
        self.seasons, self.seasonal = _largest(layout, "season"), _seasonal_errors(layout)
        self.tasks, self.shifts = _tasks(self.runs), known_shifts(self.runs)
        self.units = _units(source)
        self.different_data = frozenset(provenance.different_data(self.runs))
        self.mixed_data = frozenset(provenance.mixed_data(self.runs))
        self.several_horizons = len({case.horizon for case in layout.cases}) > 1

    def all(self) -> tuple[Section, ...]:
        facts = provenance.data_facts(self.runs)
        own = self._candidates()
        by_dataset: dict[str, list[Sequence[Contender]]] = defaultdict(list)
        for (dataset, _), cells in own.items():
            by_dataset[dataset].append(cells)
        judged = Judged.of(
            by_dataset,
            self.evidence,
            self.families,
            different_data=self.different_data,
            mixed_data=self.mixed_data,
            still={place for place, cells in own.items() if self._is_still(cells)},
        )
        most = count_on_page([len(cells) for cells in own.values()])
        pairs = self._pairs(own, judged)
        return tuple(
            replace(
                self._section(cells, judged, facts=facts[place[0]], on_page=number < most), pairs=pairs.get(place, ())
            )
            for number, (place, cells) in enumerate(own.items())
        )

    def _pairs(self, own: Mapping[Place, Sequence[Contender]], judged: Judged) -> dict[Place, tuple[ModelPair, ...]]:
        """Of every two models on data that all cells saw and that moves."""
        differ = self.different_data | self.mixed_data
        tested = {place: cells for place, cells in own.items() if place[0] not in differ and place not in judged.still}
        return every_pair(tested, self.evidence, judged, learning=self.cells.learning)

    def _candidates(self) -> dict[tuple[str, int], list[Contender]]:
        """By dataset and horizon, in the order of the page."""
        own: dict[tuple[str, int], list[Contender]] = defaultdict(list)
        for cell in self.cells.candidates():
            own[cell.dataset, cell.horizon].append(cell)
        models = {model.name: place for place, model in enumerate(self.models)}
        order = sorted(own, key=lambda place: (place[0].casefold(), *place))
        return {
            place: sorted(own[place], key=lambda cell: (models[cell.model], cell.sequence_length)) for place in order
        }

    def _is_still(self, cells: Sequence[Contender]) -> bool:
        """Whether persistence makes no error at the test targets of `cells`, or a series does not move at them."""
        persistence, _ = self.references[cells[0].dataset, cells[0].horizon]
        if persistence == 0:
            return True
        stored = (rows for cell in cells if (rows := self.predictions.get(cell.cell_id or "")) is not None)
        rows = next(stored, None)
        forecast = (self.tasks.get(cells[0].dataset) or "forecast") == "forecast"
        return forecast and rows is not None and never_moves(rows)

    def _section(self, own: Sequence[Contender], judged: Judged, *, facts: tuple[str, str], on_page: bool) -> Section:
        dataset, horizon = own[0].dataset, own[0].horizon
        same_data = dataset not in self.different_data | self.mixed_data
        still = (dataset, horizon) in judged.still
        why_untested = OTHER_DATA if not same_data else (STILL if still else "")
        summaries = {cell.at: self.cells.summary(cell, judged) for cell in own}
        cells = tuple(summaries.values())
        chosen = [cell for cell in own if summaries[cell.at].chosen]
        top = None if why_untested else best_of(chosen)
        best = summaries[top.at] if top else None
        against = _next_to(top, chosen, judged) if top else _NextToBest()
        persistence, floor = self.references[dataset, horizon]
        shown = self._forecasts(cells) if on_page and self.tasks.get(dataset) != "classify" else {}
        return Section(
            title=f"{dataset} (horizon {horizon})" if self.several_horizons else dataset,
            dataset=dataset,
            horizon=horizon,
            source=facts[0],
            data_sha256=facts[1],
            test_points=self.test_points[dataset, horizon],
            persistence_rmse=persistence,
            noise_floor_rmse=floor,
            season=self.seasons[dataset, horizon],
            seasonal_rmse=self.seasonal[dataset, horizon],
            linear_floor_rmse=self.linear_floors[dataset, horizon],
            cells=cells,
            best=best,
            rivals=against.rivals,
            apart=against.apart,
            untested=against.untested,
            same_data=same_data,
            statement=why_untested
            or statement(
                cells,
                best,
                against.rivals,
                apart=against.apart,
                untested=against.untested,
                persistence_rmse=persistence,
            ),
            levels=hard_levels(cells, shown, persistence),
            curves=tuple(self._curves(cells)),
            tuned=tuple(tuned(rows) for cell in cells if cell.chosen and (rows := self.trials.get(cell.cell_id or ""))),
            trace=None if self.tasks.get(dataset) == "classify" else self._trace(chosen),
            best_set="" if why_untested else best_set(cells, self.losses, undecided=against.open, worse=against.worse),
            still=still,
            unit=self.units.get(dataset, ""),
            task=self.tasks.get(dataset) or "forecast",
            by_step=tuple(self._by_step(cells)) if self.tasks.get(dataset) in (None, "forecast") else (),
            by_series=tuple(self._by_series(cells)),
            recoveries=tuple(self._recoveries(cells)),
            forecasts=shown,
            losses={name: self.losses[name] for cell in cells if (name := cell.cell_id or "") in self.losses},
        )

    def _curves(self, cells: Sequence[CellSummary]) -> Iterator[Curves]:
        """Of the models that are trained by gradient descent, at their chosen length."""
        for cell in cells:
            rows = self.curves.get(cell.cell_id or "")
            if cell.chosen and not cell.deterministic and rows is not None:
                in_steps = dict(cell.hyperparameters).get("steps", setting(None)) != setting(None)
                yield curves(rows, unit="validation" if in_steps else "epoch")

    def _by_step(self, cells: Sequence[CellSummary]) -> Iterator[StepErrors]:
        """Of the chosen cells whose predictions are stored; persistence comes first, as among the models."""
        for cell in cells:
            rows = self.predictions.get(cell.cell_id or "")
            if cell.chosen and rows is not None and (own := step_errors(rows)):
                yield own

    def _by_series(self, cells: Sequence[CellSummary]) -> Iterator[SeriesErrors]:
        """Of the cells whose predictions are stored, in the order of the models."""
        for cell in cells:
            rows = self.predictions.get(cell.cell_id or "")
            if rows is not None and (own := series_errors(rows)):
                yield own

    def _recoveries(self, cells: Sequence[CellSummary]) -> Iterator[Recovery]:
        """Of the cells whose predictions are stored, in the order of the models."""
        for cell in cells:
            rows, shifts = self.predictions.get(cell.cell_id or ""), self.shifts.get(cell.cell_id or "")
            if rows is not None and shifts and (own := recovery(rows, shifts)):
                yield own

    def _forecasts(self, cells: Sequence[CellSummary]) -> dict[str, CellForecasts]:
        """Of every cell whose predictions are stored, by its id."""
        stored = ((cell.cell_id or "", self.predictions.get(cell.cell_id or "")) for cell in cells)
        return {name: forecasts(rows, alone=name in self.own_data) for name, rows in stored if rows is not None}

    def _trace(self, chosen: Sequence[Contender]) -> Trace | None:
        """Of the best model that is not persistence itself, which is drawn next to it anyway."""
        reference = {model.name for model in self.models if model.reference}
        best = best_of([cell for cell in chosen if cell.model not in reference]) or best_of(chosen)
        cell_id = (best.cell_id if best else None) or ""
        rows = self.predictions.get(cell_id)
        if rows is None or best is None:
            return None
        unit = words_of(self.tasks.get(best.dataset) or "", self.units.get(best.dataset, "")).unit
        return replace(trace(rows, alone=cell_id in self.own_data), unit=unit)


def _kinds(runs: pa.Table) -> dict[str, str]:
    """The kind of each dataset."""
    first = runs.group_by("dataset").aggregate([("spec", "min")]).to_pylist()
    return {row["dataset"]: CellSpec.from_json(row["spec_min"]).dataset_kind for row in first}


def _units(source: Source) -> dict[str, str]:
    """What each dataset is measured in, by the recorded suite, or as its kind is known to be."""
    first = source.rows["runs"].group_by("dataset").aggregate([("spec", "min")]).to_pylist()
    specs = {row["dataset"]: CellSpec.from_json(row["spec_min"]) for row in first}
    known = {dataset: unit_of(spec.dataset_kind, spec.dataset_parameters) for dataset, spec in specs.items()}
    return known | {entry.id: entry.unit for entry in (source.suite.datasets if source.suite else ()) if entry.unit}


def _tasks(runs: pa.Table) -> dict[str, str | None]:
    """The task of each dataset."""
    rows = runs.group_by("dataset").aggregate([("task", "min")]).to_pylist()
    return {row["dataset"]: row["task_min"] for row in rows}


def _losses(predictions: Mapping[str, pa.Table]) -> dict[str, Losses]:
    losses_of = {cell_id: losses(rows) for cell_id, rows in predictions.items()}
    return {cell_id: item for cell_id, item in losses_of.items() if item is not None}


def _by_place(layout: Grid) -> dict[tuple[str, int], list[int]]:
    """For each dataset and horizon the positions of its cases."""
    cases: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, case in enumerate(layout.cases):
        cases[case.dataset, case.horizon].append(i)
    return cases


class _NextToBest(NamedTuple):
    """The models of a section by what became of their comparison with the best one; see `Section`."""

    rivals: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[str, ...]:
        """Those that were tested and are not shown to be worse."""
        return (*self.rivals, *self.apart)


def _next_to(best: Contender, chosen: Sequence[Contender], judged: Judged) -> _NextToBest:
    """The `chosen` cells of a section next to the `best` one of them."""
    names: dict[str, list[str]] = {name: [] for name in _NextToBest._fields}
    for cell in others(chosen, best):
        outcome = judged.against_best[cell.cell_id].finding.outcome
        far = (cell.rmse or 0.0) ** 2 > FAR * (best.rmse or 0.0) ** 2
        undecided = "apart" if far else "rivals"
        became = "untested" if not outcome.measured else "worse" if outcome is ClaimOutcome.FAILS else undecided
        names[became].append(cell.model)
    return _NextToBest(**{name: tuple(models) for name, models in names.items()})


def _reference_errors(layout: Grid) -> dict[tuple[str, int], tuple[float | None, float | None]]:
    """For each dataset and horizon the RMSE of persistence and of the noise floor."""
    arrays = [layout.values(name) for name in ("persistence_mse", "noise_floor_mse")]
    errors: dict[tuple[str, int], tuple[float | None, float | None]] = {}
    for place, own in _by_place(layout).items():
        persistence, floor = (_root_median(array[own]) for array in arrays)
        errors[place] = (persistence, floor)
    return errors


def _seasonal_errors(layout: Grid) -> dict[tuple[str, int], float | None]:
    """For each dataset and horizon the RMSE of the value one season ago."""
    values = layout.values("seasonal_mse")
    return {place: _root_median(values[own]) for place, own in _by_place(layout).items()}


def _largest(layout: Grid, name: str) -> dict[tuple[str, int], int | None]:
    """For each dataset and horizon the largest value of a column of counts."""
    values = layout.values(name)
    known = {place: values[own][np.isfinite(values[own])] for place, own in _by_place(layout).items()}
    return {place: int(each.max()) if each.size else None for place, each in known.items()}


def _linear_floors(layout: Grid) -> dict[tuple[str, int], dict[int, float]]:
    """For each dataset and horizon the RMSE of the best linear forecast, by sequence length."""
    values = layout.values("linear_floor_mse")
    floors: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for i, case in enumerate(layout.cases):
        rmse = _root_median(values[i])
        if rmse is not None:
            floors[case.dataset, case.horizon][case.sequence_length] = rmse
    return floors


def _root_median(values: FloatArray) -> float | None:
    present = values[np.isfinite(values)]
    return float(np.sqrt(np.median(present))) if len(present) else None
