"""The word of a comparison and the intervals next to it are of one test: over random results they never disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.tables import by_dataset, errors, ranking
from bench.reporting.values import Bounds, CellSummary, Section, Summary
from bench.stats.verdicts import Verdict
from bench.store.schema import Rows, table

Fake = Callable[..., Rows]
MODELS = ("persistence", "linear-ar", "lstm", "gru", "rnn")


def summary(rows: Rows) -> Summary:
    return summarise(Source(rows, "results/fake"))


def refit(rows: Rows, error: Callable[[str, int, int], np.ndarray]) -> Rows:
    """`rows` with the predictions ``truth + error(model, seed, T)``, and the errors of `runs` to match."""
    predictions, squares = rows["predictions"].to_pylist(), {}
    for model, seed in {(row["model"], row["seed"]) for row in predictions}:
        own = [row for row in predictions if (row["model"], row["seed"]) == (model, seed)]
        gaps = error(model, seed, len(own))
        for row, gap in zip(own, gaps, strict=True):
            row["prediction"] = row["persistence"] if model == "persistence" else row["truth"] + gap
        squares[model, seed] = float(np.mean([(row["prediction"] - row["truth"]) ** 2 for row in own]))
    runs = [
        {**row, "mse": mse, "rmse": mse**0.5, "skill": 1 - mse / row["persistence_mse"]}
        for row in rows["runs"].to_pylist()
        for mse in (squares[row["model"], row["seed"]],)
    ]
    return {**rows, "runs": table("runs", runs), "predictions": table("predictions", predictions)}


def excludes(intervals: list[Bounds | None]) -> str:
    """The word that all of these intervals of a skill say; empty where one holds 0."""
    shown = [interval for interval in intervals if interval is not None]
    if not shown:
        return ""
    return "better" if all(low > 0 for low, _ in shown) else "worse" if all(high < 0 for _, high in shown) else ""


def check(cell: CellSummary) -> None:
    """One cell next to persistence."""
    over_seeds = cell.skill.interval if cell.skill else None
    by_window_alone = cell.deterministic or "its replicates are equal" in cell.why
    bounded = over_seeds is not None or by_window_alone  # the mean of two skewed errors may have no bound
    said = excludes([over_seeds, cell.skill_in_window]) if bounded else ""
    word = next((word for word in ("better", "worse") if cell.words.startswith(word)), "")
    accounted = "(Holm over " in cell.words or cell.words.startswith("not tested: ")
    assert word == said or (said and accounted and not word), (cell.words, cell.skill, cell.skill_in_window)


def check_next_to_best(cell: CellSummary) -> None:
    claim = cell.against_best
    if claim is None or not claim.test:
        return
    said = "worse" if claim.low > 0 else "better" if claim.high < 0 else ""
    word = next((word for word in ("better", "worse") if cell.words_next_to_best.startswith(word)), "")
    assert word == said or (said and "(Holm over " in cell.words_next_to_best)


TURNED = {"better": "worse", "worse": "better"}


def check_one_word(section: Section) -> None:
    """A pair is called the same wherever it is compared, and no list takes back what a word says."""
    best, reference = section.best, section.chosen("persistence")
    assert best is not None
    assert reference is not None
    others = [cell for cell in section.cells if cell.chosen and cell is not best]
    for cell in others if best is reference else []:
        assert cell.words_next_to_best == cell.words.partition(";")[0]
        assert "pairs of models" not in cell.why_not_best
    if best is not reference:
        word = best.words.partition(";")[0]
        assert reference.words_next_to_best == TURNED.get(word, word)
    worse = [cell.model for cell in others if cell.words_next_to_best == "worse"]
    assert not {*worse} & {*section.rivals, *section.apart, *section.untested}
    for _, told, models in (part.partition("not shown to differ from ") for part in section.statement.split(". ")):
        assert not told or not {*worse} & {*re.split(", | and ", models)}
    if section.best_set:
        check_set(section.best_set, undecided=(*section.rivals, *section.apart), worse=worse)


def check_set(said: str, *, undecided: Sequence[str], worse: Sequence[str]) -> None:
    """Where the model confidence set says otherwise than the verdicts, it says that it is another test."""
    wide, _, rest = said.partition(" with 95 % confidence")
    narrow = wide if rest.startswith(" and with 90 %") else rest.partition(" with 90 %")[0]
    out = [name for name in undecided if name not in names(narrow)]
    kept = [name for name in worse if name in names(wide)]
    told = said.partition("The set is a separate test: unlike the verdicts, it ")[2]
    assert names(told) == {*out, *kept}, said
    assert ("rules out" in told, "does not rule out" in told) == (bool(out), bool(kept)), said


def names(text: str) -> set[str]:
    return {*re.findall(r"linear-ar|\w+", text)} & {*MODELS}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 6), st.sampled_from([50, 100, 300])),
    spread=st.sampled_from([0.0, 0.02, 0.3, 1.5]),
    size=st.sampled_from([0.05, 0.7, 1.0, 1.3, 20.0]),
    drift=st.booleans(),
)
def test_every_interval_excludes_no_difference_exactly_where_the_word_says_so(
    fake: Fake, key: int, shape: tuple[int, int], spread: float, size: float, drift: bool
) -> None:
    seeds, points = shape
    rng = np.random.default_rng(key)
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10], seeds=seeds, points=points)
    scale = {model: size * np.exp(0.2 * rng.normal()) for model in MODELS}

    def error(model: str, seed: int, count: int) -> np.ndarray:
        own = np.random.default_rng([key, len(model), seed if model in ("lstm", "gru", "rnn") else 0])
        gaps = own.normal(size=count).cumsum() / np.sqrt(count) if drift else own.normal(size=count)
        return scale[model] * np.exp(spread * own.normal()) * gaps

    for section in summary(refit(rows, error)).sections:
        check_one_word(section)
        for cell in section.cells:
            if cell.verdict not in (Verdict.REFERENCE, Verdict.NO_ROW):
                check(cell)
                check_next_to_best(cell)


def far_worse(model: str, seed: int, count: int) -> np.ndarray:
    """RMSE about 24 to 64 times that of persistence for lstm, on a level that drifts; the others are much as it."""
    rng = np.random.default_rng([seed, len(model)])
    if model != "lstm":
        return rng.normal(size=count)
    return (64, 50, 45, 24, 34)[seed % 5] * (1 + 0.1 * np.sin(np.arange(count) / 8))


def test_what_is_far_worse_on_five_seeds_is_worse(fake: Fake) -> None:
    rows = fake(datasets=["TSLA"], models=MODELS[:3], lengths=[5], points=200)
    (section,) = summary(refit(rows, far_worse)).sections
    lstm = section.chosen("lstm")
    assert (lstm.verdict, lstm.words, lstm.words_next_to_best) == (Verdict.WORSE, "worse", "worse")
    assert section.statement.endswith("Every other model is worse. lstm is worse than persistence (RMSE 2.258).")
    assert "lstm" not in section.rivals
    assert "no skill" not in lstm.words


@pytest.mark.parametrize(("best", "size", "key"), [("persistence", 7.0, 0), ("linear-ar", 1.6, 1)])
def test_a_pair_with_persistence_is_judged_once(fake: Fake, best: str, size: float, key: int) -> None:
    """Two seeds and 24 targets: Holm over the pairs alone would leave undecided what is worse than persistence."""
    rows = fake(datasets=["TSLA"], models=MODELS[:3], lengths=[5], points=120, seeds=2)

    def error(model: str, seed: int, count: int) -> np.ndarray:
        own = np.random.default_rng(key).normal(size=count)
        return 40 * (1 + 0.06 * seed) * np.abs(own + 2) if model == "lstm" else size * own

    found = summary(refit(rows, error))
    (section,) = found.sections
    assert section.best.model == best
    check_one_word(section)
    (row,) = by_dataset(found).rows
    assert (section.rivals, row[5].text) == ((), "no other model")
    shown = {row[0].text: (row[-2].text.partition(";")[0], row[-1].text) for row in errors(section, name="x").rows}
    if best == "persistence":
        assert shown == {best: ("the reference", "the smallest"), **dict.fromkeys(MODELS[1:3], ("worse", "worse"))}
    else:
        assert shown["persistence"] == ("the reference", "worse")
        assert shown["linear-ar"] == ("better", "the smallest")
    assert "On every dataset every other model is worse than the best." in found.sentences


def test_no_page_ends_a_sentence_with_a_blank_or_writes_a_number_of_many_digits(fake: Fake) -> None:
    rows = fake(datasets=["TSLA"], models=MODELS[:3], lengths=[5], points=120, seeds=2)
    huge = refit(rows, lambda _model, seed, count: 10.0 ** (9 + 3 * seed) * np.ones(count))
    page, text = (str(render(summary(huge))[name]) for name in ("index.html", "report.md"))
    assert re.search(r"−\d\.\d{3}e\+\d\d", text)
    assert not re.search(r"\d{7,}\.\d", text)
    page = re.sub(r"<(script|style|svg).*?</\1>| (data-order|href)=\S*", "", page, flags=re.DOTALL)  # what nobody reads
    assert not re.search(r"(?<![\d.])\d{7,}\.\d", page)
    text = str(render(summary(still(rows, jump=0.0)))["report.md"])
    assert "nothing can be judged.\n" in text
    assert not re.findall(r"\S +$", text, flags=re.MULTILINE)


def test_where_all_are_worse_the_statement_does_not_say_no_skill(fake: Fake) -> None:
    rows = fake(datasets=["TSLA"], models=["persistence", "lstm"], lengths=[5], points=200)
    (section,) = summary(refit(rows, far_worse)).sections
    assert section.statement == "persistence has the smallest error: RMSE 2.258. Every other model is worse."


def test_on_closes_what_is_not_decided_shows_no_skill_in_words(fake: Fake) -> None:
    rows = fake(datasets=["gbm"], models=["persistence", "lstm"], lengths=[5], points=200)
    (section,) = summary(rows).sections
    assert section.chosen("lstm").words == "equivalent within 5 %; no skill shown; at the noise floor"
    rows = fake(datasets=["TSLA"], models=["persistence", "lstm"], lengths=[5], points=200)
    near = refit(rows, lambda _model, seed, count: 2.4 * np.random.default_rng(seed).normal(size=count))
    lstm = summary(near).sections[0].chosen("lstm")
    assert lstm.words == "undecided (more seeds would not decide); no skill shown"


def still(rows: Rows, *, jump: float) -> Rows:
    """The test part is one value; persistence errs by `jump` at its first target alone."""
    predictions, references = [], {}
    for row in rows["predictions"].to_pylist():
        first = row["index"] == min(other["index"] for other in rows["predictions"].to_pylist()[:1])
        wrong = jump if first else 0.0
        predictions.append({**row, "truth": 3.0, "prediction": 3.0 + 0.1 * row["seed"], "persistence": 3.0 + wrong})
        references.setdefault(row["cell_id"], []).append(wrong**2)
    persistence = float(np.mean(next(iter(references.values()))))
    runs = [
        {**row, "persistence_mse": persistence, "skill": None, "mse": 0.01 * (1 + row["seed"])}
        for row in rows["runs"].to_pylist()
    ]
    return {**rows, "runs": table("runs", runs), "predictions": table("predictions", predictions)}


@pytest.mark.parametrize("jump", [0.0, 2.0])
def test_a_test_part_that_never_moves_decides_nothing(fake: Fake, jump: float) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS[:3], lengths=[5], points=60)
    found = summary(still(rows, jump=jump))
    (section,) = found.sections
    nothing = "The test part never moves, or persistence makes no error in it: nothing can be judged."
    assert section.statement == nothing
    assert section.best is None
    words = {cell.model: cell.words for cell in section.cells}
    never = "not tested: the test part never moves"
    assert words == {"persistence": "the reference", "linear-ar": never, "lstm": never}
    assert nothing in found.sentences
    assert "Left out, because the test part there never moves: noisy-sine." in found.ranking.note
    assert [row[-2].text for row in errors(section, name="x").rows][1:] == [never, never]


def test_what_was_not_tested_is_not_listed_as_not_worse(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=["persistence", "lstm", "gru"], lengths=[30], seeds=1)
    found = summary(rows)
    (row,) = by_dataset(found).rows
    assert row[5].text.startswith("no other model (not tested: ")


def edited(rows: Rows, change: Callable[[dict[str, Any]], dict[str, Any]], name: str = "runs") -> Rows:
    return {**rows, name: table(name, [{**row, **change(row)} for row in rows[name].to_pylist()])}


def test_equal_errors_are_equivalent_and_equal_replicates_leave_the_window_to_decide(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=["persistence", "lstm"], lengths=[5], points=300)
    equal = refit(rows, lambda _model, _seed, count: np.zeros(count))
    as_persistence = edited(equal, lambda row: {"prediction": row["persistence"]}, "predictions")
    as_persistence = edited(as_persistence, lambda row: {"mse": row["persistence_mse"], "skill": 0.0})
    (section,) = summary(as_persistence).sections
    assert section.chosen("lstm").words == "equivalent within 5 %"
    assert "MSE equal (95 % interval +0.0% to +0.0%)" in section.chosen("lstm").why
    copies = refit(rows, lambda _model, _seed, count: 0.05 * np.random.default_rng(1).normal(size=count))
    (section,) = summary(copies).sections
    lstm = section.chosen("lstm")
    assert lstm.words == "better; suspected leak"
    assert lstm.skill.interval is None
    assert "its replicates are equal, so the window decides alone" in lstm.why


@pytest.mark.parametrize(("seeds", "marked"), [(2, True), (5, True), (10, False), (30, False)])
def test_an_interval_of_too_few_seeds_carries_a_warning_in_its_cell(fake: Fake, seeds: int, marked: bool) -> None:
    rows = fake(datasets=["noisy-sine"], models=["persistence", "lstm"], lengths=[5], points=100, seeds=seeds)
    close = refit(rows, lambda _model, seed, count: (1 + 0.01 * seed) * np.random.default_rng(0).normal(size=count))
    shown = errors(summary(close).sections[0], name="x")
    interval = shown.rows[1][2]
    assert (interval.mark == "†") == marked == ("†: where errors are skewed" in shown.below)
    assert ("skewed even on a logarithmic scale" in interval.hint) == (seeds < 50)


@pytest.mark.parametrize(("seeds", "marked"), [(3, True), (10, False)])
def test_so_does_one_over_datasets(fake: Fake, seeds: int, marked: bool) -> None:
    found = ranking(summary(fake(lengths=[5], seeds=seeds)))
    marks = {row[0].text: row[2].mark for row in found.rows}
    assert (marks["lstm"] == "†") == marked == ("†: so few seeds cover" in found.below)
    assert marks["persistence"] == ""
