"""What was found on one dataset, in plain, cautious words."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.text import bounds, decimals, listed, number, percent, plural, significant
from bench.report.values import CellSummary, Verdict

OTHER_DATA = "The cells did not all see the same data: nothing is said about which error is smaller."
"""The statement on such a dataset."""


def statement(
    cells: Sequence[CellSummary],
    best: CellSummary | None,
    rivals: Sequence[str],
    *,
    untested: Sequence[str] = (),
    persistence_rmse: float | None,
) -> str:
    """What was found on one dataset; `untested` are those of `rivals` that could not be held against the best."""
    if best is None:
        why = next((cell.note for cell in cells if cell.cell_id and cell.note), "no error is stored")
        return f"No cell finished: {why}."
    parts = [
        _smallest(best, cells),
        _rivals(best, rivals, untested, cells),
    ]
    parts.append(_skill(cells, best, persistence_rmse))
    return " ".join(part for part in parts if part)


def _smallest(best: CellSummary, cells: Sequence[CellSummary]) -> str:
    if best.rmse is None:
        raise ValueError(f"{best.model}: the best cell has an error")
    places = decimals([best.rmse.value])
    alone = all(cell.model == best.model for cell in cells if cell.chosen)
    several_lengths = len({cell.sequence_length for cell in cells}) > 1
    lengths_matter = several_lengths and best.verdict is not Verdict.REFERENCE
    found = "is the only model that finished" if alone else "has the smallest error"
    where = f" at sequence length {best.sequence_length}" if lengths_matter else ""
    over = f"95 % interval over {plural(best.finished, 'seed')} {bounds(best.rmse.interval, places)}"
    spread = f" ({over})" if best.rmse.interval else ""
    return f"{best.model} {found}{where}: RMSE {number(best.rmse.value, places)}{spread}.{named_correctly(best)}"


def named_correctly(cell: CellSummary) -> str:
    """How well a classifier does in a reader's words; empty for what is none."""
    if cell.accuracy is None or cell.log_loss is None:
        return ""
    return f" It names {percent(cell.accuracy)} of the classes correctly (log-loss {significant(cell.log_loss)})."


def _rivals(best: CellSummary, rivals: Sequence[str], untested: Sequence[str], cells: Sequence[CellSummary]) -> str:
    others = {cell.model for cell in cells if cell.chosen} - {best.model}
    if not others:
        return ""
    if not rivals:
        return "Every other model's error is shown to be larger."
    near = [model for model in rivals if model not in untested]
    return " ".join(
        said
        for said, models in (
            (f"It cannot be told from {listed(near)}.", near),
            (f"{listed(untested)} could not be tested against it.", untested),
        )
        if models
    )


def _skill(cells: Sequence[CellSummary], best: CellSummary, persistence_rmse: float | None) -> str:
    chosen = [cell for cell in cells if cell.chosen]
    skilled = [cell.model for cell in chosen if cell.skilled]
    told = persistence_rmse is not None and best.verdict is not Verdict.REFERENCE
    reference = f" (RMSE {significant(persistence_rmse)})" if told else ""
    if not skilled:
        return _no_skill(chosen, reference)
    if best.model not in skilled:
        others = f"{listed(skilled)} {'is' if len(skilled) == 1 else 'are'}"
        if best.verdict is Verdict.LEAK:
            return f"It is suspected of a leak; {others} shown to beat persistence{reference}."
        return f"It is not shown to beat persistence{reference}; {others}."
    skill, learnt = best.skill, best.learnable_fraction
    share = f", {percent(learnt.value)} of what can be learnt" if learnt else ""
    return f"Its skill against persistence{reference} is {number(skill.value if skill else None, 2)}{share}."


def _no_skill(chosen: Sequence[CellSummary], reference: str) -> str:
    """Why no model has skill: none is shown to, or none could be."""
    leaking = [cell.model for cell in chosen if cell.verdict is Verdict.LEAK]
    if any(cell.skilled is False for cell in chosen):
        return f"No model is shown to beat persistence{reference}: no skill."
    if all(cell.verdict is Verdict.REFERENCE for cell in chosen):
        return ""
    if leaking:
        return f"Of a suspected leak nothing is said about skill: {listed(leaking)}."
    return "No model could be tested against persistence."
