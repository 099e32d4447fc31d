"""Summary → tables of text: one content for HTML and Markdown, so that they cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from bench.report.tabular import LENGTH, MARKS, Column, Entry, Table, length, nothing
from bench.report.text import NOTHING, count, mebibytes, number, seconds
from bench.report.values import CellSummary, Section, Summary, Verdict

_NAMES = (Column("Dataset", kind="text"), Column("Model", kind="text"))


def overview(summary: Summary) -> Table:
    """Skill of every model on every dataset, each at its chosen sequence length."""
    rows = [
        (Entry(section.title), *(_skill_entry(section, model.name) for model in summary.models))
        for section in summary.sections
    ]
    legend = " · ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
    return Table(
        name="overview",
        caption="Skill against persistence",
        columns=(Column("Dataset", kind="text"), *(Column(model.name) for model in summary.models)),
        rows=tuple(rows),
        below=f"1 is no error, 0 is as good as persistence. Bold: the smallest error. {legend}.",
    )


def _skill_entry(section: Section, model: str) -> Entry:
    cell = section.chosen(model)
    if cell is None:
        why = next((cell.note for cell in section.cells if cell.model == model), "")
        return Entry(NOTHING, hint=why, mark=MARKS[Verdict.UNFINISHED])
    value = cell.skill.value if cell.skill else None
    return Entry(
        number(value, 2),
        order=value,
        hint=f"{cell.verdict}, sequence length {cell.sequence_length}",
        strong=section.best is cell,
        mark=MARKS[cell.verdict],
    )


def ranking(summary: Summary) -> Table:
    """The models in order, over all datasets."""
    rows = [
        (
            Entry(row.model),
            _measured(
                row.average, partial(number, places=2), otherwise="no dataset was finished by every ranked model"
            ),
            Entry(str(row.smallest_error), row.smallest_error),
            Entry(f"{row.with_skill} of {row.tested}", row.with_skill)
            if row.tested
            else nothing("could not be tested"),
            _measured(row.fit_s, seconds, otherwise=_NO_TIME),
        )
        for row in summary.ranking.ranks
    ]
    columns = (
        Column("Model", kind="text"),
        Column("Average rank", hint="1 is the smallest error on every dataset."),
        Column("Smallest error", "datasets"),
        Column("Better than persistence", "datasets", hint="Of those where it could be tested."),
        Column("Time to fit", "one seed, median"),
    )
    return Table("ranking", "Models by average rank", columns, tuple(rows), below=summary.ranking.note)


def costs(summary: Summary) -> Table:
    """Time, memory and size of every finished cell."""
    rows = [
        (
            *names,
            _measured(cell.cost.fit_s, seconds, otherwise=_NO_TIME),
            _measured(cell.cost.predict_s, seconds, otherwise=_NO_TIME),
            _measured(cell.cost.tuning_s, seconds, otherwise=_NOT_TUNED),
            _measured(cell.cost.peak_memory_bytes, mebibytes),
            _measured(cell.cost.parameters, count),
            _measured(cell.cost.epochs, number),
        )
        for names, cell in _finished(summary)
    ]
    columns = (
        *_NAMES,
        LENGTH,
        Column("Fit", "one seed, median", hint="Its share of the time of all seeds trained together."),
        Column("Predict", "test part, median"),
        Column("Tuning", "all trials"),
        Column("Peak memory", "process"),
        Column("Parameters"),
        Column("Epochs", "median"),
    )
    return Table("costs", "Time, memory and size", columns, tuple(rows))


_NO_TIME = "not measured, or measured on different machines"
_NOT_TUNED = "not tuned, or tuned on different machines"


def _measured(value: float | None, show: Callable[[float | None], str], *, otherwise: str = "not measured") -> Entry:
    return Entry(show(value), value, hint=otherwise if value is None else "")


def hyperparameters(summary: Summary) -> Table:
    """What every finished cell was trained with."""
    rows = [
        (
            *names,
            Entry(", ".join(f"{name} {value}" for name, value in cell.hyperparameters) or "none"),
            Entry(cell.cell_id or NOTHING),
        )
        for names, cell in _finished(summary)
    ]
    columns = (*_NAMES, LENGTH, Column("Hyperparameters", kind="prose"), Column("Cell", kind="code"))
    return Table("hyperparameters", "Hyperparameters", columns, tuple(rows))


def _finished(summary: Summary) -> Iterator[tuple[tuple[Entry, ...], CellSummary]]:
    """The cells that have results, each with the entries that name it."""
    for section in summary.sections:
        for cell in section.cells:
            if cell.finished:
                yield (Entry(section.title), Entry(cell.model), length(cell)), cell


def failures(summary: Summary) -> Table:
    """What did not finish, and what to do about it."""
    titles = {(section.dataset, section.horizon): section.title for section in summary.sections}
    rows = [
        (
            Entry(titles[failure.dataset, failure.horizon]),
            Entry(failure.model),
            Entry(count(failure.sequence_length), failure.sequence_length),
            Entry(failure.status),
            Entry(str(failure.replicates), failure.replicates),
            Entry(failure.reason + (f" — {failure.advice}" if failure.advice else "")),
        )
        for failure in summary.failures
    ]
    columns = (
        *_NAMES,
        LENGTH,
        Column("Status", kind="text"),
        Column("Seeds"),
        Column("Why, and what to do", kind="prose"),
    )
    return Table("failures", "What did not finish", columns, tuple(rows))
