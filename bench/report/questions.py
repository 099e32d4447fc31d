"""A reader's five questions, each answered over all datasets in plain, cautious words."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.budget import left_out
from bench.report.findings import Answer, Ranking, Standing
from bench.report.statement import named_correctly
from bench.report.text import listed, mebibytes, number, percent, plural, probability, seconds
from bench.report.values import CellSummary, Counts, Section, Verdict

WHICH = "Which model should I use?"
REAL = "Is the difference real?"
POSSIBLE = "How far is it from what is possible?"
COST = "What does it cost?"
CHECK = "Can I check it?"


def answers(
    sections: Sequence[Section], ranking: Ranking, standings: Sequence[Standing], *, counts: Counts, seeds: int
) -> tuple[Answer, ...]:
    """What was found over all datasets; `seeds` is how many replicates a cell has."""
    if not counts.stored:
        none = Answer(WHICH, ("There are no results: not one cell has been run.",))
        probed = f"The cost of {plural(counts.probed, 'cell')} was probed: see below."
        return (none, Answer(COST, (probed,))) if counts.probed else (none,)
    if not counts.replicates_finished:
        lost = f"No replicate of the {plural(counts.stored, 'cell')} finished, so there is nothing to compare."
        return (Answer(WHICH, (lost,)), Answer(CHECK, tuple(_check(counts))))
    found = (
        Answer(WHICH, (*_choice(sections, ranking), *_front(standings, ranking))),
        Answer(REAL, (*_over_datasets(ranking), *_told_apart(sections), *_untested(sections, seeds))),
        Answer(POSSIBLE, tuple(_possible(sections))),
        Answer(COST, tuple(_cost(sections))),
        Answer(CHECK, tuple(_check(counts))),
    )
    return tuple(answer for answer in found if answer.sentences)


def _choice(sections: Sequence[Section], ranking: Ranking) -> list[str]:
    """The best model; where none is shown to beat persistence, that goes first."""
    leader, skill = _leader(sections, ranking), _skill(sections)
    skilled = any(cell.skilled for section in sections for cell in section.cells)
    return [*leader, *skill] if skilled else [*skill, *leader]


def _leader(sections: Sequence[Section], ranking: Ranking) -> list[str]:
    averages = [row for row in ranking.ranks if row.average is not None]
    if len(averages) < 2 or ranking.sections < 2:
        alone = [section.best for section in sections if section.best and len(sections) == 1]
        return [f"{cell.model} has the smallest error.{named_correctly(cell)}" for cell in alone if len(averages) > 1]
    first = [row.model for row in averages if row.average == averages[0].average]
    verb = "has" if len(first) == 1 else "share"
    average = f"{number(averages[0].average, 1)} of {len(averages)} models over {ranking.over}"
    return [f"{listed(first)} {verb} the best average rank: {average}."]


def _front(standings: Sequence[Standing], ranking: Ranking) -> list[str]:
    """What each budget of time buys."""
    front = [standing for standing in standings if standing.on_front]
    if len(front) < 2:
        return []
    steps = [f"{seconds(item.fit_s)} {item.model} ({number(item.error.value, 2)})" for item in front]
    others = " Every other model compared takes longer for no smaller error." if len(front) < len(standings) else ""
    lost = left_out([row.model for row in ranking.ranks], standings)
    without = f" Not among them, for want of a replicate: {listed(lost)}." if lost else ""
    source = "by the probe" if front[0].probed else "as it was run"
    measured = f"By time to fit one model ({source}), with the error as a share of persistence's"
    return [f"{measured}: {listed(steps)}.{others}{without}"]


def _over_datasets(ranking: Ranking) -> list[str]:
    """What the ranks say, where there are enough of them."""
    if ranking.friedman_p is None:
        return []
    if not ranking.separable:
        return [f"Ranks over {ranking.over} cannot separate two of {len(ranking.ranks)} models: there are too few."]
    differ = "differ" if ranking.friedman_p < 0.05 else "are not shown to differ"
    said = f"Over {ranking.over} the models {differ} (Friedman, {probability(ranking.friedman_p)})"
    first = next(iter(ranking.ranks)).model
    beside = sorted({name for group in ranking.groups if first in group for name in group} - {first})
    return [f"{said}; {first} is not separated from {listed(beside)}." if beside else f"{said}."]


def _told_apart(sections: Sequence[Section]) -> list[str]:
    compared = [section for section in sections if section.best and len(_others(section)) > 0]
    if not compared:
        return []
    alone = [section.title for section in compared if not section.rivals]
    whole = len(compared) == len(sections)
    if len(alone) == len(compared):
        where = "" if whole else f" with models to compare ({len(compared)} of {len(sections)})"
        return [f"On every dataset{where} the error of every other model is shown to be larger than the smallest."]
    if not alone:
        return ["On no dataset is one model shown to be better than all others."]
    elsewhere = "elsewhere" if whole else "on the others with models to compare"
    return [
        f"On {_names(alone, len(sections))} every other model's error is shown to be larger than the smallest; "
        f"{elsewhere} at least one other model is not shown to be worse."
    ]


def _others(section: Section) -> list[CellSummary]:
    return [cell for cell in section.cells if cell.chosen and cell is not section.best]


def _names(titles: Sequence[str], of: int, most: int = 6) -> str:
    return listed(titles) if len(titles) <= most else f"{len(titles)} of {plural(of, 'dataset')}"


def _skill(sections: Sequence[Section]) -> list[str]:
    skilled = {
        s.title: {cell.skilled for cell in s.cells if cell.chosen and cell.skilled is not None} for s in sections
    }
    with_skill = [title for title, found in skilled.items() if True in found]
    without = [title for title, found in skilled.items() if found == {False}]
    leaks = [s.title for s in sections if any(cell.chosen and cell.verdict is Verdict.LEAK for cell in s.cells)]
    sentences = []
    if with_skill:
        sentences.append(f"At least one model beats persistence on {_names(with_skill, len(sections))}.")
    if without:
        sentences.append(f"On {_names(without, len(sections))} no model is shown to beat persistence: no skill.")
    if leaks:
        sentences.append(f"On {_names(leaks, len(sections))} a suspected leak is not counted as skill.")
    return sentences


def _untested(sections: Sequence[Section], seeds: int) -> list[str]:
    """Why nothing is said about skill, where nothing is."""
    chosen = [cell for section in sections for cell in section.cells if cell.chosen]
    if any(cell.skilled is not None or cell.verdict is Verdict.LEAK for cell in chosen):
        return []
    if all(cell.verdict is Verdict.REFERENCE for cell in chosen):
        return ["Only persistence finished: there is nothing to test against it."]
    if not any(section.same_data for section in sections):
        return ["Nothing could be tested against persistence: the cells did not all see the same data."]
    why = "one seed" if seeds == 1 else "an interval over the seeds or over the test window is missing"
    return [f"Nothing could be tested against persistence: {why}."]


def _possible(sections: Sequence[Section]) -> list[str]:
    """How much of what can be learnt the best models learn, where that is known."""
    of = len(sections)
    best = {s.title: s.best for s in sections if s.best and s.best.verdict is not Verdict.REFERENCE}
    learnt = {t: cell.learnable_fraction.value for t, cell in best.items() if cell.learnable_fraction}
    floors = {section.title for section in sections if section.noise_floor_rmse is not None}
    nothing = [section.title for section in sections if section.title in floors and not _learnable(section)]
    unknown = [section.title for section in sections if section.best and section.title not in floors]
    sentences = []
    if learnt:
        low, high = (percent(min(1.0, pick(learnt.values()))) for pick in (min, max))
        share = low if low == high else f"{low} to {high}"
        sentences.append(f"The best models learn {share} of what can be learnt on {_names(list(learnt), of)}.")
    if nothing:
        sentences.append(
            f"On {_names(nothing, of)} it cannot be told whether there is anything to learn: "
            "the error of persistence is within chance of the noise floor."
        )
    if unknown:
        sentences.append(f"For {_names(unknown, of)} nobody knows the smallest possible error.")
    return sentences


def _learnable(section: Section) -> bool:
    return any(cell.learnable_fraction for cell in section.cells)


def _cost(sections: Sequence[Section]) -> list[str]:
    chosen = [cell for section in sections for cell in section.cells if cell.chosen]
    fits = {cell.model: cell.cost.fit_s for cell in chosen if cell.cost.fit_s is not None}
    if not fits:
        return ["No time is known that was measured on one machine."]
    quick, slow = (pick((cell for cell in chosen if cell.cost.fit_s is not None), key=_fit_s) for pick in (min, max))
    tuning = max((cell.cost.tuning_s or 0.0 for cell in chosen), default=0.0)
    memory = max((cell.cost.peak_memory_bytes or 0 for cell in chosen), default=0)
    between = " and ".join(f"{seconds(cell.cost.fit_s)} ({cell.model} on {cell.dataset})" for cell in (quick, slow))
    return [
        f"Fitting one seed took between {between}"
        + (f", tuning a cell up to {seconds(tuning)}" if tuning else "")
        + (f"; the largest process held {mebibytes(memory)}" if memory else "")
        + "."
    ]


def _fit_s(cell: CellSummary) -> float:
    return cell.cost.fit_s or 0.0


def _check(counts: Counts) -> list[str]:
    lost, absent = counts.stored - counts.finished, counts.cells - counts.stored
    unfinished = f"{lost} of {plural(counts.stored, 'cell')} did not finish completely; the failures say why."
    unstored = f"{absent} of {plural(counts.cells, 'cell')} of the suite have no row yet."
    return [
        *([unfinished] if lost else []),
        *([unstored] if absent else []),
        "Every number leads to the rows that it comes from, and the commands that make them again are given.",
    ]
