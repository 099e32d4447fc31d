"""Claims in words, decided by made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from bench.replication.cards import cards
from bench.replication.evidence_rows import Tables
from bench.replication.systems import Published
from bench.stats.claims import ClaimOutcome

SEEDS = 20
LEVELS = np.linspace(0.9, 1.1, SEEDS)


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [(0.95, 0.95, ClaimOutcome.HOLDS), (0.5, 0.95, ClaimOutcome.FAILS), (0.95, 0.5, ClaimOutcome.FAILS)],
)
def test_errors_are_equal_within_the_margin(made, first, second, held):
    wobble = np.random.default_rng(0).normal(0, 0.01, (2, SEEDS))
    rows = made.Rows()
    for name, level, own in (("gru", first, wobble[0]), ("lstm", second, wobble[1])):
        rows.cell("S1", f"{name} as published", kind=name, r2=level + own)
    assert made.reported(made.claim("comparable-in-some", "gru", "lstm"), rows, ("gru", "lstm")).outcome is held


def test_two_kinds_are_comparable_in_some_tasks_where_one_is_enough(made):
    """Alike on one dataset, far apart on another; the claim says some."""
    wobble = np.random.default_rng(0).normal(0, 0.01, SEEDS)
    rows = made.Rows()
    for dataset, level in (("S1", 0.95), ("S1 harder", 0.5)):
        rows.cell(dataset, "gru as published", kind="gru", r2=0.95 + wobble)
        rows.cell(dataset, "lstm as published", kind="lstm", r2=level + wobble)
    kinds = ("gru", "lstm")
    systems = [
        made.system("S1", made.claim("comparable-in-some", *kinds), models=kinds),
        made.system("S1 harder", models=kinds),
    ]
    found = made.one(systems, rows).claims[0]
    assert [outcome for _, outcome, _ in found.cases] == [ClaimOutcome.HOLDS, ClaimOutcome.FAILS]
    assert found.outcome is ClaimOutcome.HOLDS


@pytest.mark.parametrize(("beyond", "held"), [(None, ClaimOutcome.FAILS), (20, ClaimOutcome.HOLDS)])
def test_a_short_memory_is_judged_where_it_must_fail(made, beyond, held):
    """It solves a lag of 2 and fails over 40 steps, as a short memory does."""
    wobble = np.random.default_rng(0).normal(0, 0.001, SEEDS)
    rows = made.Rows()
    for dataset, length, rnn in (("S1", 40, 0.2), ("S1 short", 30, 0.99)):
        for kind, level in (("rnn", rnn), ("lstm", 0.99)):
            rows.cell(dataset, f"{kind} as published", kind=kind, r2=level + wobble, length=length)
    for row in rows.rows["runs"]:
        lag = {"lag": 2} if row["dataset"] == "S1 short" else {}
        row["spec"] = json.dumps({**json.loads(row["spec"]), "dataset": {"kind": "x", "parameters": lag}})
    kinds = ("rnn", "lstm")
    (claim,) = made.claim("short-memory", *kinds).claims
    published = Published(claims=(claim.model_copy(update={"beyond": beyond}),))
    systems = [made.system("S1", published, models=kinds), made.system("S1 short", models=kinds)]
    found = made.one(systems, rows).claims[0]
    assert found.outcome is held
    assert len(found.cases) == (2 if beyond is None else 1)


def test_wide_spread_cannot_tell_whether_errors_are_equal(made):
    wobble = np.random.default_rng(0).normal(0, 0.5, (2, SEEDS))
    rows = made.Rows()
    for name, own in zip(("gru", "lstm"), wobble, strict=True):
        rows.cell("S1", f"{name} as published", kind=name, r2=own)
    assert (
        made.reported(made.claim("comparable-in-some", "gru", "lstm"), rows, ("gru", "lstm")).outcome
        is ClaimOutcome.INCONCLUSIVE
    )


@pytest.mark.parametrize(
    ("first", "held"), [(0.95, ClaimOutcome.HOLDS), (0.5, ClaimOutcome.FAILS), (0.99, ClaimOutcome.HOLDS)]
)
def test_a_kind_that_explains_more_is_no_worse(made, first, held):
    wobble = np.random.default_rng(0).normal(0, 0.01, (2, SEEDS))
    rows = made.Rows()
    for name, level, own in (("gru", first, wobble[0]), ("lstm", 0.95, wobble[1])):
        rows.cell("S1", f"{name} as published", kind=name, r2=level + own)
    assert made.reported(made.claim("no-worse", "gru", "lstm"), rows, ("gru", "lstm")).outcome is held


@pytest.mark.parametrize("test", ["comparable-in-some", "no-worse"])
def test_two_replicates_that_agree_are_no_proof(made, test):
    """Both differences, 0.06 and 0.10, lie beyond the margin, but not Student's interval with one degree of freedom."""
    rows = made.Rows()
    rows.cell("S1", "gru as published", kind="gru", r2=np.full(SEEDS, 0.8), seeds=2)
    rows.cell("S1", "lstm as published", kind="lstm", r2=np.resize([0.86, 0.9], SEEDS), seeds=2)
    found = made.reported(made.claim(test, "gru", "lstm"), rows, ("gru", "lstm"))
    assert found.outcome is ClaimOutcome.INCONCLUSIVE
    low, high = stats.t.interval(0.95, 1, -0.08, 0.02)
    assert found.cases[0][2] == f"gru less lstm -0.080 [{low:+.3f}, {high:+.3f}], 2 pairs"


def test_one_replicate_has_no_interval(made):
    rows = made.Rows()
    for name in ("gru", "lstm"):
        rows.cell("S1", f"{name} as published", kind=name, r2=0.95, seeds=1)
    found = made.reported(made.claim("comparable-in-some", "gru", "lstm"), rows, ("gru", "lstm"))
    assert (found.outcome, found.cases[0][2]) == (ClaimOutcome.INCONCLUSIVE, "gru less lstm +0.000, 1 pairs")


@pytest.mark.parametrize(
    ("rnn", "lstm", "held"),
    [(0.2, 0.99, ClaimOutcome.HOLDS), (0.99, 0.99, ClaimOutcome.FAILS), (0.2, 0.2, ClaimOutcome.INCONCLUSIVE)],
)
def test_a_memory_is_short_where_another_solves_the_task(made, rnn, lstm, held):
    wobble = np.random.default_rng(0).normal(0, 0.001, SEEDS)
    rows = made.Rows()
    for name, level in (("rnn", rnn), ("lstm", lstm)):
        rows.cell("S1", f"{name} as published", kind=name, r2=level + wobble)
    assert made.reported(made.claim("short-memory", "rnn", "lstm"), rows, ("rnn", "lstm")).outcome is held


def test_what_is_explained_is_a_share_of_what_can_be(made):
    """A forecast at the noise floor solves the task, though its R² is far from 1."""
    r2 = 0.5 + np.random.default_rng(0).normal(0, 0.001, SEEDS)
    mse = 4 * (1 - r2)
    rows = made.Rows()
    for name in ("rnn", "lstm"):
        rows.cell("S1", f"{name} as published", kind=name, r2=r2, mse=mse, noise_floor_mse=2.0)
    assert made.reported(made.claim("short-memory", "rnn", "lstm"), rows, ("rnn", "lstm")).outcome is ClaimOutcome.FAILS


def test_gates_are_counted(made):
    rows, sizes = made.Rows(), {"rnn": 1, "gru": 3, "lstm": 4}
    for name, blocks in sizes.items():
        shapes = json.dumps({"train_inputs": [9, 20, 2], "train_targets": [9, 1, 1]})
        parameters = blocks * 8 * (2 + 8 + 2) + 9
        rows.cell("S1", f"{name} as published", kind=name, parameters=parameters, shapes=shapes)
    found = made.reported(made.claim("gates", *sizes), rows, tuple(sizes))
    assert (found.outcome, found.cases[0][2]) == (ClaimOutcome.HOLDS, "from the parameters: rnn 0, gru 2, lstm 3")


def probed(medians, host="one"):
    rng = np.random.default_rng(0)
    machine = {"host": host, "cpu": "c", "gpu": None, "device": "cpu", "threads": 1}
    return [
        {
            "dataset": "S1",
            "model": f"{name} as published",
            "sequence_length": 20,
            "quantity": "step_s",
            "value": float(value),
            **machine,
        }
        for name, median in medians.items()
        for value in median + 0.001 * rng.normal(size=20)
    ]


@pytest.mark.parametrize(
    ("gru", "held"), [(0.2, ClaimOutcome.HOLDS), (0.4, ClaimOutcome.FAILS), (0.3, ClaimOutcome.INCONCLUSIVE)]
)
def test_training_times_are_ordered_on_one_machine(made, gru, held):
    kinds = ("rnn", "gru", "lstm")
    rows = made.Rows()
    for name in kinds:
        rows.cell("S1", f"{name} as published", kind=name)
    samples = probed({"rnn": 0.1, "gru": gru, "lstm": 0.3}) + probed({"rnn": 9.0}, host="other")
    tables = {**rows.tables(), "probes": pa.Table.from_pylist(samples)}
    (card,) = cards([made.system(published=made.claim("training-time", *kinds), models=kinds)], Tables(tables))
    assert card.claims[0].outcome is held
    assert card.claims[0].cases[0][2].startswith("rnn 99.8 ms [99.4, 100]")  # of the one machine alone


def test_a_claim_on_cells_that_did_not_finish_is_not_measured(made):
    rows = made.Rows().cell("S1", "rnn as published", status="diverged", reason="the loss is not finite")
    found = made.reported(made.claim("gates", "rnn"), rows, ("rnn",))
    assert found.outcome is ClaimOutcome.NOT_MEASURED


def test_a_poor_result_is_held_against_persistence_and_the_other_target(made):
    rows = made.Rows()
    rows.cell("S1", "rnn as published", rmse=3 * LEVELS, departures="targets: same-at-every-step")
    rows.cell("S1 last", "rnn as published", rmse=2.5 * LEVELS, departures="scaler: series")
    rows.cell("S1", "rnn", rmse=2.1 * LEVELS).cell("S1", "linear-ar", rmse=1.0)
    better = {
        "S1-rnn as published": ClaimOutcome.FAILS,
        "S1 last-rnn as published": ClaimOutcome.FAILS,
        "S1-rnn": ClaimOutcome.INCONCLUSIVE,
    }
    card = made.one([made.system("S1", made.claim("rests-on")), made.system("S1 last")], rows, better)
    found = card.claims[0]
    assert found.outcome is ClaimOutcome.HOLDS
    assert found.sentence.split("; ")[:2] == [
        "as published, of 2 networks 2 worse than repeating the last value",
        "under the protocol, of 1 network 1 not shown to differ from it",
    ]
    assert "multiplies the RMSE by 1.2 [1.2, 1.2]" in found.sentence
    assert [case[1] for case in found.cases] == [ClaimOutcome.HOLDS, ClaimOutcome.HOLDS, ClaimOutcome.INCONCLUSIVE]
    assert "RMSE 3.006, persistence 2," in found.cases[0][2]  # pooled: the mean of the RMSEs is 3


EVERY_OTHER = np.resize([-1.0, 1.0], SEEDS)


@pytest.mark.parametrize(
    ("ratio", "seeds", "said"),
    [
        (1.2 + 0.01 * EVERY_OTHER, SEEDS, "part of the failure is the target, not the network"),
        (1.0 + 0.01 * EVERY_OTHER, SEEDS, "the target is not what fails"),
        (1.02 + 0.001 * EVERY_OTHER, SEEDS, "the target is not what fails"),  # larger, but by less than the margin
        (1.0 + 0.50 * EVERY_OTHER, SEEDS, "whether the target matters is inconclusive"),
        (1.5 + 0.40 * EVERY_OTHER, 2, "whether the target matters is inconclusive"),
        (np.full(SEEDS, 1.5), 1, "whether the target matters is inconclusive"),
    ],
)
def test_the_target_is_cleared_only_by_an_error_shown_to_be_alike(made, ratio, seeds, said):
    rows = made.Rows()
    rows.cell("S1", "rnn as published", rmse=ratio, departures="targets: same-at-every-step", seeds=seeds)
    rows.cell("S1 last", "rnn as published", rmse=1.0, departures="scaler: series", seeds=seeds)
    (found,) = made.one([made.system("S1", made.claim("rests-on")), made.system("S1 last")], rows).claims
    assert found.sentence.endswith(said)
    assert "nan" not in found.sentence


def test_nothing_is_said_of_a_poor_result_that_was_not_tested(made):
    found = made.one(
        [made.system(published=made.claim("rests-on"))], made.Rows().cell("S1", "rnn as published")
    ).claims[0]
    assert found.outcome is ClaimOutcome.NOT_MEASURED


WALK = 100 + np.cumsum(np.random.default_rng(0).normal(size=151))


@pytest.mark.parametrize("error", [9.0, 1.0])
def test_the_largest_fall_is_one_day_and_decides_nothing(made, error):
    """Whatever the error there, and in however many replicates: they all forecast one fall."""
    truth = WALK.copy()
    truth[50:] -= 6
    fall = truth[49] - truth[50]
    predicted = truth + 0.5
    predicted[50] = truth[50] + error
    rows = made.Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", truth[1:], predicted[1:], persistence=truth[:-1])
    found = made.one([made.system(published=made.claim("sudden-drop"))], rows).claims[0]
    assert found.outcome is ClaimOutcome.INCONCLUSIVE
    assert found.sentence == "it rests on one day of the test part, the largest fall, which shows nothing of others"
    assert f"error {error:.3g} [{error:.3g}, {error:.3g}] at the largest fall" in found.cases[0][2]
    assert f"by {fall:.3g}, which is the error of persistence there; elsewhere typically 0.5" in found.cases[0][2]


def dropping(made, models, seeds):
    """Errors at the largest fall that are 0.1, 1 or 3 larger than the fall; the text of each case, and the verdict."""
    truth = WALK.copy()
    truth[50:] -= 6
    predicted = np.tile(truth + 0.5, (SEEDS, 1))
    predicted[:, 50] = truth[49] + np.resize([0.1, 1.0, 3.0], SEEDS)
    rows = made.Rows()
    for model in models:
        rows.cell("S1", f"{model} as published", seeds=seeds)
        rows.prediction("S1", f"{model} as published", truth[1:], predicted[:, 1:], persistence=truth[:-1])
    found = made.reported(made.claim("sudden-drop"), rows, models)
    return found, (predicted[:seeds, 50] - truth[50])


@pytest.mark.parametrize("models", [("rnn",), ("rnn", "gru", "lstm")])
def test_the_intervals_of_a_drop_hold_together(made, models):
    found, errors = dropping(made, models, SEEDS)
    level = 1 - 0.05 / len(models)
    low, high = stats.t.interval(level, SEEDS - 1, errors.mean(), stats.sem(errors))
    assert len(found.cases) == len(models)
    assert all(f"error {errors.mean():.3g} [{low:.3g}, {high:.3g}] at" in text for _, _, text in found.cases)


def test_closeness_and_delay_are_judged_apart(made):
    truth, last = WALK[1:], WALK[:-1]
    rows = made.Rows().cell("S1", "rnn as published", rmse=2.2 * LEVELS)
    rows.prediction("S1", "rnn as published", truth, last, persistence=last)
    card = made.one([made.system(published=made.claim("delayed"))], rows, {"S1-rnn as published": ClaimOutcome.FAILS})
    close, late = card.claims
    assert (close.text, close.outcome) == ("said: closeness", ClaimOutcome.FAILS)
    assert close.sentence == (
        "of 1 forecasts 0 are shown to err less than repeating the last value, and 1 to err more; "
        "their RMSE is 1.1 to 1.1 times as large as its"
    )
    assert (late.text, late.outcome) == ("said: delay", ClaimOutcome.HOLDS)
    assert late.cases[0][2].startswith("1 step at a correlation of 1.00")
    assert "the curves look alike because the last value is repeated" in late.sentence
    assert card.runs[0].delay.steps == 1


def test_blocks_laid_end_to_end_make_no_delay(made):
    """Five steps that all repeat the last value known before them: one-step forecasts of it are one point late."""
    truth = WALK[1:]
    blocks = np.repeat(WALK[:-1:5], 5)
    rows = made.Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", truth, blocks, horizon=5, persistence=blocks)
    assert made.one([made.system()], rows).runs[0].delay.steps == 1


def test_a_cycle_without_its_noise_is_not_late_though_its_best_lag_is_one(made):
    rng = np.random.default_rng(0)
    signal = np.sin(2 * np.pi * np.arange(81) / 20)
    truth = signal + rng.normal(size=81)
    rows = made.Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", truth[1:], signal[1:], persistence=truth[:-1])
    card = made.one([made.system(published=made.claim("delayed"))], rows)
    assert card.runs[0].delay.steps > 0
    assert card.runs[0].delay.significant
    assert card.claims[1].outcome is ClaimOutcome.INCONCLUSIVE
    assert card.claims[1].cases[0][2].endswith("not shown to be late")


def test_a_forecast_that_follows_nothing_has_no_delay_to_tell(made):
    other = np.cumsum(np.random.default_rng(1).normal(size=150))
    rows = made.Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", WALK[1:], other, persistence=WALK[:-1])
    assert made.one([made.system(published=made.claim("delayed"))], rows).claims[1].outcome is ClaimOutcome.INCONCLUSIVE
