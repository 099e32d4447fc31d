"""What is said over all datasets: the answers, the ranks, the front, the verdicts and their family."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.reporting.costs import ProbedCell
from bench.reporting.export import cell_rows
from bench.reporting.ranking import standings
from bench.reporting.sentences import CHECK, COST, POSSIBLE, REAL, WHICH, answers
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.tables import ranking
from bench.reporting.values import CellSummary, Summary
from bench.stats.aggregates import Median
from bench.stats.claims import ClaimOutcome
from bench.stats.verdicts import Verdict
from bench.store.schema import Rows, Status, table

Fake = Callable[..., Rows]
Change = Callable[[dict[str, Any]], dict[str, Any]]
EIGHT = [f"sine-{place}" for place in range(8)]


def summary(rows: Rows) -> Summary:
    return summarise(Source(rows, "results/fake"))


def edited(rows: Rows, change: Change, name: str = "runs") -> Rows:
    return {**rows, name: table(name, [{**row, **change(row)} for row in rows[name].to_pylist()])}


def chosen(found: Summary) -> list[CellSummary]:
    return [cell for section in found.sections for cell in section.cells if cell.chosen]


@pytest.fixture(scope="module")
def rows(fake: Fake) -> Rows:
    return fake(datasets=EIGHT, models=["persistence", "linear-ar", "lstm", "gru"], lengths=(30,), points=400)


@pytest.fixture(scope="module")
def found(rows: Rows) -> Summary:
    return summary(rows)


def test_each_question_is_answered(found: Summary) -> None:
    assert [answer.question for answer in found.answers] == [WHICH, REAL, POSSIBLE, COST, CHECK]
    text = {answer.question: " ".join(answer.sentences) for answer in found.answers}
    assert "lstm has the best average rank: 1.0 of 4 models over 8 datasets." in text[WHICH]
    assert "At least one model beats persistence on 8 of 8 datasets." in text[WHICH]
    assert "Over 8 datasets the models differ (Friedman, p < 0.001)" in text[REAL]
    assert "of what can be learnt on 8 of 8 datasets." in text[POSSIBLE]
    assert "Fitting one seed took between 0.80 ms" in text[COST]


def test_one_fit_is_the_quickest_and_the_slowest_and_is_named_once(fake: Fake) -> None:
    one = summary(fake(datasets=["noisy-sine"], models=["persistence"], lengths=(30,)))
    (said,) = [sentence for sentence in one.sentences if sentence.startswith("Fitting one seed")]
    assert said.startswith("Fitting one seed took 0.80 ms (persistence on noisy-sine)")
    assert said.count("persistence") == 1


def real(found: Summary, *rivals: tuple[str, ...] | None) -> str:
    """Whether the difference is real, with these rivals of the best models; `None`: there is nothing to compare."""
    sections = [
        replace(section, rivals=own) if own is not None else replace(section, best=None, rivals=())
        for section, own in zip(found.sections, rivals, strict=False)
    ]
    said = answers(sections, found.ranking, (), counts=found.counts, seeds=5)
    return " ".join(sentence for answer in said if answer.question == REAL for sentence in answer.sentences)


def test_what_is_said_of_every_dataset_was_compared_on_every_dataset(found: Summary) -> None:
    larger = "every other model is worse than the best."
    assert f"On every dataset {larger}" in real(found, (), ())
    assert f"On every dataset with models to compare (2 of 3) {larger}" in real(found, (), (), None)
    near, alone = ("gru",), "every other model is worse than the best"
    reported = "at least one other model is not shown to be."
    assert f"On sine-0 {alone}; elsewhere {reported}" in real(found, (), near)
    assert f"On sine-0 {alone}; on the others with models to compare {reported}" in real(found, (), near, None)
    assert f"On 7 of 8 datasets {alone}; elsewhere {reported}" in real(found, *[()] * 7, near)
    assert "On no dataset is one model shown to be better than all others." in real(found, near, None)


def test_where_nothing_beats_persistence_that_comes_first(fake: Fake) -> None:
    (first, *_) = summary(fake(datasets=["gbm", "TSLA"], lengths=(30,))).answers
    assert first.sentences[0] == "On gbm and TSLA no model is shown to beat persistence: no skill."


def test_models_that_are_not_separated_share_a_bar(rows: Rows, found: Summary) -> None:
    assert found.ranking.separable
    assert found.ranking.groups == (), "lstm, gru, linear-ar and persistence keep their order on all eight"
    swapped = edited(
        rows,
        lambda row: {"mse": row["mse"] * 3} if row["model"] == "lstm" and row["dataset"] in EIGHT[:4] else {},
    )
    assert summary(swapped).ranking.groups[0][:2] == ("gru", "lstm")


def test_few_datasets_separate_nothing(fake: Fake) -> None:
    few = summary(fake(lengths=(30,)))
    assert not few.ranking.separable
    assert "Ranks over 3 datasets cannot separate two of 5 models: there are too few." in few.sentences


def test_the_front_is_what_a_loop_over_all_pairs_leaves(found: Summary) -> None:
    timed = found.standings
    assert [item.fit_s for item in timed] == sorted(item.fit_s or 0.0 for item in timed)
    for own in timed:
        mine = (own.error.value, own.fit_s or 0.0)
        others = [(item.error.value, item.fit_s or 0.0) for item in timed if item is not own]
        beaten = any(error <= mine[0] and fit_s <= mine[1] and (error, fit_s) != mine for error, fit_s in others)
        assert own.on_front is not beaten
    for own in timed:
        ratios = [
            error / (section.persistence_rmse or math.nan)
            for section in found.sections
            for cell in section.cells
            if cell.model == own.model
            for error in cell.rmse_by_seed
        ]
        kept = np.sort(ratios)[len(ratios) // 4 : len(ratios) - len(ratios) // 4]
        assert own.error.value == pytest.approx(kept.mean())


def test_a_model_that_lost_replicates_is_not_compared_over_datasets(fake: Fake) -> None:
    """Whoever loses nine of ten replicates on the hard dataset would seem to err half as much: 0.25, against 0.55."""
    models, errors = ["persistence", "lstm", "gru"], {("lstm", "easy"): 0.2, ("gru", "easy"): 0.25}
    lost = {("hard", "gru"): range(1, 10)}
    rows = fake(datasets=["easy", "hard"], models=models, lengths=(30,), seeds=10, diverged=lost)

    def change(row: dict[str, Any]) -> dict[str, Any]:
        if row["status"] != "ok":
            return {}
        error = 1.0 if row["model"] == "persistence" else errors.get((row["model"], row["dataset"]), 0.9)
        return {"rmse": error, "mse": error**2, "persistence_mse": 1.0}

    found = summary(edited(rows, change))
    errors_found = {item.model: item.error.value for item in found.standings}
    assert errors_found == pytest.approx({"persistence": 1.0, "lstm": 0.55})
    assert "for want of a replicate: gru." in ranking(found).below
    assert any("Not among them, for want of a replicate: gru." in sentence for sentence in found.sentences)


def test_times_are_the_probes_where_it_measured_every_cell(found: Summary) -> None:
    def probed(cell: CellSummary, machine: str, seconds: float) -> ProbedCell:
        values = {"fit_s": Median(seconds, seconds, seconds)}
        place = (cell.cell_id or "", cell.dataset, cell.model, cell.sequence_length, cell.horizon)
        return ProbedCell(*place, machine, "", "runs", {}, "torch.nn", "", 5, values, None)

    cells, models = chosen(found), ["persistence", "linear-ar", "lstm", "gru"]
    every = [probed(cell, "one", 2.0 if cell.model == "gru" else 4.0) for cell in cells]
    some = [probed(cell, "two", 1.0) for cell in cells[1:]]
    times = {item.model: item.fit_s for item in standings(found.sections, models, [*some, *every])}
    assert times == {model: pytest.approx(2.0 if model == "gru" else 4.0) for model in models}
    assert all(item.probed for item in standings(found.sections, models, every))
    assert standings(found.sections, models, some) == found.standings
    assert not any(item.probed for item in found.standings)


def test_claims_against_persistence_and_the_floor_of_a_dataset_are_one_family_and_those_against_the_best_another(
    found: Summary,
) -> None:
    judged = [cell for cell in chosen(found) if cell.verdict is not Verdict.REFERENCE]
    assert len(judged) == 24
    trained = [cell for cell in judged if not cell.deterministic]
    claims = (2 * len(judged) + len(trained)) / 8  # with persistence, below the noise floor; at it, where seeds vary
    assert claims == 8
    assert all("Holm over 8 claims on this data, 8 of 8 datasets selected" in cell.why for cell in judged)
    assert all(cell.beats_persistence is ClaimOutcome.HOLDS for cell in judged if cell.model != "persistence")
    adjacent = [cell for cell in chosen(found) if cell.why_not_best]
    assert len(adjacent) == 24
    counted = {cell.model: cell.why_not_best.partition("Holm over ")[2].partition(")")[0] for cell in adjacent}
    pairs = "3 pairs of models on this data, 5 of 8 datasets selected"
    assert counted == {
        "persistence": "8 claims on this data, 8 of 8 datasets selected",
        "linear-ar": pairs,
        "gru": pairs,
    }
    assert all(counted[cell.model] in cell.why_not_best for cell in adjacent)


def test_only_the_length_that_validation_chose_is_judged(fake: Fake) -> None:
    cells = [cell for section in summary(fake(datasets=["noisy-sine"])).sections for cell in section.cells]
    others = [cell for cell in cells if not cell.chosen and cell.model != "persistence"]
    assert {cell.verdict for cell in others} == {Verdict.OTHER_LENGTH}
    assert all(not cell.beats_persistence.measured for cell in others)


def test_an_error_that_cannot_be_is_called_a_leak(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=["persistence", "lstm"], lengths=(30,), points=1000)
    truth = {row["index"]: row["truth"] for row in rows["predictions"].to_pylist()}
    rng = np.random.default_rng(0)

    def near(row: dict[str, Any]) -> dict[str, Any]:
        return {"prediction": truth[row["index"]] + 1e-3 * rng.normal()} if row["model"] == "lstm" else {}

    def small(row: dict[str, Any]) -> dict[str, Any]:
        return {"mse": 1e-6 * (1 + 0.01 * row["seed"])} if row["model"] == "lstm" else {}

    planted = summary(edited(edited(rows, small), near, "predictions"))
    (cell,) = [cell for cell in chosen(planted) if cell.model == "lstm"]
    assert cell.verdict is Verdict.LEAK
    assert planted.cautions[0].startswith(
        "On noisy-sine lstm is suspected of a leak: its error is below the noise floor"
    )
    assert not cell.beats_persistence.measured
    assert not any("beats persistence" in sentence or "could be tested" in sentence for sentence in planted.sentences)
    assert "On noisy-sine a suspected leak is not counted as skill." in planted.sentences
    assert planted.sections[0].statement.endswith("Of a suspected leak nothing is said about skill: lstm.")
    assert [(row.with_skill, row.tested) for row in planted.ranking.ranks if row.model == "lstm"] == [(0, 0)]


def test_commands_name_each_cell_with_as_few_characters_as_tell_it_apart(fake: Fake) -> None:
    rows = fake(datasets=["gbm"], models=["persistence", "lstm", "gru"], lengths=(30,))
    names = {"persistence": "aaaaaaaaaaaa1111", "lstm": "aaaaaaaaaaaa1122", "gru": "bbbbbbbbbbbbbbbb"}
    renamed = {name: edited(rows, lambda row: {"cell_id": names[row["model"]]}, name)[name] for name in rows}
    commands = {row[4].text for row in cell_rows(summary(renamed)).rows}
    assert commands == {"bench show aaaaaaaaaaaa111", "bench show aaaaaaaaaaaa112", "bench show bbbbbbbbbbbbbbb"}


def test_a_cell_that_failed_leads_to_its_rows_too(fake: Fake) -> None:
    lost = {("gbm", "lstm"): (Status.FAILED, "it broke")}
    made = cell_rows(summary(fake(datasets=["gbm"], models=["persistence", "lstm"], lengths=(30,), failures=lost)))
    assert [(row[1].text, row[3].text, row[5].text[:18]) for row in made.rows] == [
        ("persistence", "5 of 5", made.rows[0][5].text[:18]),
        ("lstm", "0 of 5", "5 of 5 failed: it "),
    ]


def test_trials_that_were_pruned_are_paid_for(fake: Fake) -> None:
    rows = fake(datasets=["gbm"], models=["persistence", "lstm"], lengths=(30,))
    (cell,) = [row for row in rows["runs"].to_pylist() if row["model"] == "lstm" and row["seed"] == 0]
    key = {name: cell[name] for name in ("cell_id", "suite", "dataset", "model", "sequence_length", "horizon")}
    trials = [
        {**key, "trial": place, "state": state, "validation_mse_scaled": error, "parameters": '{"hidden_size": 8}'}
        for place, (state, error) in enumerate([("complete", 3.0), ("pruned", 0.5), ("complete", 1.0)])
    ]
    (tuned,) = summary({**rows, "trials": table("trials", trials)}).sections[0].tuned
    assert tuned.trials.tolist() == [1, 2, 3]
    assert math.isnan(tuned.expected[0]), "one trial may be the pruned one"
    assert tuned.expected[1:].tolist() == pytest.approx([(1.0 + 1.0 + 3.0) / 3, 1.0])
    assert tuned.mattered == ()
