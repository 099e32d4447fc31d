"""A card → the table of the errors of its cells, as published and under the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.published.against import skill_of
from bench.published.alike import told
from bench.published.cards import Card, Run
from bench.published.evidence import Evidence
from bench.published.findings import NOTHING_HELD_OUT
from bench.report.published.wording import interval
from bench.report.tabular import MARKS, Column, Entry, Table, nothing
from bench.report.text import count, number, significant
from bench.report.values import CellSummary

Verdicts = Mapping[str, CellSummary]
"""Cell id → what it shows against persistence, and why."""

AS_PUBLISHED = "as published"


def results(card: Card, anchor: str, verdicts: Verdicts) -> Table:
    """Every cell of one card, as published and under the protocol, beside persistence and the noise floor."""
    published = [(run.evidence, run) for run in card.runs if run.evidence]
    cells = [*published, *((cell, None) for cell in card.protocol)]
    places = {dataset: place for place, dataset in enumerate(dict.fromkeys(cell.dataset for cell, _ in cells))}
    ordered = sorted(cells, key=lambda pair: places[pair[0].dataset])
    shown = _Shown.of([cell for cell, _ in cells])
    return Table(
        name=f"results-{anchor}",
        caption=f"{card.id}: as published, and under the protocol",
        columns=(
            *(Column(title, kind="text") for title in ("Data", "Model", "How")),
            *shown.columns,
            Column("Parameters"),
            Column("Replicates"),
        ),
        rows=tuple(_result_row(cell, run, verdicts, shown=shown) for cell, run in ordered),
        below=" ".join(shown.notes),
    )


@dataclass(frozen=True)
class _Shown:
    """What of the errors is shown for all cells of a card.

    Parameters
    ----------
    accuracy
        Classes are told apart.
    floor
        A noise floor is known of some; of data that the world made, the scaled error stands in its place.
    trained_on
        Some were tested on the windows that they were trained on.
    """

    accuracy: bool
    floor: bool
    trained_on: bool

    @classmethod
    def of(cls, cells: Sequence[Evidence]) -> _Shown:
        return cls(
            accuracy=any(cell.task == "classify" for cell in cells),
            floor=any(cell.mean("noise_floor_mse") is not None for cell in cells),
            trained_on=any(NOTHING_HELD_OUT in cell.departures for cell in cells),
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        if self.accuracy:
            return Column("Accuracy", "mean; central 95 %", kind="text"), Column("Log-loss", kind="text")
        rmse = Column("RMSE", "pooled; central 95 %", kind="text", hint="The root of the mean squared error of all.")
        floor = (Column("Noise floor", "RMSE"),)
        scaled = (Column("Scaled MSE"), Column("Persistence", "scaled MSE"))
        errors = (rmse, Column("MSE"), Column("Persistence", "RMSE"), *(floor if self.floor else scaled))
        return *errors, Column("Skill"), Column("Against persistence", kind="text"), Column("Delay", "steps")

    @property
    def notes(self) -> Iterator[str]:
        if self.accuracy:
            yield "On the test part; over the replicates."
            return
        yield "Errors in original units; the central 95 % are those of the RMSEs of the replicates."
        if self.floor:
            yield "The noise floor is the error of the best possible forecast, where known."
        else:
            yield "Scaled errors are in units of the range of all values before the test part."
        if self.trained_on:
            yield f"Rows with {NOTHING_HELD_OUT} as published: errors on the training windows, nothing was held out."


def _result_row(cell: Evidence, run: Run | None, verdicts: Verdicts, *, shown: _Shown) -> tuple[Entry, ...]:
    parameters = cell.mean("parameters")
    measured = _classified(cell) if shown.accuracy else (*_errors(cell, verdicts, floor=shown.floor), _delay(run))
    return (
        Entry(cell.dataset),
        Entry(run.model if run else cell.model),
        _how(cell, run),
        *measured,
        Entry(count(parameters), parameters) if parameters is not None else nothing("no replicate finished"),
        Entry(f"{len(cell.seeds)} of {cell.asked}", len(cell.seeds), hint=cell.reason),
    )


def _how(cell: Evidence, run: Run | None) -> Entry:
    """As published or not; whatever departs from the protocol is marked."""
    if run:
        return Entry(AS_PUBLISHED, strong=True) if cell.departures else Entry(f"{AS_PUBLISHED}, no departure")
    return Entry(f"protocol, but {cell.departures}", strong=True) if cell.departures else Entry("protocol")


def _classified(cell: Evidence) -> tuple[Entry, ...]:
    return _spread(cell, "accuracy"), _spread(cell, "log_loss")


def _errors(cell: Evidence, verdicts: Verdicts, *, floor: bool) -> tuple[Entry, ...]:
    mse, persistence, skill = cell.mean("mse"), cell.mean("persistence_mse"), skill_of(cell)
    judged = verdicts[cell.cell_id]
    return (
        _spread(cell, "rmse"),
        Entry(significant(mse), mse) if mse is not None else nothing("no replicate finished"),
        _root(persistence),
        *((_root(cell.mean("noise_floor_mse")),) if floor else _scaled(cell)),
        Entry(number(skill, 3), skill) if skill is not None else nothing("not known"),
        Entry(str(judged.verdict), mark=MARKS[judged.verdict], hint=judged.why),
    )


def _root(mse: float | None) -> Entry:
    return Entry(significant(mse**0.5), mse) if mse is not None else nothing("not known")


def _scaled(cell: Evidence) -> tuple[Entry, Entry]:
    """The scaled MSE of the cell, and of persistence."""
    mse, scaled, persistence = (cell.mean(name) for name in ("mse", "mse_scaled", "persistence_mse"))
    if not mse or scaled is None or persistence is None:
        return nothing("not known"), nothing("not known")
    reference = persistence * scaled / mse
    return Entry(significant(scaled), scaled), Entry(significant(reference), reference)


def _delay(run: Run | None) -> Entry:
    if run is None or run.delay is None:
        return nothing("not measured")
    found = run.delay
    return Entry(f"{found.steps}", found.steps, hint=told(found)) if found.told else nothing(told(found))


def _spread(cell: Evidence, column: str) -> Entry:
    spread = cell.spread(column)
    if spread is None:
        return nothing(cell.reason or "not known")
    return Entry(interval(spread), spread.mean, cell=cell.cell_id)
