"""Which claims are corrected together, and what is tested where replicates have data of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bench.cells import CellKey
from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Summary
from bench.stats.ratios import over_seeds
from bench.stats.verdicts import Verdict
from bench.store.schema import Rows, table

Fake = Callable[..., Rows]
CARDS = {"noisy-sine": "one", "damped-multisine": "two", "gbm": "two"}
MODELS = ["persistence", "linear-ar", "lstm"]


def summary(rows: Rows, families: dict[str, str] | None = None) -> Summary:
    return summarise(Source(rows, "results/fake"), families or {})


def cells(found: Summary, dataset: str) -> dict[str, CellSummary]:
    return {cell.model: cell for section in found.sections for cell in section.cells if cell.dataset == dataset}


def edited(rows: Rows, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Rows:
    return {**rows, "runs": table("runs", [{**row, **change(row)} for row in rows["runs"].to_pylist()])}


def twin(rows: Rows, dataset: str, model: str, name: str) -> Rows:
    """`rows` and once more those of `model` on `dataset`, as a dataset called `name`."""
    found = {}
    for kind, own in rows.items():
        lines = own.to_pylist()
        again = [row for row in lines if (row["dataset"], row["model"]) == (dataset, model)]
        copies = [{**row, "dataset": name, "cell_id": f"{name}-{row['cell_id']}"} for row in again]
        found[kind] = table(kind, [*lines, *copies])
    return found


def test_a_card_says_the_same_whatever_stands_beside_it(fake: Fake) -> None:
    alone = cells(summary(fake(datasets=["noisy-sine"], lengths=[10])), "noisy-sine")
    adjacent = fake(lengths=[10])
    assert cells(summary(adjacent, CARDS), "noisy-sine") == alone
    assert cells(summary(adjacent), "noisy-sine") != alone


def test_rows_that_are_one_count_once(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10])
    assert cells(summary(twin(rows, "noisy-sine", "linear-ar", "again")), "noisy-sine") == cells(
        summary(rows), "noisy-sine"
    )
    more = cells(summary(twin(rows, "noisy-sine", "lstm", "again")), "noisy-sine")
    assert more != cells(summary(rows), "noisy-sine"), "what is trained is another claim"


def fresh(row: dict[str, Any]) -> dict[str, Any]:
    spec = json.loads(row["spec"]) | {"fresh_data": True}
    return {"spec": json.dumps(spec), "data_sha256": f"{row['seed']:064x}"}


def test_replicates_with_data_of_their_own_decide_alone(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10])
    found = summary(edited(rows, lambda row: fresh(row) if row["model"] == "lstm" else {}))
    own = cells(found, "noisy-sine")
    assert {model: own[model].verdict for model in ("linear-ar", "lstm")} == dict.fromkeys(
        ("linear-ar", "lstm"), Verdict.BETTER
    )
    assert "window" not in own["lstm"].why
    assert not found.sections[0].same_data
    assert found.sections[0].best is None
    assert any("On noisy-sine, each replicate of some cells has data of its own" in text for text in found.cautions)


def test_models_compare_where_each_seed_has_its_data(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10])
    (section,) = summary(edited(rows, fresh)).sections
    assert section.same_data
    assert section.best.model == "lstm"


def test_no_test_window_is_shared_by_replicates_with_data_of_their_own(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10], points=400)
    (one,) = summary(rows).sections
    (own,) = summary(edited(rows, fresh)).sections
    assert all(cell.skill_in_window for cell in one.cells if cell.model != "persistence")
    assert not any(cell.skill_in_window for cell in own.cells)
    assert own.best_set == ""
    assert one.trace.seed is None
    assert own.trace.seed == 0
    assert "seed 0 alone: each seed has data of its own" in str(render(summary(edited(rows, fresh)))["report.md"])


def test_a_fit_to_each_series_has_a_spread_though_nothing_is_drawn(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10])
    varied = edited(rows, lambda row: {"mse": row["mse"] * (1 + 0.01 * row["seed"])})
    assert cells(summary(varied), "noisy-sine")["linear-ar"].rmse.interval is None, "copies of one fit"
    own = cells(summary(edited(varied, fresh)), "noisy-sine")["linear-ar"]
    assert own.deterministic
    assert own.rmse.interval is not None
    assert own.skill.interval is not None


@pytest.mark.parametrize("seed", [0, 3])
def test_one_seed_with_other_data_makes_nothing_comparable(fake: Fake, seed: int) -> None:
    rows = edited(fake(datasets=["noisy-sine"], models=MODELS, lengths=[10]), fresh)
    other = {"data_sha256": "f" * 64}
    found = summary(edited(rows, lambda row: other if (row["model"], row["seed"]) == ("lstm", seed) else {}))
    assert not found.sections[0].same_data
    assert cells(found, "noisy-sine")["lstm"].verdict is Verdict.UNTESTED


def begun(rows: Rows, *, looks: int) -> Rows:
    """As if the replicates had been stored in so many batches of one, the last with all the rest."""
    return edited(
        rows,
        lambda row: {"started_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=min(row["seed"], looks - 1))},
    )


@pytest.mark.parametrize("looks", [1, 2, 4])
def test_every_batch_of_replicates_was_a_look_at_the_claims(fake: Fake, looks: int) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10], seeds=8)
    lstm = cells(summary(begun(rows, looks=looks)), "noisy-sine")["lstm"]
    known = {1: "", 2: " (looked at before with 1)", 4: " (looked at before with 1, 2 and 3)"}[looks]
    assert f"over 8 seeds{known} and " in lstm.why
    level = 1 - 0.05 * (1 - ((looks - 1) / 8) ** 1.5)
    runs = [row for row in rows["runs"].to_pylist() if row["model"] == "lstm"]
    test = over_seeds(*(np.array([row[name] for row in runs]) for name in ("mse", "persistence_mse")), level=level)
    assert lstm.skill.interval == pytest.approx((1 - float(test.high), 1 - float(test.low)))


def test_a_cell_that_is_to_have_more_seeds_has_not_spent_its_error_rate(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=[10], seeds=8)
    seeds = {CellKey("noisy-sine", model, 10, 1): 30 for model in MODELS}
    lstm = cells(summarise(Source(rows, "results/fake", seeds=seeds)), "noisy-sine")["lstm"]
    assert "over 8 seeds (up to 30 planned) and " in lstm.why
