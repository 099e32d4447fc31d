"""Tables of text: the cost of each model, one table for each machine, and the settings it was trained with."""

from collections.abc import Callable, Iterable, Sequence

from bench.reporting.costs import ProbedCell, by_machine, of_older_sessions
from bench.reporting.tabular import (
    EPOCHS,
    LENGTH,
    NO_TIME,
    NOT_TUNED,
    Column,
    Table,
    TableEntry,
    length,
    measured,
    nothing,
)
from bench.reporting.trained import TuningSummary
from bench.reporting.values import CellSummary, Model, Summary
from bench.stats.aggregates import Median
from bench.text import NOTHING, count, decimals, mebibytes, number, percent, plural, seconds, setting, significant

NOT_PROBED = "Not probed; run `bench probe {place}` for the cost of each model apart from any other work."
"""`place` is the results folder, which keeps the suite, and the option that allows code where it names some."""

OLDER = "†"
_ABOUT_OLDER = f"{OLDER} measured at another time than the other models of its case, not in turn with them."

_COLUMNS = (
    Column("Dataset", kind="text"),
    Column("Model", kind="text"),
    Column("Length", "points"),
    Column("Step", "one batch", hint="Forward pass, backward pass and Adam on one batch of the cell's size."),
    Column("Fit", "one model", hint="Measured for closed forms; else steps and validation of all its epochs."),
    Column("Latency", "one window"),
    Column("Throughput", "windows/s", hint="Predictions of a batch of 1024 windows."),
    Column("Peak memory", "training", hint="Above what a process takes before it holds the model."),
    Column("Parameters"),
    Column("FLOPs", "one window", hint="Matrix products of one prediction, by formula."),
    Column("Bank step", "one member", hint="One step of the bank that a run trains, divided by its members."),
    Column("Timed", kind="text"),
    Column("Samples", kind="code"),
)
_ON_A_TERMINAL = {"Dataset", "Model", "Length", "Step", "Fit", "Latency", "Peak memory", "Parameters"}
_UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))


def tables(cells: Sequence[ProbedCell]) -> tuple[Table, ...]:
    """One table for each machine: times of different machines do not compare."""
    made: list[Table] = []
    for machine, own in by_machine(cells).items():
        rounds = max(cell.rounds for cell in own)
        older = of_older_sessions(own)
        below = f"Medians of {plural(rounds, 'round')} with their 95 % intervals; one process at a time."
        made.append(
            Table(
                name=f"probes-{len(made) + 1}",
                caption=f"Cost by the probe: {machine}",
                columns=_COLUMNS,
                rows=tuple(_row(cell, OLDER if cell.cell_id in older else "") for cell in own),
                below=f"{below} {_ABOUT_OLDER}" if older else below,
            )
        )
    return tuple(made)


def shown(cells: Sequence[ProbedCell]) -> list[list[str]]:
    """The same as rows of text, without the columns that a terminal has no room for."""
    kept = [place for place, column in enumerate(_COLUMNS) if column.title in _ON_A_TERMINAL]
    rows = [[_COLUMNS[place].title.lower() for place in kept]]
    for cell in cells:
        entries = _row(cell)
        rows.append([entries[place].text for place in kept])
    return rows


def _row(cell: ProbedCell, mark: str = "") -> tuple[TableEntry, ...]:
    source = {"runs": "as trained by the run", "suite": "the suite's own"}.get(cell.parameters_from, "")
    given = ", ".join(f"{name} {setting(value)}" for name, value in cell.model_parameters.items()) or "none"
    return (
        TableEntry(cell.dataset),
        TableEntry(cell.model, hint=f"Parameters ({source}): {given}", mark=mark),
        TableEntry(count(cell.sequence_length), cell.sequence_length),
        _entry(cell, "step_s", duration),
        _entry(cell, "fit_s", duration),
        _entry(cell, "latency_s", duration),
        _entry(cell, "windows_per_s", _rate, hint=_within(cell.values.get("windows_per_s"))),
        _entry(cell, "peak_memory_bytes", lambda median: mebibytes(median.value)),
        _entry(cell, "parameters", lambda median: count(median.value)),
        _entry(cell, "forward_flops", lambda median: count(median.value)),
        _entry(cell, "bank_step_s", duration, hint=cell.bank),
        TableEntry(cell.implementation or NOTHING, hint=cell.reason),
        TableEntry(f"bench show {cell.cell_id} --table probes"),
    )


def _entry(cell: ProbedCell, quantity: str, show: Callable[[Median], str], *, hint: str = "") -> TableEntry:
    median = cell.values.get(quantity)
    if median is None:
        return nothing(cell.reason or "not defined for this model")
    return TableEntry(show(median), median.value, hint=hint)


def duration(median: Median) -> str:
    """A time and its interval in one unit.

    >>> duration(Median(0.0024, (0.0023, 0.00251), 9)).split()
    ['2.40', 'ms', '[2.30,', '2.51]']
    """
    factor, unit = next((factor, unit) for limit, factor, unit in _UNITS if median.value < limit)
    scaled = [factor * value for value in (median.value, *(median.bounds or ()))]
    places = min(decimals(scaled[:1], digits=3) or 0, 3)
    value, *ends = (f"{each:.{places}f}" for each in scaled)
    return f"{value} {unit} [{', '.join(ends)}]" if ends else f"{value} {unit}"


def _rate(median: Median) -> str:
    """To three significant digits.

    >>> _rate(Median(34149.2, None, 9)).split()
    ['34', '100']
    """
    return count(float(f"{median.value:.3g}"))


def _within(median: Median | None) -> str:
    """The interval, for where there is no room for it."""
    return "" if median is None or median.bounds is None else "95 %: {} to {}".format(*map(count, median.bounds))


_MATTERED = "Hyperparameters whose values explain more of the validation error (its logarithm) than chance, at 5 %."


def model_table(summary: Summary, model: Model, *, name: str) -> Table:
    """Every finished cell of `model`."""
    cells = [
        (s.title, cell) for s in summary.sections for cell in s.cells if cell.model == model.name and cell.finished
    ]
    tunings = {(s.title, t.sequence_length): t for s in summary.sections for t in s.tuned if t.model == model.name}
    shared = _shared([cell for _, cell in cells])
    several = len(summary.sequence_lengths) > 1
    columns = [
        Column("Dataset", kind="text"),
        LENGTH,
        Column("RMSE", summary.words.unit),
        Column("Fit", "one seed, median"),
        Column("Tuning", "all trials"),
        EPOCHS,
        Column("Parameters", "fitted numbers"),
        Column("Hyperparameters", kind="prose"),
        *([Column("Mattered", "of the trials' variance", kind="text", hint=_MATTERED)] if tunings else []),
    ]
    rows = (
        (
            TableEntry(title),
            length(cell, mark="✓" if several and cell.chosen else ""),
            *_numbers(cell),
            TableEntry(_settings(item for item in cell.hyperparameters if item not in shared) or "as below"),
            *([_mattered(tunings.get((title, cell.sequence_length)))] if tunings else []),
        )
        for title, cell in cells
    )
    notes = ["✓: the best length on validation."] if several else []
    notes += [f"The same in every cell: {_settings(shared)}."] if shared else []
    return Table(name, f"Cells of {model.name}", tuple(columns), tuple(rows), below=" ".join(notes))


def _shared(cells: Sequence[CellSummary]) -> list[tuple[str, str]]:
    """The hyperparameters that are the same in all of `cells`."""
    first = cells[0].hyperparameters if cells else ()
    return [item for item in first if all(item in cell.hyperparameters for cell in cells)]


def _settings(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in items)


def _numbers(cell: CellSummary) -> tuple[TableEntry, ...]:
    rmse = cell.rmse.value if cell.rmse else None
    return (
        nothing("no error is stored") if rmse is None else TableEntry(significant(rmse), rmse, cell=cell.cell_id),
        measured(cell.cost.fit_s, seconds, otherwise=NO_TIME),
        measured(cell.cost.tuning_s, seconds, otherwise=NOT_TUNED),
        measured(cell.cost.epochs, number),
        measured(cell.cost.parameters, count),
    )


def _mattered(tuned: TuningSummary | None) -> TableEntry:
    if tuned is None:
        return nothing("looked at where the length is best on validation, and tuned")
    shares = ", ".join(f"{name} {percent(share)}" for name, share in tuned.mattered)
    return TableEntry(shares or "none shown", hint=f"{len(tuned.trials)} trials")
