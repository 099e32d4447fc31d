"""The sentences of a report, in plain, cautious words: the same text for HTML and Markdown.

They define the terms, state the findings on one dataset, and answer the reader's five questions over all datasets.
"""

from collections.abc import Sequence

from bench.reporting.ranking import left_out
from bench.reporting.values import Answer, CellSummary, Counts, Ranking, Section, Standing
from bench.stats.claims import ClaimOutcome
from bench.stats.verdicts import Verdict
from bench.text import (
    bounds,
    count,
    decimals,
    listed,
    mebibytes,
    number,
    percent,
    plural,
    probability,
    seconds,
    significant,
)

TERMS = (
    (
        "RMSE",
        "The square root of the mean squared error over all test targets and seeds, in the data's own units. "
        "Smaller is better.",
    ),
    ("Persistence", "The forecast “the last value again”: what every model must beat."),
    ("Skill", "1 − MSE / MSE of persistence. 1 is no error, 0 is as good as persistence, below 0 is worse."),
    (
        "MASE",
        "The mean absolute error, in units of that of the value one season ago on the train part; of persistence where "
        "no season is known.",
    ),
    ("Noise floor", "The error of the best possible forecast, known where the data was generated."),
    (
        "Best linear forecast",
        "The error to expect of the best weighted sum of the window, where the covariance is known.",
    ),
    (
        "Learnable",
        "How much of the way from persistence to the noise floor a model goes. Chance can take it past 100 %.",
    ),
    (
        "Over seeds",
        "A 95 % interval over replicates: would other random numbers in training give the same? It holds both the mean "
        "error and that of a typical replicate, from the logarithms of the errors.",
    ),
    (
        "Over test window",
        "A 95 % interval over the test targets: would another stretch of this data give the same? Losses that persist "
        "count as fewer targets.",
    ),
    (
        "Verdict",
        "Better or worse where the intervals over seeds and over the test window both exclude no difference, and still "
        "do after Holm's correction for all models on this data; where that correction alone decides, the cell says "
        "so, and the intervals of its skill are as wide as the correction asks. Equivalent: both intervals lie within "
        "5 % of the other's MSE. Undecided is anything else, and no proof of "
        "no difference. A suspected leak is an error below what is possible.",
    ),
    (
        "Looks",
        "Whenever seeds were added there was a look at the results. All looks at a claim share its 5 %: the intervals "
        "of each are wider than those of a single look would be, and hold at all looks with 95 %. Decided is what is "
        "better, equivalent or worse.",
    ),
    (
        "Model confidence set",
        "The models that the test targets cannot rule out as the best: it holds the best one with the stated "
        "confidence. The seeds stay as they are.",
    ),
    (
        "Average rank",
        "1 is the smallest error on every dataset. A bar joins models that Wilcoxon's signed-rank tests over datasets, "
        "with Holm's correction, do not separate.",
    ),
    (
        "Error of persistence's",
        "RMSE as a share of that of persistence: the mean of the middle half over datasets and seeds, with its "
        "stratified bootstrap interval over seeds. ◆: every other model with an error as small takes longer to fit.",
    ),
    (
        "Tuning budget",
        "The mean, over all orders of the trials, of the best validation error after so many. "
        "Trials that were pruned or failed count as paid for.",
    ),
    (
        "Sequence length",
        "Each model is judged at the length that is best on validation; the test part has no say in it.",
    ),
    ("–", "There is no value. Nothing is filled in; in the HTML page, point at the dash for the reason."),
)
"""Each word with its meaning."""


ONLY = "is the only model that was run"
"""Of a model next to which there is no other."""

OTHER_DATA = "The cells did not all see the same data: nothing is said about which error is smaller."
"""The statement on such a dataset."""

STILL = "The test part never moves, or persistence makes no error in it: nothing can be judged."
"""The statement on such a dataset."""


def statement(
    cells: Sequence[CellSummary],
    best: CellSummary | None,
    rivals: Sequence[str],
    *,
    apart: Sequence[str] = (),
    untested: Sequence[str] = (),
    persistence_rmse: float | None,
) -> str:
    """What was found on one dataset.

    `rivals` are not shown to be worse than the best; `apart` are neither, but err many times as much on these targets;
    `untested` were not compared.
    """
    if best is None:
        why = next((cell.note for cell in cells if cell.cell_id and cell.note), "no error is stored")
        return f"No cell finished: {why}."
    parts = [
        _smallest(best, cells),
        _rivals(best, cells, rivals=rivals, apart=apart, untested=untested),
    ]
    parts.append(_skill(cells, best, persistence_rmse))
    return " ".join(part for part in parts if part)


def _smallest(best: CellSummary, cells: Sequence[CellSummary]) -> str:
    if best.rmse is None:
        raise ValueError(f"{best.model}: the best cell has an error")
    places = decimals([best.rmse.value])
    alone = all(cell.model == best.model for cell in cells if cell.chosen)
    others = any(cell.model != best.model for cell in cells)
    several_lengths = len({cell.sequence_length for cell in cells}) > 1
    lengths_matter = several_lengths and best.verdict is not Verdict.REFERENCE
    only = "is the only model that finished" if others else ONLY
    predicate = only if alone else "has the smallest error"
    where = f" at sequence length {best.sequence_length}" if lengths_matter else ""
    over = f"95 % interval over {plural(best.finished, 'seed')} {bounds(best.rmse.interval, places)}"
    spread = f" ({over})" if best.rmse.interval else ""
    return f"{best.model} {predicate}{where}: RMSE {number(best.rmse.value, places)}{spread}.{named_correctly(best)}"


def named_correctly(cell: CellSummary) -> str:
    """How well a classifier does in a reader's words; empty for what is none."""
    if cell.accuracy is None or cell.log_loss is None:
        return ""
    return f" It names {percent(cell.accuracy)} of the classes correctly (log-loss {significant(cell.log_loss)})."


def _rivals(
    best: CellSummary,
    cells: Sequence[CellSummary],
    *,
    rivals: Sequence[str],
    apart: Sequence[str],
    untested: Sequence[str],
) -> str:
    others = {cell.model for cell in cells if cell.chosen} - {best.model}
    if not others:
        return ""
    if not (rivals or apart or untested):
        return "Every other model is worse."
    words = {cell.model: cell.words_next_to_best for cell in cells if cell.chosen}
    equivalent = [model for model in rivals if words[model].startswith(Verdict.EQUIVALENT)]
    undecided = [model for model in rivals if model not in equivalent]
    return " ".join(
        said
        for said, models in (
            (f"It is {Verdict.EQUIVALENT} to {listed(equivalent)}.", equivalent),
            (f"It is not shown to differ from {listed(undecided)}.", undecided),
            (_far_apart(best, cells, apart), apart),
            (f"{listed(untested)} could not be tested against it.", untested),
        )
        if models
    )


def _far_apart(best: CellSummary, cells: Sequence[CellSummary], models: Sequence[str]) -> str:
    """How many times as much the `models` err as the best one, though that is not decided."""
    verb = "errs" if len(models) == 1 else "err"
    errors = [cell.rmse.value for cell in cells if cell.chosen and cell.model in models and cell.rmse]
    least = best.rmse.value if best.rmse else 0.0
    if not (errors and least):
        return f"{listed(models)} {verb} where it does not, which is undecided: not shown of others."
    low, high = (count(pick(errors) / least) for pick in (min, max))
    times = "over a million" if min(errors) > 1e6 * least else low if low == high else f"{low} to {high}"
    return f"{listed(models)} {verb} {times} times as much on these targets, which is undecided: not shown of others."


def _skill(cells: Sequence[CellSummary], best: CellSummary, persistence_rmse: float | None) -> str:
    chosen = [cell for cell in cells if cell.chosen]
    skilled = [cell.model for cell in chosen if cell.beats_persistence is ClaimOutcome.HOLDS]
    reported = persistence_rmse is not None and best.verdict is not Verdict.REFERENCE
    reference = f" (RMSE {significant(persistence_rmse)})" if reported else ""
    if not skilled:
        return _no_skill(chosen, reference)
    if best.model not in skilled:
        others = _are(skilled)
        if best.verdict is Verdict.LEAK:
            return f"It is suspected of a leak; {others} shown to beat persistence{reference}."
        return f"It is not shown to beat persistence{reference}; {others}."
    skill, learnt = best.skill, best.learnable_fraction
    share = f", {percent(learnt.value)} of what can be learnt" if learnt else ""
    return f"Its skill against persistence{reference} is {number(skill.value if skill else None, 2)}{share}."


def _is_smaller(cell: CellSummary) -> bool:
    """Whether the error of `cell` is below that of persistence by the interval over the test window."""
    return cell.skill_in_window is not None and cell.skill_in_window[0] > 0


def _is_undecided_by_correction(cell: CellSummary) -> bool:
    """Whether the correction alone keeps the error of `cell` from being shown to be below that of persistence."""
    claim = cell.against_persistence
    return claim is not None and claim.wide and claim.effect < 0


def _though(tested: Sequence[CellSummary]) -> str:
    """What speaks for a skill where none is shown."""
    if undecided := [cell.model for cell in tested if _is_undecided_by_correction(cell)]:
        return f", though {listed(undecided)} would be but for {CORRECTION}"
    if smaller := [cell.model for cell in tested if _is_smaller(cell)]:
        return f", though the skill of {listed(smaller)} is above 0 by the interval over the test window"
    return ": no skill"


def _no_skill(chosen: Sequence[CellSummary], reference: str) -> str:
    """Why no model has skill: none is shown to, or none could be."""
    leaking = [cell.model for cell in chosen if cell.verdict is Verdict.LEAK]
    tested = [cell for cell in chosen if cell.tested]
    worse = [cell.model for cell in tested if cell.beats_persistence is ClaimOutcome.FAILS]
    if worse and len(worse) == len(tested):
        return f"{_are(worse)} worse than persistence{reference}." if reference else ""
    if tested:
        some = f" {_are(worse)} worse." if worse else ""
        return f"No model is shown to beat persistence{reference}{_though(tested)}.{some}"
    if all(cell.verdict is Verdict.REFERENCE for cell in chosen):
        return ""
    if leaking:
        return f"Of a suspected leak nothing is said about skill: {listed(leaking)}."
    return "No model could be tested against persistence."


def _are(models: Sequence[str]) -> str:
    return f"{listed(models)} {'is' if len(models) == 1 else 'are'}"


WHICH = "Which model should I use?"
REAL = "Is the difference real?"
POSSIBLE = "How far is it from what is possible?"
COST = "What does it cost?"
CHECK = "Can I check it?"

CORRECTION = "the correction for all models"


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
    candidates = (
        Answer(WHICH, (*_choice(sections, ranking), *_front(standings, ranking))),
        Answer(REAL, (*_over_datasets(ranking), *_distinguished(sections), *_untested(sections, seeds))),
        Answer(POSSIBLE, tuple(_possible(sections))),
        Answer(COST, tuple(_cost(sections))),
        Answer(CHECK, tuple(_check(counts))),
    )
    return tuple(answer for answer in candidates if answer.sentences)


def _choice(sections: Sequence[Section], ranking: Ranking) -> list[str]:
    """The best model; where none is shown to beat persistence, that goes first."""
    leader, skill = _leader(sections, ranking), _skill_text(sections)
    skilled = any(cell.beats_persistence is ClaimOutcome.HOLDS for section in sections for cell in section.cells)
    return [*leader, *skill] if skilled else [*skill, *leader]


def _leader(sections: Sequence[Section], ranking: Ranking) -> list[str]:
    averages = [row for row in ranking.ranks if row.average is not None]
    if len(averages) < 2 or ranking.sections < 2:
        alone = [section.best for section in sections if section.best and len(sections) == 1]
        return [f"{cell.model} has the smallest error.{named_correctly(cell)}" for cell in alone if len(averages) > 1]
    first = [row.model for row in averages if row.average == averages[0].average]
    verb = "has" if len(first) == 1 else "share"
    average = f"{number(averages[0].average, 1)} of {len(averages)} models over {ranking.over}"
    average += "" if ranking.separable else ", too few to separate them"
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
    adjacent = sorted({name for group in ranking.groups if first in group for name in group} - {first})
    return [f"{said}; {first} is not separated from {listed(adjacent)}." if adjacent else f"{said}."]


def _distinguished(sections: Sequence[Section]) -> list[str]:
    compared = [section for section in sections if section.best and len(_others(section)) > 0]
    if not compared:
        return []
    alone = [section.title for section in compared if not (section.rivals or section.apart or section.untested)]
    whole = len(compared) == len(sections)
    if len(alone) == len(compared):
        where = "" if whole else f" with models to compare ({len(compared)} of {len(sections)})"
        return [f"On every dataset{where} every other model is worse than the best."]
    if not alone:
        return ["On no dataset is one model shown to be better than all others."]
    elsewhere = "elsewhere" if whole else "on the others with models to compare"
    return [
        f"On {_names(alone, len(sections))} every other model is worse than the best; "
        f"{elsewhere} at least one other model is not shown to be."
    ]


def _others(section: Section) -> list[CellSummary]:
    return [cell for cell in section.cells if cell.chosen and cell is not section.best]


def _names(titles: Sequence[str], of: int, most: int = 6) -> str:
    return listed(titles) if len(titles) <= most else f"{len(titles)} of {plural(of, 'dataset')}"


def _is_tested(cell: CellSummary) -> bool:
    return cell.chosen and cell.tested


def _skill_text(sections: Sequence[Section]) -> list[str]:
    by_title = {s.title: {cell.beats_persistence for cell in filter(_is_tested, s.cells)} for s in sections}
    with_skill = [title for title, outcomes in by_title.items() if ClaimOutcome.HOLDS in outcomes]
    without = [title for title, outcomes in by_title.items() if outcomes and ClaimOutcome.HOLDS not in outcomes]
    undecided, ahead = (
        [s.title for s in sections if s.title in without and any(map(is_so, filter(_is_tested, s.cells)))]
        for is_so in (_is_undecided_by_correction, _is_smaller)
    )
    ahead = [title for title in ahead if title not in undecided]
    without = [title for title in without if title not in {*undecided, *ahead}]
    leaks = [s.title for s in sections if any(cell.chosen and cell.verdict is Verdict.LEAK for cell in s.cells)]
    sentences = []
    if with_skill:
        sentences.append(f"At least one model beats persistence on {_names(with_skill, len(sections))}.")
    if without:
        sentences.append(f"On {_names(without, len(sections))} no model is shown to beat persistence: no skill.")
    if undecided:
        names = _names(undecided, len(sections))
        sentences.append(f"On {names} no model is shown to beat persistence, though one would be but for {CORRECTION}.")
    if ahead:
        names, by = _names(ahead, len(sections)), "by the interval over the test window"
        sentences.append(f"On {names} no model is shown to beat persistence, though a skill is above 0 {by}.")
    if leaks:
        sentences.append(f"On {_names(leaks, len(sections))} a suspected leak is not counted as skill.")
    return sentences


def _untested(sections: Sequence[Section], seeds: int) -> list[str]:
    """Why nothing is said about skill, where nothing is."""
    chosen = [cell for section in sections for cell in section.cells if cell.chosen]
    if any(cell.tested or cell.verdict is Verdict.LEAK for cell in chosen):
        return []
    if all(cell.verdict is Verdict.REFERENCE for cell in chosen):
        return ["Only persistence finished: there is nothing to test against it."]
    if all(section.still for section in sections):
        return [STILL]
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
            f"On {_names(nothing, of)} the data do not show whether there is anything to learn: "
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
    ends = [f"{seconds(cell.cost.fit_s)} ({cell.model} on {cell.dataset})" for cell in (quick, slow)]
    return [
        f"Fitting one seed took {ends[0] if quick is slow else f'between {listed(ends)}'}"
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
