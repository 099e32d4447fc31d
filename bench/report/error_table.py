"""The table of one dataset: every cell's error, skill and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench.report.estimate import Bounds, Estimate
from bench.report.judging import OTHER_LENGTH
from bench.report.tabular import LENGTH, MARKS, NO_FLOOR, NO_SKILL, Column, Entry, Table, length, measured, nothing
from bench.report.text import bounds, decimals, listed, number, percent
from bench.report.values import CellSummary, Section, State, Verdict

_WORDS: Mapping[Verdict, str] = {
    **{verdict: str(verdict) for verdict in Verdict},
    Verdict.SKILL: "better",
    Verdict.REFERENCE: "reference",
    Verdict.WORSE: "worse",
}
"""Under the heading "against persistence"."""

_BY_SEED = "BCa bootstrap over the seeds; the test window stays as it is."
_AT_CHOSEN = "✓: the model's best length on validation. Bold: the smallest error among these."
_IN_WINDOW = "Block bootstrap over the test targets; the seeds stay as they are."


_CLASSES = (
    Column("Accuracy", "mean over seeds", hint="The share of test sequences whose class got the highest probability."),
    Column("Log-loss", "mean over seeds", hint="−log of the probability given to the true class, in nats."),
)


def errors(section: Section, *, name: str) -> Table:
    """Every cell of one dataset; without the columns that would say the same in every row."""
    shows = _Shows(
        places=decimals(end for cell in section.cells for end in _ends(cell.rmse)),
        skill_places=3 if all(end > -1 for cell in section.cells for end in _ends(cell.skill)) else 2,
        lengths=len({cell.sequence_length for cell in section.cells}) > 1,
        rivals=section.rivals,
        untested=section.untested,
        learnable=any(cell.learnable_fraction for cell in section.cells),
        classes=section.task == "classify",
    )
    columns = [
        Column("Model", kind="text"),
        LENGTH if shows.lengths else None,
        *(_CLASSES if shows.classes else ()),
        Column("RMSE", section.words.unit, hint="Over all test targets and seeds."),
        Column("95 % interval", "over seeds", hint=_BY_SEED),
        Column("Skill", hint="1 − MSE / MSE of persistence."),
        Column("95 % interval", "over seeds", hint="Fieller's, of the ratio of the means over seeds."),
        Column("95 % interval", "over test window", hint=_IN_WINDOW),
        Column("Learnable", hint="How much of the way from persistence to the noise floor.")
        if shows.learnable
        else None,
        Column("Verdict", "against persistence", kind="text"),
        Column("Error", "against the smallest", kind="text"),
    ]
    return Table(
        name,
        f"Errors on {section.title}",
        tuple(column for column in columns if column),
        tuple(_error_row(cell, best=section.best is cell, shows=shows) for cell in section.cells),
        below=" ".join([_AT_CHOSEN if shows.lengths else "Bold: the smallest error.", *_notes(section.cells)]),
    )


def _notes(cells: Sequence[CellSummary]) -> list[str]:
    """Why something is missing, each reason once."""
    noted: dict[str, list[str]] = {}
    for cell in cells:
        if cell.note:
            noted.setdefault(cell.note, []).append(f"{cell.model} at {cell.sequence_length}")
    return [
        f"{'Every cell' if len(names) == len(cells) else listed(names)}: {note.rstrip('.')}."
        for note, names in noted.items()
    ]


@dataclass(frozen=True)
class _Shows:
    """Decimals, and the columns that a table of errors has."""

    places: int | None
    skill_places: int
    rivals: Sequence[str]
    untested: Sequence[str]
    lengths: bool
    learnable: bool
    classes: bool


def _ends(estimate: Estimate | None) -> list[float]:
    return [estimate.value, *(estimate.interval or ())] if estimate else []


def _error_row(cell: CellSummary, *, best: bool, shows: _Shows) -> tuple[Entry, ...]:
    spread = cell.note or (_ONE_FIT if cell.deterministic else _ONE_SEED)
    window = cell.note or (_ITSELF if cell.verdict is Verdict.REFERENCE else _NO_WINDOW)
    rmse, skill, learnable = cell.rmse, cell.skill, cell.learnable_fraction
    of_how_many = f", {cell.finished} of {cell.replicates} seeds" if cell.state is State.PARTIAL else ""
    entries = [
        Entry(cell.model, strong=best),
        length(cell, mark="✓" if cell.chosen else "") if shows.lengths else None,
        *(_of_classes(cell) if shows.classes else ()),
        Entry(number(rmse.value, shows.places), rmse.value, strong=best, cell=cell.cell_id)
        if rmse
        else nothing(cell.note or _NO_ERROR),
        _bounds(rmse.interval if rmse else None, shows.places, otherwise=spread),
        Entry(number(skill.value, shows.skill_places), skill.value) if skill else nothing(cell.note or NO_SKILL),
        _bounds(skill.interval if skill else None, shows.skill_places, otherwise=spread),
        _bounds(cell.skill_in_window, shows.skill_places, otherwise=window),
        _learnable(learnable, cell.note) if shows.learnable else None,
        Entry(_WORDS[cell.verdict] + of_how_many, hint=cell.note or cell.why, mark=MARKS[cell.verdict]),
        _against(cell, best=best, shows=shows),
    ]
    return tuple(entry for entry in entries if entry)


def _of_classes(cell: CellSummary) -> tuple[Entry, Entry]:
    shares, nats = partial(percent, places=1), partial(number, places=3)
    why = cell.note or _NO_ERROR
    return measured(cell.accuracy, shares, otherwise=why), measured(cell.log_loss, nats, otherwise=why)


def _against(cell: CellSummary, *, best: bool, shows: _Shows) -> Entry:
    if best:
        return Entry("the smallest")
    if not cell.why_not_best:
        return nothing(cell.note or OTHER_LENGTH)
    near = "not tested" if cell.model in shows.untested else "not told from it"
    return Entry(near if cell.model in shows.rivals else "larger", hint=cell.why_not_best)


_ONE_FIT = "one fit stands for every seed"
_ONE_SEED = "one replicate shows no spread"
_ITSELF = "persistence against itself"
_NO_WINDOW = "the predictions are not stored, are too few for an interval, or are of other data for each seed"
_NO_ERROR = "no error is stored"


def _bounds(pair: Bounds | None, places: int | None, *, otherwise: str) -> Entry:
    return Entry(bounds(pair, places)) if pair else nothing(otherwise)


def _learnable(estimate: Estimate | None, note: str) -> Entry:
    return Entry(percent(estimate.value), estimate.value) if estimate else nothing(note or NO_FLOOR)
