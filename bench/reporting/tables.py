"""Summary → tables of text: the same content for HTML and Markdown, so that they cannot differ."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from shlex import quote
from statistics import median

from bench.reporting import tabular
from bench.reporting.judging import OTHER_LENGTH
from bench.reporting.ranking import left_out
from bench.reporting.recovery import FACTOR, IN_A_ROW, Recovery
from bench.reporting.tabular import Column, Table, TableEntry, length, measured, nothing
from bench.reporting.values import Bounds, CellSummary, Rank, Section, Standing, State, Summary
from bench.stats.claims import ClaimOutcome
from bench.stats.ratios import Estimate
from bench.stats.verdicts import COMPARED, Verdict
from bench.text import NOTHING, bounds, count, decimals, listed, mebibytes, number, percent, seconds, significant

_BY_SEED = "From the logarithms of the errors of the seeds; the test window stays as it is."
_AT_CHOSEN = "✓: the model's best length on validation. Bold: the smallest error among these."
_IN_WINDOW = "From the losses at the test targets, which persist; the seeds stay as they are."


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
        learnable=any(cell.learnable_fraction for cell in section.cells),
        classes=section.task == "classify",
        mase=any(cell.mase is not None for cell in section.cells),
        seasonal=any(cell.seasonal_skill is not None for cell in section.cells),
    )
    columns = [
        Column("Model", kind="text"),
        tabular.LENGTH if shows.lengths else None,
        *(_CLASSES if shows.classes else ()),
        Column("RMSE", section.words.unit, hint="Over all test targets and seeds."),
        Column("95 % interval", "over seeds", hint=_BY_SEED),
        Column("Skill", hint="1 − MSE / MSE of persistence."),
        Column("95 % interval", "over seeds", hint=_BY_SEED),
        Column("95 % interval", "over test window", hint=_IN_WINDOW),
        Column("Skill", f"against season {section.season}", hint="1 − MSE / MSE of the value one season ago.")
        if shows.seasonal
        else None,
        Column("MASE", hint=_MASE) if shows.mase else None,
        Column("Learnable", hint="How much of the way from persistence to the noise floor.")
        if shows.learnable
        else None,
        Column("Verdict", "against persistence", kind="text"),
        Column("Verdict", "against the smallest error", kind="text"),
    ]
    rows = tuple(_error_row(cell, best=section.best is cell, shows=shows) for cell in section.cells)
    few = [f"{FEW}: {_SKEWED[0].lower()}{_SKEWED[1:]}"] if any(e.mark == FEW for row in rows for e in row) else []
    below = " ".join([_AT_CHOSEN if shows.lengths else "Bold: the smallest error.", *few, *_notes(section.cells)])
    shown = tuple(column for column in columns if column)
    return Table(name, f"Errors on {section.title}", shown, rows, below=below)


def by_step(section: Section, *, name: str) -> Table | None:
    """The errors of the chosen cells at some steps ahead; `None` for one step ahead."""
    if not section.by_step:
        return None
    first = section.by_step[0]
    lines = {"persistence": first.persistence} | {own.model: own.rmse for own in section.by_step}
    rows = tuple(
        (TableEntry(model), *(TableEntry(significant(rmse[place]), rmse[place]) for place in first.shown))
        for model, rmse in lines.items()
    )
    columns = (Column("Model", kind="text"), *(Column(f"Step {first.step[place]}") for place in first.shown))
    often = first.origins * len(first.step) > first.points
    seen = ", which share targets: the picture of predictions shows origins one horizon apart" if often else ""
    below = f"RMSE in {section.words.unit} over all seeds, from {count(first.origins)} origins{seen}."
    return Table(name, f"Error by step ahead on {section.title}", columns, rows, below=below)


def recoveries(section: Section, *, name: str) -> Table | None:
    """How soon the chosen cells are as good as before a level shift; `None` where no time of one is known."""
    chosen = {cell.cell_id for cell in section.cells if cell.chosen}
    own = [each for each in section.recoveries if each.cell_id in chosen]
    if not own:
        return None
    rows = tuple((TableEntry(each.model), _median(each), TableEntry(_of_each_shift(each))) for each in own)
    columns = (Column("Model", kind="text"), Column("Median", "points"), Column("After each shift", kind="text"))
    return Table(name, f"Time to recovery on {section.title}", columns, rows, below=_RECOVERED)


_RECOVERED = (
    f"Points after a level shift until the absolute error, mean over seeds, is at most {FACTOR:g} times its median "
    f"before the shift, and so is its mean over {IN_A_ROW} points from there on. >: not within so many, until the next "
    "shift or the end."
)
_MOST_SHIFTS = 12
"""Shifts that a row lists."""


def _median(own: Recovery) -> TableEntry:
    if own.median is None:
        return TableEntry(f"> {count(max(own.watched))}", math.inf)
    return TableEntry(number(own.median, 0 if own.median.is_integer() else 1), own.median)


def _of_each_shift(own: Recovery) -> str:
    pairs = list(zip(own.steps, own.watched, strict=True))
    shown = [f"> {watched}" if steps is None else str(steps) for steps, watched in pairs[:_MOST_SHIFTS]]
    more = [f"and {len(pairs) - _MOST_SHIFTS} more"] if len(pairs) > _MOST_SHIFTS else []
    return ", ".join([*shown, *more])


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
    lengths: bool
    learnable: bool
    classes: bool
    mase: bool
    seasonal: bool


def _ends(estimate: Estimate | None) -> list[float]:
    return [estimate.value, *(estimate.interval or ())] if estimate else []


def _error_row(cell: CellSummary, *, best: bool, shows: _Shows) -> tuple[TableEntry, ...]:
    spread = cell.note or (_ONE_FIT if cell.deterministic else _ONE_SEED)
    window = cell.note or (_ITSELF if cell.verdict is Verdict.REFERENCE else _NO_WINDOW)
    rmse, skill, learnable = cell.rmse, cell.skill, cell.learnable_fraction
    of_how_many = f", {cell.finished} of {cell.replicates} seeds" if cell.state is State.PARTIAL else ""
    entries = [
        TableEntry(cell.model, strong=best),
        length(cell, mark="✓" if cell.chosen else "") if shows.lengths else None,
        *(_of_classes(cell) if shows.classes else ()),
        TableEntry(number(rmse.value, shows.places), rmse.value, strong=best, cell=cell.cell_id)
        if rmse
        else nothing(cell.note or _NO_ERROR),
        _over_seeds(cell, rmse.interval if rmse else None, shows.places, otherwise=spread),
        TableEntry(number(skill.value, shows.skill_places), skill.value)
        if skill
        else nothing(cell.note or tabular.NO_SKILL),
        _over_seeds(cell, skill.interval if skill else None, shows.skill_places, otherwise=spread),
        _bounds(cell.skill_in_window, shows.skill_places, otherwise=window),
        measured(cell.seasonal_skill, partial(number, places=2), otherwise=_NO_SEASON) if shows.seasonal else None,
        measured(cell.mase, partial(number, places=3), otherwise=_NO_UNIT) if shows.mase else None,
        _learnable(learnable, cell.note) if shows.learnable else None,
        TableEntry(cell.words + of_how_many, hint=cell.note or cell.why, mark=tabular.MARKS[cell.verdict]),
        _against(cell, best=best),
    ]
    return tuple(entry for entry in entries if entry)


def _of_classes(cell: CellSummary) -> tuple[TableEntry, TableEntry]:
    shares, nats = partial(percent, places=1), partial(number, places=3)
    why = cell.note or _NO_ERROR
    return measured(cell.accuracy, shares, otherwise=why), measured(cell.log_loss, nats, otherwise=why)


def _against(cell: CellSummary, *, best: bool) -> TableEntry:
    if best:
        return TableEntry("the smallest")
    if not cell.why_not_best:
        return nothing(cell.note or OTHER_LENGTH)
    return TableEntry(cell.words_next_to_best, hint=cell.why_not_best)


FEW = "†"
"""Stands next to an interval of too few seeds to cover what it states, by reports/calibration.md."""

FEW_SEEDS, SOME_SEEDS = 10, 50
"""Below the first an interval carries the mark, below the second a note."""

_SKEWED = "Where errors are skewed even on a logarithmic scale, so few seeds cover 88 to 93 %, not 95 %."
_NARROW = "So few seeds cover 73 to 95 %, not 95 %: a bootstrap never leaves the range of the values."
_ONE_FIT = "one fit stands for every seed"
_ONE_SEED = "one replicate, or copies of one, show no spread; two skewed errors may bound no mean"
_ITSELF = "persistence against itself"
_NO_WINDOW = "the predictions are not stored, are too few for an interval, or are of other data for each seed"
_NO_ERROR = "no error is stored"
_NO_SEASON = "the value one season ago is exact here, or nothing is stored of it"
_NO_UNIT = "the train part never changes, or the rows are of an earlier version"
_MASE = "Mean absolute error, in units of that of the (seasonal) naive forecast on the train part."


def _bounds(pair: Bounds | None, places: int | None, *, otherwise: str) -> TableEntry:
    return TableEntry(bounds(pair, places)) if pair else nothing(otherwise)


def _over_seeds(cell: CellSummary, pair: Bounds | None, places: int | None, *, otherwise: str) -> TableEntry:
    """The interval with a warning where so few seeds cover less than it states."""
    if pair is None:
        return nothing(otherwise)
    mark = FEW if cell.finished < FEW_SEEDS else ""
    return TableEntry(bounds(pair, places), hint=_SKEWED if cell.finished < SOME_SEEDS else "", mark=mark)


def _learnable(estimate: Estimate | None, note: str) -> TableEntry:
    return TableEntry(percent(estimate.value), estimate.value) if estimate else nothing(note or tabular.NO_FLOOR)


_NAMES = (Column("Dataset", kind="text"), Column("Model", kind="text"))


def overview(summary: Summary) -> Table:
    """Skill of every model on every dataset, each at its chosen sequence length."""
    rows = [
        (TableEntry(section.title), *(_skill_entry(section, model.name) for model in summary.models))
        for section in summary.sections
    ]
    shown = {entry.mark for row in rows for entry in row}
    legend = " · ".join(f"{mark} {verdict}" for verdict, mark in tabular.MARKS.items() if mark in shown)
    return Table(
        name="overview",
        caption="Skill against persistence",
        columns=(Column("Dataset", kind="text"), *(Column(model.name) for model in summary.models)),
        rows=tuple(rows),
        below=f"1 is no error, 0 is as good as persistence. Bold: the smallest error. {legend}.",
    )


def _skill_entry(section: Section, model: str) -> TableEntry:
    cell = section.chosen(model)
    if cell is None:
        own = [cell for cell in section.cells if cell.model == model]
        reported = next((cell for cell in own if cell.verdict is Verdict.UNFINISHED), own[0])
        return TableEntry(NOTHING, hint=reported.note, mark=tabular.MARKS[reported.verdict])
    value = cell.skill.value if cell.skill else None
    return TableEntry(
        number(value, 2),
        order=value,
        hint=f"{cell.verdict}, sequence length {cell.sequence_length}",
        strong=section.best is cell,
        cell=cell.cell_id,
        mark=tabular.MARKS[cell.verdict],
    )


def ranking(summary: Summary) -> Table:
    """The models in order, over all datasets."""
    standing = {item.model: item for item in summary.standings}
    rows = [
        (
            TableEntry(row.model, mark="◆" if row.model in standing and standing[row.model].on_front else ""),
            measured(row.average, partial(number, places=1), otherwise="no dataset was finished by every ranked model"),
            _relative(standing.get(row.model)),
            _verdicts(summary.sections, row),
            measured(_fit_s(row, standing.get(row.model)), seconds, otherwise=tabular.NO_TIME),
            _parameters(summary.sections, row.model),
        )
        for row in summary.ranking.ranks
    ]
    columns = (
        Column("Model", kind="text"),
        Column("Average", "rank", hint="1 is the smallest error on every dataset."),
        Column(
            "Error [95 %]",
            "of persistence's",
            hint="RMSE as a share of persistence's: the interquartile mean over datasets and seeds, "
            "with its stratified bootstrap interval over seeds.",
        ),
        Column("Verdict", "against persistence", kind="text", hint="On how many datasets, each at its chosen length."),
        Column("Fit", _source(summary), hint="Time to fit one model: the geometric mean over datasets."),
        Column("Parameters", "median", hint="Trained numbers: the median over datasets, at the chosen lengths."),
    )
    lost = left_out([row.model for row in summary.ranking.ranks], summary.standings)
    notes = [
        summary.ranking.note,
        f"Without an error over all datasets, for want of a replicate: {listed(lost)}." if lost else "",
        "◆: every other model with an error as small takes longer to fit.",
        f"{FEW}: {_NARROW[0].lower()}{_NARROW[1:]}" if any(entry.mark == FEW for row in rows for entry in row) else "",
    ]
    return Table("ranking", "Models by average rank", columns, tuple(rows), below=" ".join(filter(None, notes)))


_ORDER = (Verdict.BETTER, Verdict.EQUIVALENT, Verdict.WORSE, Verdict.UNDECIDED)


def _verdicts(sections: Sequence[Section], row: Rank) -> TableEntry:
    """The words of the comparisons with persistence over the datasets, each with how often it is said."""
    said = Counter(_against_persistence(cell) for section in sections if (cell := section.chosen(row.model)))
    if not said:
        return nothing("no cell finished")
    words = [word for word in (*_ORDER, *(word for word in said if word not in _ORDER)) if word in said]
    if said.total() == 1 or Verdict.REFERENCE in said:
        return TableEntry(str(words[0]), row.with_skill)
    return TableEntry("\u00a0· ".join(f"{said[word]}\u00a0{word}" for word in words), row.with_skill)


def _against_persistence(cell: CellSummary) -> Verdict:
    """The comparison with persistence alone, where the verdict says that the cell is at the noise floor."""
    if cell.verdict is not Verdict.FLOOR or cell.against_persistence is None:
        return cell.verdict
    if cell.beats_persistence is ClaimOutcome.INCONCLUSIVE and cell.against_persistence.decided:
        return Verdict.EQUIVALENT
    return COMPARED[cell.beats_persistence]


def _parameters(sections: Sequence[Section], model: str) -> TableEntry:
    chosen = [cell for section in sections if (cell := section.chosen(model))]
    known = [cell.cost.parameters for cell in chosen if cell.cost.parameters is not None]
    return measured(median(known) if known else None, count)


def _source(summary: Summary) -> str:
    return "by the probe" if any(standing.probed for standing in summary.standings) else "as run"


def _fit_s(row: Rank, standing: Standing | None) -> float | None:
    return standing.fit_s if standing else row.fit_s


def _relative(standing: Standing | None) -> TableEntry:
    if standing is None:
        return nothing("a replicate is lost, persistence makes no error, or no dataset was finished by every model")
    error = standing.error
    interval = f" {bounds(error.interval, 2)}" if error.interval else ""
    few = bool(interval) and standing.seeds < FEW_SEEDS
    return TableEntry(
        number(error.value, 2) + interval, error.value, hint=_NARROW if few else "", mark=FEW if few else ""
    )


def by_dataset(summary: Summary) -> Table:
    """Which model for which data."""
    rows = [_choice(section) for section in summary.sections]
    columns = (
        Column("Dataset", kind="text"),
        Column("Smallest error", kind="text"),
        Column("RMSE", summary.words.unit),
        Column("Skill", hint="1 − MSE / MSE of persistence."),
        Column("Learnt", "of what can be", hint="How much of the way from persistence to the noise floor."),
        Column("Not shown to be worse", kind="prose"),
        Column("Quickest of these", "time to fit one seed", kind="text"),
    )
    return Table("choice", "Which model for which data", columns, tuple(rows))


def _choice(section: Section) -> tuple[TableEntry, ...]:
    best = section.best
    if best is None or best.rmse is None:
        return (TableEntry(section.title), *(nothing(section.statement) for _ in range(6)))
    near = [best, *(cell for name in section.rivals if (cell := section.chosen(name)))]
    timed = [(cell.cost.fit_s, cell.model) for cell in near if cell.cost.fit_s is not None]
    skill, learnt = best.skill, best.learnable_fraction
    return (
        TableEntry(section.title),
        TableEntry(best.model, strong=True, hint=str(best.verdict), mark=tabular.MARKS[best.verdict]),
        TableEntry(significant(best.rmse.value), best.rmse.value, cell=best.cell_id),
        TableEntry(number(skill.value, 2), skill.value, cell=best.cell_id)
        if skill
        else nothing("persistence makes no error"),
        TableEntry(percent(learnt.value), learnt.value, cell=best.cell_id) if learnt else nothing(tabular.NO_FLOOR),
        TableEntry(_near(section)),
        TableEntry(f"{min(timed)[1]}, {seconds(min(timed)[0])}") if timed else nothing(tabular.NO_TIME),
    )


def _near(section: Section) -> str:
    """The models that are not shown to be worse than the best, and apart from them those of which nothing is known."""
    near = listed(section.rivals) or "no other model"
    names = (("not tested", section.untested), ("far worse here, undecided", section.apart))
    besides = [f"{why}: {listed(models)}" for why, models in names if models]
    return f"{near} ({'; '.join(besides)})" if besides else near


def costs(summary: Summary) -> Table:
    """Time, memory and size of every finished cell."""
    rows = [
        (
            *names,
            replace(measured(cell.cost.fit_s, seconds, otherwise=tabular.NO_TIME), cell=cell.cell_id),
            measured(cell.cost.predict_s, seconds, otherwise=tabular.NO_TIME),
            measured(cell.cost.tuning_s, seconds, otherwise=tabular.NOT_TUNED),
            measured(cell.cost.peak_memory_bytes, mebibytes),
            measured(cell.cost.parameters, count),
            measured(cell.cost.epochs, number),
        )
        for names, cell in _finished(summary)
    ]
    columns = (
        *_NAMES,
        tabular.LENGTH,
        Column("Fit", "one seed, median", hint="Its share of the time of all seeds trained together."),
        Column("Predict", "test part, median"),
        Column("Tuning", "all trials"),
        Column("Peak memory", "process"),
        Column("Parameters"),
        tabular.EPOCHS,
    )
    return Table("costs", "Time, memory and size", columns, tuple(rows))


def _finished(summary: Summary) -> Iterator[tuple[tuple[TableEntry, ...], CellSummary]]:
    """The cells that have results, each with the entries that name it."""
    for section in summary.sections:
        for cell in section.cells:
            if cell.finished:
                yield (TableEntry(section.title), TableEntry(cell.model), length(cell)), cell


def failures(summary: Summary) -> Table:
    """What did not finish, and what to do about it."""
    titles = {(section.dataset, section.horizon): section.title for section in summary.sections}
    rows = [
        (
            TableEntry(titles[failure.dataset, failure.horizon]),
            TableEntry(failure.model),
            TableEntry(count(failure.sequence_length), failure.sequence_length),
            TableEntry(failure.status),
            TableEntry(str(failure.replicates), failure.replicates),
            TableEntry(failure.reason + (f" — {failure.advice}" if failure.advice else "")),
        )
        for failure in summary.failures
    ]
    columns = (
        *_NAMES,
        tabular.LENGTH,
        Column("Status", kind="text"),
        Column("Seeds"),
        Column("Why, and what to do", kind="prose"),
    )
    return Table("failures", "What did not finish", columns, tuple(rows))


def kept(summary: Summary) -> Table:
    """What the folder holds and the suite does not request."""
    places = decimals(cell.rmse for cell in summary.kept)
    rows = [
        (
            TableEntry(cell.key.dataset),
            TableEntry(cell.key.model),
            TableEntry(count(cell.key.sequence_length), cell.key.sequence_length),
            TableEntry(count(cell.key.horizon), cell.key.horizon),
            measured(cell.rmse, partial(number, places=places), otherwise="no replicate is ok"),
            TableEntry(str(cell.replicates), cell.replicates),
            TableEntry(cell.reason),
            TableEntry(f"bench show {cell.cell_id} --results {quote(summary.folder)}"),
        )
        for cell in summary.kept
    ]
    columns = (
        *_NAMES,
        tabular.LENGTH,
        Column("Horizon", "points"),
        Column("RMSE", summary.words.unit),
        Column("Seeds"),
        Column("Why it is apart", kind="prose"),
        Column("Its rows", kind="code"),
    )
    return Table("kept", "Kept from earlier suites", columns, tuple(rows))
