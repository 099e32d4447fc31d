"""``bench judge``: every statistic of the report on forecasts that anybody made."""

from collections.abc import Iterator
from pathlib import Path

from bench.api.judged import delays, source_of
from bench.cells import CellKey
from bench.cli.terminal import say
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Section
from bench.stats.delay import Delay
from bench.text import columns, number, plural


def judged(predictions: Path, truth: Path | None) -> None:
    """Print a table of the models and the tests in sentences."""
    source, notes = source_of(predictions, truth)
    for note in notes:
        say(f"note: {note}", err=True)
    late = delays(source)
    for section in summarise(source).sections:
        say("\n".join(_lines(section, late)))


HEAD = ("model", "RMSE", "MAE", "skill", "95 % over the window", "against persistence", "against the best", "delay")


def _lines(section: Section, late: dict[CellKey, Delay | None]) -> Iterator[str]:
    cells = sorted(section.cells, key=lambda cell: cell.rmse.value if cell.rmse else float("inf"))
    yield f"{section.dataset}, {plural(section.horizon, 'step')} ahead"
    yield ""
    yield columns([HEAD, *(_row(cell, late) for cell in cells)])
    yield ""
    yield section.statement
    yield from dict.fromkeys(text for cell in cells for text in (cell.why, cell.why_not_best) if text)
    yield ""


def _row(cell: CellSummary, late: dict[CellKey, Delay | None]) -> tuple[str, ...]:
    low, high = cell.skill_in_window or (None, None)
    window = "–" if low is None else f"{number(low)} to {number(high)}"
    delay = late.get(CellKey(cell.dataset, cell.model, cell.sequence_length, cell.horizon))
    shown = str(delay.steps) if delay and delay.shown else "–"
    skill = number(cell.skill.value if cell.skill else None)
    rmse = number(cell.rmse.value if cell.rmse else None)
    return cell.model, rmse, number(cell.mae), skill, window, cell.words, cell.words_next_to_best or "–", shown
