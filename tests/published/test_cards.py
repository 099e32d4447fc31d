"""Cards from made-up rows whose verdicts are known."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from bench.published.cards import cards
from bench.published.evidence import Tables
from bench.published.values import Held, Outcome, Spread
from bench.report.drawing.published import Group, Row, distributions
from bench.report.drawing.style import theme
from bench.report.published import site
from bench.report.source import Source
from bench.schema import SCHEMAS, table
from bench.suite.published import Published
from bench.suite.spec import Entry, System

SEEDS = 20
LEVELS = np.linspace(0.9, 1.1, SEEDS)


def entry(name, kind="rnn", **parameters):
    return Entry(id=name, kind=kind, parameters={"hidden_size": 8, "layers": 1, **parameters})


def system(name="S1", published=None, models=("rnn",), **kinds):
    return System(
        id=name,
        title="made up",
        datasets=(Entry(id="data", kind="sine", parameters={}),),
        models=tuple(entry(model, kinds.get(model, model)) for model in models),
        published=published or Published(),
    )


class Rows:
    """Collects rows of a made-up result set."""

    def __init__(self):
        self.rows = {name: [] for name in SCHEMAS}

    def cell(self, dataset, model, *, kind="rnn", rmse=LEVELS, curve=None, seeds=SEEDS, **columns):
        key = {
            "cell_id": f"{dataset}-{model}",
            "suite": "made",
            "dataset": dataset,
            "model": model,
            "sequence_length": columns.pop("length", 20),
            "horizon": 1,
        }
        spec = json.dumps({"model": {"kind": kind, "parameters": {"hidden_size": 8, "layers": 1}}})
        shared = {"task": "forecast", "status": "ok", "reason": "", "spec": spec, "deterministic": False, **columns}
        for seed in range(seeds):
            error = float(np.broadcast_to(rmse, SEEDS)[seed])
            own = {"seed": seed, "rmse": error, "mse": error**2, "mae": error / 2, "persistence_mse": 4.0}
            own |= {"skill": 1 - error**2 / 4, "test_points": 50}
            per_seed = {name: value[seed] for name, value in shared.items() if isinstance(value, np.ndarray)}
            self.rows["runs"].append({**key, **own, **shared, **{n: float(v) for n, v in per_seed.items()}})
            for epoch, loss in (curve or {}).items():
                line = {"seed": seed, "epoch": epoch, "train_loss": float(loss * LEVELS[seed])}
                self.rows["curves"].append({**key, **line})
        return self

    def prediction(self, dataset, model, truth, predicted, *, horizon=1, persistence=None):
        key = {"cell_id": f"{dataset}-{model}", "suite": "made", "dataset": dataset, "model": model}
        known = truth if persistence is None else persistence
        for seed in range(SEEDS):
            self.rows["predictions"] += [
                {
                    **key,
                    "sequence_length": 20,
                    "horizon": horizon,
                    "seed": seed,
                    "index": 100 + i,
                    "channel": 0,
                    "step": 1 + i % horizon,
                    "truth": float(t),
                    "prediction": float(p),
                    "persistence": float(k),
                }
                for i, (t, p, k) in enumerate(zip(truth, predicted, known, strict=True))
            ]
        return self

    def tables(self):
        return {name: table(name, rows) for name, rows in self.rows.items()}


def one(systems, rows, better=None):
    (card,) = cards(systems, Tables(rows.tables(), better))
    return card


def outcomes(card):
    return {finding.quantity: finding.outcome for run in card.runs for finding in run.all_findings}


def test_every_printed_number_has_its_verdict():
    published = Published(
        train_loss={1: 2.0, 2: 0.1}, test_rmse=1.02, parameters=97, shapes={"h_n": (1, 32, 8), "outputs": (32, 20, 8)}
    )
    rows = Rows().cell(
        "S1",
        "rnn as published",
        curve={1: 2.0, 2: 1.0},
        parameters=97,
        shapes=json.dumps({"h_n": [1, 32, 8], "outputs": [32, 20, 9]}),
    )
    found = outcomes(one([system(published=published)], rows))
    assert found == {
        "train loss at epoch 1": Outcome.REPRODUCED,
        "train loss at epoch 2": Outcome.WORSE,
        "test RMSE": Outcome.REPRODUCED,
        "parameters": Outcome.REPRODUCED,
        "shape of h_n": Outcome.REPRODUCED,
        "shape of outputs": Outcome.CANNOT_BE,
    }


def test_what_was_not_printed_is_given():
    found = outcomes(one([system()], Rows().cell("S1", "rnn as published")))
    assert found == {"test MSE": Outcome.NOT_STATED}


def test_what_was_not_run_is_said():
    card = one([system(published=Published(test_rmse=1.0))], Rows())
    assert card.outcomes == [Outcome.NOT_RUN]


def test_first_target_and_prediction_are_those_of_the_smallest_index():
    published = Published(first_target=0.5, first_prediction=0.4)
    truth = np.linspace(0.5, 0.9, 9)
    rows = Rows().cell("S1", "rnn as published").prediction("S1", "rnn as published", truth, truth - 0.1)
    found = outcomes(one([system(published=published)], rows))
    assert found["first target"] is Outcome.REPRODUCED
    assert found["prediction of the first target"] is Outcome.REPRODUCED


def test_systems_of_one_first_word_share_a_card():
    first, second = system("S1"), system("S1 variant")
    rows = Rows().cell("S1", "rnn as published").cell("S1 variant", "rnn as published").cell("S1", "rnn")
    card = one([first, second], rows)
    assert [run.system for run in card.runs] == ["S1", "S1 variant"]
    assert [cell.model for cell in card.protocol] == ["rnn"]


def claim(test, *models):
    return Published.model_validate({"claims": ({"text": "said", "test": test, "models": models},)})


def told(published, rows, models):
    return one([system(published=published, models=models)], rows).claims[0]


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [(0.95, 0.95, Held.HOLDS), (0.5, 0.95, Held.FAILS), (0.95, 0.5, Held.FAILS)],
)
def test_errors_are_equal_within_the_margin(first, second, held):
    wobble = np.random.default_rng(0).normal(0, 0.01, (2, SEEDS))
    rows = Rows()
    for name, level, own in (("gru", first, wobble[0]), ("lstm", second, wobble[1])):
        rows.cell("S1", f"{name} as published", kind=name, r2=level + own)
    assert told(claim("equal-errors", "gru", "lstm"), rows, ("gru", "lstm")).held is held


def test_wide_spread_cannot_tell_whether_errors_are_equal():
    wobble = np.random.default_rng(0).normal(0, 0.5, (2, SEEDS))
    rows = Rows()
    for name, own in zip(("gru", "lstm"), wobble, strict=True):
        rows.cell("S1", f"{name} as published", kind=name, r2=own)
    assert told(claim("equal-errors", "gru", "lstm"), rows, ("gru", "lstm")).held is Held.OPEN


@pytest.mark.parametrize(("first", "held"), [(0.95, Held.HOLDS), (0.5, Held.FAILS), (0.99, Held.HOLDS)])
def test_a_kind_that_explains_more_is_no_worse(first, held):
    wobble = np.random.default_rng(0).normal(0, 0.01, (2, SEEDS))
    rows = Rows()
    for name, level, own in (("gru", first, wobble[0]), ("lstm", 0.95, wobble[1])):
        rows.cell("S1", f"{name} as published", kind=name, r2=level + own)
    assert told(claim("no-worse", "gru", "lstm"), rows, ("gru", "lstm")).held is held


@pytest.mark.parametrize(
    ("rnn", "lstm", "held"),
    [(0.2, 0.99, Held.HOLDS), (0.99, 0.99, Held.FAILS), (0.2, 0.2, Held.OPEN)],
)
def test_a_memory_is_short_where_another_solves_the_task(rnn, lstm, held):
    wobble = np.random.default_rng(0).normal(0, 0.001, SEEDS)
    rows = Rows()
    for name, level in (("rnn", rnn), ("lstm", lstm)):
        rows.cell("S1", f"{name} as published", kind=name, r2=level + wobble)
    assert told(claim("short-memory", "rnn", "lstm"), rows, ("rnn", "lstm")).held is held


def test_what_is_explained_is_a_share_of_what_can_be():
    """A forecast at the noise floor solves the task, though its R² is far from 1."""
    r2 = 0.5 + np.random.default_rng(0).normal(0, 0.001, SEEDS)
    mse = 4 * (1 - r2)
    rows = Rows()
    for name in ("rnn", "lstm"):
        rows.cell("S1", f"{name} as published", kind=name, r2=r2, mse=mse, noise_floor_mse=2.0)
    assert told(claim("short-memory", "rnn", "lstm"), rows, ("rnn", "lstm")).held is Held.FAILS


def test_gates_are_counted():
    rows, sizes = Rows(), {"rnn": 1, "gru": 3, "lstm": 4}
    for name, blocks in sizes.items():
        shapes = json.dumps({"train_inputs": [9, 20, 2], "train_targets": [9, 1, 1]})
        parameters = blocks * 8 * (2 + 8 + 2) + 9
        rows.cell("S1", f"{name} as published", kind=name, parameters=parameters, shapes=shapes)
    found = told(claim("gates", *sizes), rows, tuple(sizes))
    assert (found.held, found.cases[0][2]) == (Held.HOLDS, "from the parameters: rnn 0, gru 2, lstm 3")


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


@pytest.mark.parametrize(("gru", "held"), [(0.2, Held.HOLDS), (0.4, Held.FAILS), (0.3, Held.OPEN)])
def test_training_times_are_ordered_on_one_machine(gru, held):
    kinds = ("rnn", "gru", "lstm")
    rows = Rows()
    for name in kinds:
        rows.cell("S1", f"{name} as published", kind=name)
    samples = probed({"rnn": 0.1, "gru": gru, "lstm": 0.3}) + probed({"rnn": 9.0}, host="other")
    tables = {**rows.tables(), "probes": pa.Table.from_pylist(samples)}
    (card,) = cards([system(published=claim("training-time", *kinds), models=kinds)], Tables(tables))
    assert card.claims[0].held is held
    assert card.claims[0].cases[0][2].startswith("rnn 99.8 ms [99.4, 100]")  # of the one machine alone


def test_a_claim_on_cells_that_did_not_finish_is_not_measured():
    rows = Rows().cell("S1", "rnn as published", status="diverged", reason="the loss is not finite")
    found = told(claim("gates", "rnn"), rows, ("rnn",))
    assert found.held is Held.NOT_MEASURED


def test_a_poor_result_is_held_against_persistence_and_the_other_target():
    rows = Rows()
    rows.cell("S1", "rnn as published", rmse=3 * LEVELS, departures="targets: same-at-every-step")
    rows.cell("S1 last", "rnn as published", rmse=2.5 * LEVELS, departures="scaler: series")
    rows.cell("S1", "rnn", rmse=2.1 * LEVELS).cell("S1", "linear-ar", rmse=1.0)
    better = {"S1-rnn as published": Held.FAILS, "S1 last-rnn as published": Held.FAILS, "S1-rnn": Held.OPEN}
    card = one([system("S1", claim("rests-on")), system("S1 last")], rows, better)
    found = card.claims[0]
    assert found.held is Held.HOLDS
    assert found.sentence.split("; ")[:2] == [
        "as published, of 2 networks 2 worse than repeating the last value",
        "under the protocol, of 1 network 1 not shown to differ from it",
    ]
    assert "multiplies the RMSE by 1.2 [1.2, 1.2]" in found.sentence
    assert [case[1] for case in found.cases] == [Held.HOLDS, Held.HOLDS, Held.OPEN]
    assert "RMSE 3.006, persistence 2," in found.cases[0][2]  # pooled: the mean of the RMSEs is 3


def test_nothing_is_said_of_a_poor_result_that_was_not_tested():
    found = one([system(published=claim("rests-on"))], Rows().cell("S1", "rnn as published")).claims[0]
    assert found.held is Held.NOT_MEASURED


WALK = 100 + np.cumsum(np.random.default_rng(0).normal(size=151))


@pytest.mark.parametrize(("error", "held"), [(9.0, Held.HOLDS), (1.0, Held.FAILS)])
def test_a_failure_at_the_largest_fall_is_measured_there(error, held):
    truth = WALK.copy()
    truth[50:] -= 6
    fall = truth[49] - truth[50]
    predicted = truth + 0.5
    predicted[50] = truth[50] + error
    rows = Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", truth[1:], predicted[1:], persistence=truth[:-1])
    found = one([system(published=claim("sudden-drop"))], rows).claims[0]
    assert found.held is held
    assert f"error {error:.3g} [{error:.3g}, {error:.3g}] at the largest fall" in found.cases[0][2]
    assert f"by {fall:.3g}, which is the error of persistence there; elsewhere typically 0.5" in found.cases[0][2]


def test_closeness_and_delay_are_judged_apart():
    truth, last = WALK[1:], WALK[:-1]
    rows = Rows().cell("S1", "rnn as published", rmse=2.2 * LEVELS)
    rows.prediction("S1", "rnn as published", truth, last, persistence=last)
    card = one([system(published=claim("delayed"))], rows, {"S1-rnn as published": Held.FAILS})
    close, late = card.claims
    assert (close.text, close.held) == ("said: closeness", Held.FAILS)
    assert close.sentence == (
        "of 1 forecasts 0 are shown to err less than repeating the last value, and 1 to err more; "
        "their RMSE is 1.1 to 1.1 times as large as its"
    )
    assert (late.text, late.held) == ("said: delay", Held.HOLDS)
    assert late.cases[0][2].startswith("1 step at a correlation of 1.00")
    assert "the curves look alike because the last value is repeated" in late.sentence
    assert card.runs[0].delay.steps == 1


def test_blocks_laid_end_to_end_make_no_delay():
    """Five steps that all repeat the last value known before them: one-step forecasts of it are one point late."""
    truth = WALK[1:]
    blocks = np.repeat(WALK[:-1:5], 5)
    rows = Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", truth, blocks, horizon=5, persistence=blocks)
    assert one([system()], rows).runs[0].delay.steps == 1


def test_a_forecast_that_follows_nothing_has_no_delay_to_tell():
    other = np.cumsum(np.random.default_rng(1).normal(size=150))
    rows = Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", WALK[1:], other, persistence=WALK[:-1])
    assert one([system(published=claim("delayed"))], rows).claims[1].held is Held.OPEN


def test_pages_show_every_card_and_its_mark():
    truth = np.sin(np.arange(60) / 3)
    published = Published(train_loss={1: 2.0}, test_rmse=1.0, claims=claim("rests-on").claims)
    rows = Rows().cell("S1", "rnn as published", curve={1: 2.0}, departures="scaler: series")
    rows.prediction("S1", "rnn as published", truth, truth, persistence=np.roll(truth, 1)).cell("S1", "rnn")
    found = site.render(Source(rows.tables(), "results/made", [system(published=published)]), names=("a.html", "b.md"))
    assert {"a.html", "b.md", "figures/courses-s1.svg", "figures/distributions-s1.svg"} <= found.keys()
    assert "departures scaler: series" in found["b.md"]
    assert "| **as published** |" in found["b.md"]
    assert found["b.md"].count(r"1.002 \[0.905, 1.095\]") == 3, (
        "pooled, in both tables, as published and under the protocol"
    )
    assert 'id="system-s1"' in found["a.html"]
    assert "better than persistence ●" in found["b.md"]
    assert "**said**: does not hold" in found["b.md"], "the claim and the table say the same"


def text_of(rows, *systems):
    return site.render(Source(rows.tables(), "results/made", systems), names=("a.html", "b.md"))["b.md"]


def test_marks_say_what_departs():
    rows = Rows().cell("S1", "rnn as published", departures="layer: keras, split: none")
    rows.cell("S1", "rnn", departures="layer: keras").cell("S1", "mean").cell("S1 own", "rnn as published")
    text = text_of(rows, system(), system("S1 own"))
    assert "| S1 | rnn | **as published** |" in text
    assert "| S1 | rnn | **protocol, but layer: keras** |" in text
    assert "| S1 | mean | protocol |" in text
    assert "| S1 own | rnn | as published, no departure |" in text
    assert "- As published, S1 own: no departure from the protocol." in text


def test_an_error_on_the_training_windows_is_called_one():
    rows = Rows().cell("S1", "rnn as published", departures="split: none")
    assert outcomes(one([system()], rows)) == {"MSE on the training windows": Outcome.NOT_STATED}
    assert "nothing was held out" in text_of(rows, system())


def test_scaled_errors_stand_where_no_noise_floor_is_known():
    rows = Rows().cell("S1", "rnn as published", mse=2.0, mse_scaled=0.5)
    text = text_of(rows, system())
    assert "| Scaled MSE | Persistence (scaled MSE) |" in text
    assert "| 2.000 | 0.5000 | 1.000 |" in text
    known = text_of(Rows().cell("S1", "rnn as published", noise_floor_mse=0.25), system())
    assert "| Noise floor (RMSE) |" in known
    assert "Scaled" not in known


def test_a_table_of_accuracies_says_nothing_of_a_noise_floor():
    text = text_of(Rows().cell("S1", "rnn as published", task="classify", accuracy=LEVELS / 2), system())
    assert "Accuracy (mean; central 95 %)" in text
    assert "noise floor" not in text.casefold().partition("how to read")[0]


def test_a_picture_of_many_rows_is_told_in_short():
    spreads = [Spread.of(LEVELS + place) for place in range(24)]
    rows = tuple(Row(f"model-{place}", spread, published=True) for place, spread in enumerate(spreads))
    with theme():
        shown = distributions([Group("data", "RMSE", rows)], "made")
    assert shown.alt == "data, RMSE: 24 rows from 1 (model-0) to 24 (model-23)."


def test_a_card_of_which_nothing_was_run_is_left_out():
    rows = Rows().cell("S1", "rnn as published").tables()
    asked = frozenset((name, "rnn as published", 20, 1) for name in ("S1", "S2", "S3"))
    found = site.render(
        Source(rows, "results/made", [system(), system("S2"), system("S3")], asked=asked), names=("a.html", "b.md")
    )
    text = found["b.md"]
    assert "1 published system, 0 printed numbers" in text
    assert "Not run, and left out here: S2 and S3." in text
    assert "## S2" not in text
    assert "could not be judged" not in text
    assert "no row" not in text


def test_what_is_missing_of_a_card_that_was_run_is_said():
    rows = Rows().cell("S1", "rnn as published").tables()
    found = site.render(Source(rows, "results/made", [system(), system("S1 more")]), names=("a.html", "b.md"))
    assert "1 could not be judged: what they are of was not run." in found["b.md"]


def test_rows_of_systems_and_others_part():
    rows = Rows().cell("S1", "rnn as published").cell("other", "rnn").tables()
    asked = frozenset({("S1", "rnn", 5, 1), ("more", "rnn", 5, 1)})
    own, others = site.parted(Source(rows, "results/made", [system()], asked=asked))
    assert own.rows["runs"]["dataset"].unique().to_pylist() == ["S1"]
    assert others.rows["runs"]["dataset"].unique().to_pylist() == ["other"]
    assert (own.asked, others.asked) == (frozenset({("S1", "rnn", 5, 1)}), frozenset({("more", "rnn", 5, 1)}))
