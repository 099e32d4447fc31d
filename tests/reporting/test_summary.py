from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, rankdata

from bench.cli.results_table import COLUMNS, results_table
from bench.reporting.sentences import COST
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.summary_cells import NO_ROW
from bench.reporting.tables import errors
from bench.reporting.values import CellSummary, State, Summary
from bench.stats.claims import ClaimOutcome
from bench.stats.verdicts import Verdict
from bench.store.schema import Rows, Status, table

Fake = Callable[..., Rows]


def summary(rows: Rows) -> Summary:
    return summarise(Source(rows, "results/fake"))


def edited(rows: Rows, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Rows:
    """`rows` with every row of `runs` passed through `change`."""
    return {**rows, "runs": table("runs", [{**row, **change(row)} for row in rows["runs"].to_pylist()])}


def one(found: Summary, dataset: str, model: str, length: int) -> CellSummary:
    (cell,) = [
        cell
        for section in found.sections
        for cell in section.cells
        if (cell.dataset, cell.model, cell.sequence_length) == (dataset, model, length)
    ]
    return cell


def test_every_number_agrees_with_a_loop_over_the_rows(fake: Fake) -> None:
    rows = fake(diverged={("noisy-sine", "gru"): [1]})
    runs = rows["runs"].to_pylist()
    found = summary(rows)
    cells = [cell for section in found.sections for cell in section.cells]
    assert len(cells) == 3 * 5 * 2
    for cell in cells:
        own = [row for row in runs if row["cell_id"] == cell.cell_id]
        ok = [row for row in own if row["status"] == "ok"]
        assert (cell.finished, cell.replicates) == (len(ok), len(own))
        assert cell.rmse is not None
        assert cell.rmse.value == pytest.approx(np.sqrt(np.mean([row["mse"] for row in ok])))
        assert cell.rmse_by_seed == tuple(row["rmse"] for row in ok)
        assert cell.skill is not None
        assert cell.skill.value == pytest.approx(np.mean([row["skill"] for row in ok]))
        assert cell.rmse_scaled == pytest.approx(cell.rmse.value / 2)
        assert cell.mae == pytest.approx(np.mean([row["mae"] for row in ok]))
        assert cell.cost.fit_s == pytest.approx(np.median([row["fit_s"] for row in ok]))
        assert cell.cost.peak_memory_bytes == max(row["peak_memory_bytes"] for row in ok)
        assert cell.cost.parameters == ok[0]["parameters"]
        if cell.rmse.interval:
            assert cell.rmse.interval[0] < cell.rmse.value < cell.rmse.interval[1]
        else:
            assert cell.deterministic
    for section in found.sections:
        reference = next(row for row in runs if row["dataset"] == section.dataset and row["status"] == "ok")
        assert section.persistence_rmse == pytest.approx(reference["persistence_mse"] ** 0.5)
        assert section.noise_floor_rmse == pytest.approx(reference["noise_floor_mse"] ** 0.5)


def test_a_length_is_chosen_on_validation_whatever_the_test_part_says(fake: Fake) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        shorter = row["sequence_length"] == 10
        return {"validation_mse_scaled": 1.0 if shorter else 2.0, "mse": 9.0 if shorter else 0.01}

    found = summary(edited(fake(datasets=["noisy-sine"]), change))
    chosen = [cell.sequence_length for cell in found.sections[0].cells if cell.chosen]
    assert chosen == [10] * 5


def test_without_validation_errors_the_shortest_finished_length_is_chosen(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], lengths=(10, 30, 100), diverged={})
    failed = {"status": "failed", "reason": "x"}

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {"validation_mse_scaled": None, **(failed if row["sequence_length"] == 10 else {})}

    found = summary(edited(rows, change))
    assert {cell.sequence_length for cell in found.sections[0].cells if cell.chosen} == {30}


def test_verdicts_follow_the_data(fake: Fake) -> None:
    found = summary(fake(points=600))
    near = one(found, "noisy-sine", "lstm", 30)
    assert (near.verdict, near.beats_persistence) == (Verdict.FLOOR, ClaimOutcome.HOLDS)
    assert one(found, "noisy-sine", "linear-ar", 30).verdict is Verdict.BETTER
    assert one(found, "noisy-sine", "persistence", 30).verdict is Verdict.REFERENCE
    walk = [cell.verdict for section in found.sections for cell in section.cells if section.dataset == "gbm"]
    assert Verdict.BETTER not in walk
    assert "On gbm no model is shown to beat persistence: no skill." in found.sentences
    assert any(
        sentence.startswith("On gbm the data do not show whether there is anything to learn:")
        for sentence in found.sentences
    )


@pytest.mark.parametrize("points", [90, 150, 300])
def test_what_is_undecided_has_no_intervals_that_all_exclude_no_difference(fake: Fake, points: int) -> None:
    """Where the correction alone leaves it undecided, the intervals are as wide as it asks."""
    found = summary(fake(points=points))
    cells = [cell for section in found.sections for cell in section.cells if cell.verdict is Verdict.UNDECIDED]
    pairs = [pair for section in found.sections for pair in section.pairs if "undecided" in pair.words]
    assert any("Holm over" in each.words for each in (*cells, *pairs))
    for cell in cells:
        shown = [ends for ends in (cell.skill and cell.skill.interval, cell.skill_in_window) if ends]
        assert not all(low > 0 for low, _ in shown), cell.words
        assert not all(high < 0 for _, high in shown), cell.words
    for pair in pairs:
        assert pair.claim.low <= 0 <= pair.claim.high, pair.words


def test_one_seed_and_no_predictions_leave_a_model_untested(fake: Fake) -> None:
    assert one(summary(fake(seeds=1)), "noisy-sine", "lstm", 30).verdict is Verdict.UNTESTED
    bare = {**fake(), "predictions": table("predictions", [])}
    found = summary(bare)
    assert one(found, "noisy-sine", "linear-ar", 30).verdict is Verdict.UNTESTED
    assert "No model could be tested against persistence." in found.sections[0].statement
    assert all(section.trace is None for section in found.sections)


def test_models_that_cannot_be_told_apart_are_named(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=["persistence", "lstm"], lengths=(30,))
    twin = {"model": "twin", "cell_id": "t" * 16}
    doubled = {
        name: table(name, made + [{**row, **twin} for row in made if row["model"] == "lstm"])
        for name, made in ((name, rows[name].to_pylist()) for name in rows)
    }
    (section,) = summary(doubled).sections
    assert section.best is not None
    assert {section.best.model, *section.rivals} == {"lstm", "twin"}
    assert "It is equivalent within 5 % to twin." in section.statement


def test_a_model_that_could_not_be_tested_is_not_said_to_be_like_the_best(fake: Fake) -> None:
    (section,) = summary(fake(datasets=["noisy-sine"], models=["persistence", "lstm"], lengths=(30,), seeds=1)).sections
    assert (section.rivals, section.untested) == ((), ("persistence",))
    assert "persistence could not be tested against it." in section.statement
    assert "is not shown to differ from" not in section.statement
    assert [row[-1].text for row in errors(section, name="errors").rows] == [
        "not tested: one seed shows no spread",
        "the smallest",
    ]


def test_a_missing_a_failed_and_a_partial_cell_stay_what_they_are(fake: Fake) -> None:
    found = summary(
        fake(
            failures={("gbm", "gru"): (Status.OUT_OF_MEMORY, "12 GiB requested")},
            diverged={("noisy-sine", "rnn"): [0, 3]},
            absent=[("gbm", "lstm", 30)],
        )
    )
    failed, partial = one(found, "gbm", "gru", 10), one(found, "noisy-sine", "rnn", 10)
    missing = one(found, "gbm", "lstm", 30)
    assert (failed.state, failed.rmse, failed.verdict) == (State.FAILED, None, Verdict.UNFINISHED)
    assert failed.note == "5 of 5 out of memory: 12 GiB requested"
    assert (partial.state, partial.finished) == (State.PARTIAL, 3)
    assert partial.note.startswith("2 of 5 diverged: the loss is not finite")
    assert (missing.state, missing.note, missing.cell_id) == (State.MISSING, NO_ROW, None)
    assert (found.counts.cells, found.counts.finished) == (29, 25)
    assert (found.counts.replicates, found.counts.replicates_finished) == (145, 131)
    assert [(f.dataset, f.model, f.status, f.replicates) for f in found.failures] == [
        ("gbm", "gru", "out of memory", 5),
        ("gbm", "gru", "out of memory", 5),
        ("noisy-sine", "rnn", "diverged", 2),
        ("noisy-sine", "rnn", "diverged", 2),
    ]
    assert all(failure.advice for failure in found.failures)
    assert "4 of 29 cells did not finish completely; the failures say why." in found.sentences


def test_ranks_are_taken_where_every_ranked_model_finished(fake: Fake) -> None:
    full = summary(fake()).ranking
    found = summary(fake())
    for row in full.ranks:
        places = []
        for section in found.sections:
            errors = {cell.model: cell.rmse.value for cell in section.cells if cell.chosen and cell.rmse}
            places.append(1 + sum(error < errors[row.model] for error in errors.values()))
        assert row.average == pytest.approx(np.mean(places))
    assert [row.average for row in full.ranks] == sorted(row.average for row in full.ranks)

    holed = summary(fake(failures={("gbm", "gru"): (Status.FAILED, "x")})).ranking
    assert holed.sections == 2
    assert "Left out, because a model did not finish there: gbm." in holed.note
    lost = {(dataset, "gru"): (Status.FAILED, "x") for dataset in ("noisy-sine", "damped-multisine", "gbm")}
    without = summary(fake(failures=lost)).ranking
    assert without.sections == 3
    assert "gru" not in [row.model for row in without.ranks]
    assert "Not ranked, because no cell finished: gru." in without.note


def test_no_results_and_only_failures_are_said(fake: Fake) -> None:
    empty = summary(fake(datasets=[]))
    assert empty.sentences == ("There are no results: not one cell has been run.",)
    assert (empty.suite, empty.sections) == ("fake", ())
    models = ("persistence", "lstm")
    lost = {("TSLA", model): (Status.UNAVAILABLE, "no file and no network") for model in models}
    found = summary(fake(datasets=["TSLA"], models=models, failures=lost))
    assert found.answers[0].sentences == ("No replicate of the 4 cells finished, so there is nothing to compare.",)
    assert "4 of 4 cells did not finish completely; the failures say why." in found.sentences
    assert found.sections[0].statement == "No cell finished: 5 of 5 unavailable: no file and no network."
    assert found.ranking.ranks == ()


def test_the_best_linear_forecast_is_told_by_length(fake: Fake) -> None:
    rows = edited(fake(datasets=["noisy-sine"]), lambda row: {"linear_floor_mse": row["sequence_length"] / 1000})
    assert summary(rows).sections[0].linear_floor_rmse == pytest.approx({10: 0.1, 30: 0.03**0.5})
    assert summary(fake(datasets=["noisy-sine"])).sections[0].linear_floor_rmse == {}


def test_models_keep_one_order_with_persistence_first(fake: Fake) -> None:
    found = summary(fake(models=["rnn", "linear-ar", "gru", "persistence"]))
    assert [model.name for model in found.models] == ["persistence", "linear-ar", "gru", "rnn"]
    assert [model.reference for model in found.models] == [True, False, False, False]
    assert [section.dataset for section in found.sections] == ["damped-multisine", "gbm", "noisy-sine"]


def test_horizons_have_sections_of_their_own(fake: Fake) -> None:
    found = summary(fake(datasets=["noisy-sine"], horizons=(1, 4)))
    assert [section.title for section in found.sections] == ["noisy-sine (horizon 1)", "noisy-sine (horizon 4)"]
    near, far = (section.persistence_rmse for section in found.sections)
    assert near is not None
    assert far is not None
    assert near < far


@pytest.mark.parametrize(("late", "named"), [(2, False), (3, True)])
def test_models_that_were_still_learning_at_the_last_epoch_are_named(fake: Fake, late: int, named: bool) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {"best_epoch": 37} if row["model"] == "lstm" and row["seed"] < late else {}  # of 40 epochs, five seeds

    rows = edited(fake(datasets=["noisy-sine"], lengths=(10,)), change)
    said = (
        "Still learning when training ended: lstm on noisy-sine. In most replicates the best validation is in the "
        "last tenth of the budget; a larger one may lower the error: `training: {epochs: 80}` doubles it."
    )
    assert (said in summary(rows).cautions) == named
    ids = sorted(set(rows["runs"]["cell_id"].to_pylist()))
    assert (results_table(rows["runs"].select(COLUMNS), ids)[-2:] == ["", said]) == named
    kept_last = edited(rows, lambda row: {"validation_mse_scaled": None})
    assert not any("Still learning" in caution for caution in summary(kept_last).cautions), "the last epoch is kept"


@pytest.mark.parametrize(
    ("training", "named"),
    [
        ({"epochs": 40}, True),
        ({"epochs": 60}, False),
        ({"epochs": None, "steps": 200, "validate_every": 5}, True),  # 40 validations
        ({"epochs": None, "steps": 200}, False),  # 50 of them
        ({"epochs": 40, "schedule": "cosine"}, False),
    ],
)
def test_what_is_late_is_counted_in_the_budgets_own_rounds(fake: Fake, training: dict[str, Any], named: bool) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        spec = json.loads(row["spec"])
        return {"best_epoch": 37, "spec": json.dumps({**spec, "training": training})} if row["model"] == "lstm" else {}

    found = summary(edited(fake(datasets=["noisy-sine"], lengths=(10,)), change))
    assert any("Still learning" in caution for caution in found.cautions) == named
    unseen = any("cannot be seen in 1 of 3 trained cells" in caution for caution in found.cautions)
    assert unseen == ("schedule" in training), (
        "a learning rate that falls to nothing makes the last validation the best"
    )


def test_horizons_of_one_dataset_count_as_one(fake: Fake) -> None:
    """Friedman's test takes datasets for independent, which the horizons of one are not."""
    four = ["noisy-sine", "damped-multisine", "gbm", "TSLA"]
    found = summary(fake(datasets=four, horizons=(1, 4), lengths=(10,)))
    assert (found.ranking.sections, found.ranking.over) == (4, "4 datasets (horizons averaged)")
    models = [model.name for model in found.models]
    chosen = {(s.dataset, s.horizon, m): s.chosen(m).rmse.value for s in found.sections for m in models}
    means = [[np.sqrt(chosen[dataset, 1, m] * chosen[dataset, 4, m]) for m in models] for dataset in four]
    places = np.mean([rankdata(row) for row in means], axis=0)
    assert {row.model: row.average for row in found.ranking.ranks} == pytest.approx(
        dict(zip(models, places, strict=True))
    )
    assert found.ranking.friedman_p == pytest.approx(friedmanchisquare(*np.array(means).T).pvalue)


def test_times_from_different_machines_are_never_merged(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"])
    found = summary(edited(rows, lambda row: {"host": f"host-{row['seed'] % 2}"}))
    costs = [cell.cost for section in found.sections for cell in section.cells]
    assert all(cost.fit_s is None and cost.predict_s is None for cost in costs)
    assert all(cost.parameters is not None for cost in costs)
    assert any("2 machines" in caution for caution in found.cautions)
    assert len(found.environments) == 2


def test_what_needs_care_is_said(fake: Fake) -> None:
    assert summary(fake()).cautions == ()
    assert any(
        caution.startswith("3 seeds: intervals over so few are wide") for caution in summary(fake(seeds=3)).cautions
    )
    assert any("One seed" in caution for caution in summary(fake(seeds=1)).cautions)
    other = edited(fake(), lambda row: {"data_sha256": "f" * 64} if row["model"] == "gru" else {})
    assert "The cells of gbm did not all see the same data: compare none of their errors." in summary(other).cautions
    dirty = edited(fake(), lambda row: {"git_dirty": True})
    assert any("uncommitted" in caution for caution in summary(dirty).cautions)
    mixed = edited(fake(), lambda row: {"code_version": row["sequence_length"]})
    assert any("several versions" in caution for caution in summary(mixed).cautions)


def test_settings_and_commands_make_the_results_again(fake: Fake) -> None:
    found = summary(fake())
    assert found.setting["seeds"] == "5"
    assert found.setting["split"] == "validation 0.1, test 0.2"
    assert found.commands == ("bench report results/fake",), "the folder keeps no suite to run"
    assert found.environments[0].facts["Python"] == "3.11.9"


def test_curves_are_those_of_trained_models_at_their_chosen_length(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"])
    (section,) = summary(rows).sections
    assert {curve.model for curve in section.curves} == {"rnn", "lstm", "gru"}
    assert {curve.sequence_length for curve in section.curves} == {30}
    assert [curve.validation.shape for curve in section.curves] == [(5, 40)] * 3
    curve = section.curves[0]
    for seed in range(5):
        own = [
            row
            for row in rows["curves"].to_pylist()
            if (row["model"], row["sequence_length"], row["seed"]) == (curve.model, 30, seed)
        ]
        assert curve.epoch.tolist() == [row["epoch"] for row in own] == list(range(1, 41))
        assert curve.train[seed].tolist() == [row["train_loss"] for row in own]


def test_nothing_is_claimed_where_the_data_differ(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine", "damped-multisine"], models=["persistence", "linear-ar", "lstm"])
    other = {"data_sha256": "f" * 64}
    found = summary(edited(rows, lambda r: other if (r["dataset"], r["model"]) == ("noisy-sine", "lstm") else {}))
    whole, mixed = found.sections
    assert (whole.same_data, mixed.same_data) == (True, False)
    assert (mixed.best, mixed.rivals) == (None, ())
    assert {cell.verdict for cell in mixed.cells} == {Verdict.REFERENCE, Verdict.UNTESTED}
    assert "did not all see the same data" in mixed.statement
    assert found.ranking.sections == 1
    assert "Left out, because the cells there did not all see the same data: noisy-sine." in found.ranking.note
    claims = [each for answer in found.answers if answer.question != COST for each in answer.sentences]
    assert not any("noisy-sine" in sentence for sentence in claims)


def test_the_answer_is_never_empty(fake: Fake) -> None:
    lone = summary(fake(datasets=["noisy-sine"], models=["persistence"]))
    assert lone.answers[0].sentences == ("Only persistence finished: there is nothing to test against it.",)
    assert lone.ranking.ranks == ()
    assert "persistence is the only model that was run: RMSE" in lone.sections[0].statement
    once = summary(fake(datasets=["noisy-sine"], models=["persistence", "lstm"], seeds=1))
    assert "Nothing could be tested against persistence: one seed." in once.sentences


def test_a_row_that_never_began_is_no_machine(fake: Fake) -> None:
    rows = fake(failures={("gbm", "lstm"): (Status.UNAVAILABLE, "no file; name a folder that holds it")})
    found = summary(edited(rows, lambda row: {} if row["status"] == "ok" else {"threads": None, "device": None}))
    assert len(found.environments) == 1
    assert found.cautions == ()
    assert {failure.advice for failure in found.failures} == {""}


def test_shared_ranks_are_those_of_scipy(fake: Fake) -> None:
    rows = edited(fake(), lambda row: {"mse": 0.5} if row["model"] in {"gru", "lstm"} else {})
    found = summary(rows)
    names = [row.model for row in found.ranking.ranks]
    chosen = [[section.chosen(name) for name in names] for section in found.sections]
    errors = [[cell.rmse.value for cell in own if cell and cell.rmse] for own in chosen]
    expected = rankdata(errors, axis=1).mean(axis=0)
    assert [row.average for row in found.ranking.ranks] == pytest.approx(expected.tolist())


def test_models_that_draw_nothing_need_no_seeds_and_show_no_training(fake: Fake) -> None:
    settings = '{"epochs": 40, "batch_size": 64, "scaler": "minmax", "intercept": true, "windows": null}'
    rows = fake(datasets=["noisy-sine"], models=["persistence", "linear-ar"], seeds=1)
    found = summary(edited(rows, lambda row: {"hyperparameters": settings}))
    assert found.cautions == ()
    assert one(found, "noisy-sine", "linear-ar", 10).hyperparameters == (
        ("scaler", "minmax"),
        ("intercept", "yes"),
        ("windows", "none"),
    )
