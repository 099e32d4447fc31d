"""The best model within a budget, by dataset.

What does not fit is taken out before anything is chosen or tested: the sequence length of each model is chosen on
validation among those that fit, and claims are corrected for the models that are left.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from shlex import quote as shell
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import CellSpec
from bench.errors import InputError
from bench.reporting.budget import QUANTITIES, Budget, Costs, known_costs
from bench.reporting.costs import costs
from bench.reporting.sentences import ONLY
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Section
from bench.stats.claims import ClaimOutcome
from bench.stats.verdicts import Verdict
from bench.store.grid import by_cell
from bench.text import TextTable, listed, number, plural

LEFT = "is the only model left"
"""Of a model next to which there is no other within the budget."""


@dataclass(frozen=True)
class Recommendation:
    """The model to use for one dataset at one horizon.

    Parameters
    ----------
    title
        Of the dataset, with its horizon where there are several.
    model
        The quickest to fit of those as good as the one with the smallest error within the budget: equivalent to it, or
        like it at the noise floor. Persistence where none is shown to beat it; `None` where nothing finished.
    cell
        Its cell, as the report of what fits would show it; `None` as for `model`, or where persistence was not run.
    cost
        What it costs.
    why
        The comparison in sentences.
    cheaper
        Models that are not shown to be worse than it, and quicker to fit, the quickest first.
    """

    title: str
    dataset: str
    horizon: int
    model: str | None
    cell: CellSummary | None
    cost: Costs
    why: str
    cheaper: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advice:
    """What to use within a budget.

    Parameters
    ----------
    recommendations
        One for each dataset and horizon.
    left_out
        Title of the dataset with the model and its length → why it does not fit.
    cautions
        What to know of the limits.
    """

    recommendations: tuple[Recommendation, ...]
    left_out: Mapping[str, str]
    cautions: tuple[str, ...] = ()


def recommend(source: Source, budget: Budget, *, dataset: str | None = None) -> Advice:
    """The best model of each dataset within `budget`.

    Parameters
    ----------
    dataset
        The only one; `None` for all.

    Raises
    ------
    InputError
        There is no such dataset, or a limit is on what was never measured.
    """
    runs = source.rows["runs"]
    names = sorted(set(runs["dataset"].to_pylist()))
    if dataset is not None and dataset not in names:
        raise InputError(f"dataset: expected one of {listed(names)}, got {dataset!r}")
    chosen = [name for name in names if dataset in (None, name)]
    source, _ = source.parted(chosen)
    probed = costs(source.rows["probes"]) if "probes" in source.rows else ()
    known = known_costs(source.rows["runs"], probed)
    probe = f"bench probe {shell(source.folder)}{source.flag}"
    _refuse_unmeasured(budget, known, source.folder, probe)
    fitting, left_out = _fitting(source, budget, known)
    summary = summarise(_only(source, fitting))
    limited = {name.partition(": ")[0] for name in left_out}
    apart = known.keys() - {cell.cell_id for cell in probed if cell.value("peak_memory_bytes") is not None}
    caution = _WHOLE.format(count=len(apart), all=plural(len(known), "cell"), probe=probe)
    cautions = (caution,) if apart and budget.memory_bytes is not None else ()
    made = (_recommended(section, known, limited) for section in summary.sections)
    return Advice(tuple(_with_excess(each, budget) for each in made), left_out, cautions)


def _with_excess(each: Recommendation, budget: Budget) -> Recommendation:
    """Persistence stays as the reference whatever it costs: where it is over the budget itself, the reasons say so."""
    over = budget.exceeded(each.cost) if each.cost else ""
    return replace(each, why=f"{each.why} {each.model} itself is over the budget ({over}).") if over else each


_WHOLE = (
    "Memory of {count} of {all} is that of the whole process of the run, libraries included, since they were not "
    "probed: `{probe}` measures what each model itself takes."
)


def _refuse_unmeasured(budget: Budget, known: Mapping[str, Costs], folder: str, probe: str) -> None:
    for name, (called, _) in QUANTITIES.items():
        if getattr(budget, name) is not None and not any(name in cost for cost in known.values()):
            raise InputError(f"{folder}: expected cells whose {called} was measured, got none; run `{probe}` first")


def _fitting(source: Source, budget: Budget, known: Mapping[str, Costs]) -> tuple[list[str], dict[str, str]]:
    """The ids of the cells within `budget`, and of the others why they are not; persistence stays as the reference."""
    fitting, left_out = [], {}
    for cell_id, rows in by_cell(source.rows["runs"]).items():
        row = {name: rows[name][0].as_py() for name in ("dataset", "model", "sequence_length", "spec")}
        exceeded = budget.exceeded(known[cell_id])
        if not exceeded or CellSpec.from_json(row["spec"]).model_kind == "persistence":
            fitting.append(cell_id)
        else:
            left_out[f"{row['dataset']}: {row['model']} at length {row['sequence_length']}"] = exceeded
    return fitting, left_out


def _only(source: Source, cells: Sequence[str]) -> Source:
    """The rows of these cells, as if no others had been run."""
    ids = pa.array(cells, pa.string())
    rows = {name: table.filter(pc.is_in(table["cell_id"], value_set=ids)) for name, table in source.rows.items()}
    return replace(source, rows=rows, requested=None, fewer=frozenset(), kept=())


def _recommended(section: Section, known: Mapping[str, Costs], limited: Collection[str]) -> Recommendation:
    """Of one section; of the `limited` datasets some cells are over the budget."""
    best = section.best
    shown = best is not None and best.beats_persistence is ClaimOutcome.HOLDS
    reference = next((cell for cell in section.cells if cell.chosen and cell.verdict is Verdict.REFERENCE), None)
    cell = _quickest_as_good(section, best, known) if shown and best else reference if best else None
    why = section.statement.replace(ONLY, LEFT) if section.dataset in limited else section.statement
    if shown and best and cell and cell is not best:
        why += f" {cell.model} is as good ({cell.words_next_to_best} next to it) and quicker to fit."
    make = partial(Recommendation, section.title, section.dataset, section.horizon, why=why)
    if best is None:
        return make(None, None, {})
    if cell is None:
        return make("persistence", None, {})
    cost = known.get(cell.cell_id or "", {})
    return make(cell.model, cell, cost, cheaper=tuple(_cheaper(section, known, than=cost)) if shown else ())


def _quickest_as_good(section: Section, best: CellSummary, known: Mapping[str, Costs]) -> CellSummary:
    """The best cell of `section`, or the quickest to fit of those that are as good and shown to beat persistence."""
    as_good = [cell for cell in section.cells if cell is best or _is_as_good(cell, best)]
    return min(
        as_good, key=lambda cell: known.get(cell.cell_id or "", {}).get("fit_s", inf if cell is not best else 0.0)
    )


def _is_as_good(cell: CellSummary, best: CellSummary) -> bool:
    if not cell.chosen or cell.beats_persistence is not ClaimOutcome.HOLDS:
        return False
    claim = cell.against_best
    equivalent = claim is not None and claim.outcome == Verdict.EQUIVALENT.value
    return equivalent or cell.verdict is best.verdict is Verdict.FLOOR


def _cheaper(section: Section, known: Mapping[str, Costs], *, than: Costs) -> Iterator[str]:
    """The models not shown to be worse than the best one that fit sooner and are shown to beat persistence."""
    cells = [cell for name in section.rivals if (cell := section.chosen(name))]
    skilled = [cell for cell in cells if cell.beats_persistence is ClaimOutcome.HOLDS]
    times = {cell.model: known.get(cell.cell_id or "", {}).get("fit_s", inf) for cell in skilled}
    yield from sorted((name for name in times if times[name] < than.get("fit_s", 0.0)), key=times.__getitem__)


def advice_parts(advice: Advice) -> list[str | TextTable]:
    """The advice for a terminal: a table, then the comparisons, then what does not fit."""
    header = ["dataset", "use", "length", "RMSE", "verdict", *(called for called, _ in QUANTITIES.values())]
    parts: list[str | TextTable] = [TextTable([_line(each) for each in advice.recommendations], header, names=2)]
    for each in advice.recommendations:
        parts += ["", _reasons(each)]
    if advice.left_out:
        cells = [f"  {name}: {why}" for name, why in advice.left_out.items()]
        parts += ["", f"Over the budget: {plural(len(cells), 'cell')}", *cells]
    return parts + [part for caution in advice.cautions for part in ("", caution)]


def _line(each: Recommendation) -> list[str]:
    cell = each.cell
    shown = [show(each.cost.get(name)) for name, (_, show) in QUANTITIES.items()]
    if cell is None:
        return [each.title, each.model or "–", "–", "–", "–", *shown]
    rmse = number(cell.rmse.value if cell.rmse else None)
    return [each.title, cell.model, str(cell.sequence_length), rmse, cell.words or str(cell.verdict), *shown]


def _reasons(each: Recommendation) -> str:
    quicker = f" Quicker to fit and not shown to be worse: {listed(each.cheaper)}." if each.cheaper else ""
    return f"{each.title}: {each.why}{quicker}"


COLUMNS = (
    *("dataset", "horizon", "model", "sequence_length", "rmse", "skill", "verdict", *QUANTITIES),
    *("cheaper", "why", "cell_id"),
)
"""The columns of `advice_rows`."""


def advice_rows(advice: Advice) -> list[dict[str, Any]]:
    """The advice as rows of `COLUMNS`; what is not known is None."""
    return [
        {
            **{name: getattr(each, name) for name in ("dataset", "horizon", "model", "why")},
            **{name: getattr(each.cell, name, None) for name in ("sequence_length", "cell_id")},
            "rmse": each.cell.rmse.value if each.cell and each.cell.rmse else None,
            "skill": each.cell.skill.value if each.cell and each.cell.skill else None,
            "verdict": each.cell.words if each.cell else None,
            **{name: each.cost.get(name) for name in QUANTITIES},
            "cheaper": list(each.cheaper),
        }
        for each in advice.recommendations
    ]
