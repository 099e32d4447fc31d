"""What to use within a budget: what does not fit is taken out first, and the claims are those of what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.api.results import Results
from bench.errors import InputError
from bench.reporting.budget import Budget
from bench.reporting.recommend import Recommendation, advice_parts, advice_rows, recommend
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.stats.claims import ClaimOutcome
from bench.stats.verdicts import Verdict
from bench.store.schema import Rows, table

Fake = Callable[..., Rows]
MODELS = ["persistence", "linear-ar", "lstm", "gru"]
LATENCY = {"persistence": 1e-5, "linear-ar": 2e-5, "gru": 2.5e-3, "lstm": 1.5e-3}


def probed(rows: Rows) -> Rows:
    """With the latency of every cell, as `bench probe` stores it."""
    names = ["cell_id", "suite", "dataset", "model", "sequence_length", "horizon"]
    cells = rows["runs"].select(names).group_by(names, use_threads=False).aggregate([]).to_pylist()
    common = {"status": "ok", "reason": "", "parameters_from": "runs", "implementation": "torch", "host": "here"}
    common |= {"cpu": "fast", "device": "cpu", "threads": 1, "workload": json.dumps({"parameters": {}})}
    made = [
        {**cell, **common, "quantity": "latency_s", "repeat": repeat, "value": LATENCY[cell["model"]]}
        for cell in cells
        for repeat in range(3)
    ]
    return {**rows, "probes": table("probes", made)}


@pytest.fixture(scope="module")
def source(fake: Fake) -> Source:
    return Source(probed(fake(datasets=["noisy-sine", "gbm"], models=MODELS, points=600)), "results/fake")


def of(source: Source, dataset: str, **limits: float) -> Recommendation:
    (only,) = recommend(source, Budget(**limits), dataset=dataset).recommendations
    return only


def test_without_a_limit_it_is_the_quickest_of_those_as_good_as_the_best_of_the_report(source: Source) -> None:
    section = next(each for each in summarise(source.parted(["noisy-sine"])[0]).sections)
    assert section.best is not None
    assert section.best.model == "lstm"
    quicker = section.chosen("gru")
    assert quicker is not None
    assert section.best.verdict is quicker.verdict is Verdict.FLOOR
    advice = of(source, "noisy-sine")
    assert (advice.model, advice.cell) == ("gru", quicker)
    assert advice.why == (
        f"{section.statement} gru is as good ({quicker.words_next_to_best} next to it) and quicker to fit."
    )


def test_one_that_is_worse_is_not_as_good_however_quick_it_is(source: Source) -> None:
    section = next(each for each in summarise(source.parted(["noisy-sine"])[0]).sections)
    linear = section.chosen("linear-ar")
    assert linear is not None
    assert linear.words_next_to_best.startswith("worse")
    assert of(source, "noisy-sine").model != "linear-ar"


def test_a_limit_leaves_the_smallest_error_among_what_fits(source: Source) -> None:
    assert of(source, "noisy-sine", parameters=4000).model == "gru", "lstm has 4800"
    assert of(source, "noisy-sine", latency_s=2e-3, parameters=3000).model == "linear-ar"
    assert of(source, "noisy-sine", fit_s=0.1).model == "linear-ar", "the recurrent ones take over 0.9 s"
    assert of(source, "noisy-sine", memory_bytes=330_000_000).model == "linear-ar"


def test_what_is_over_the_budget_is_named_with_its_cost(source: Source) -> None:
    left_out = recommend(source, Budget(latency_s=2e-3), dataset="noisy-sine").left_out
    assert left_out == {f"noisy-sine: gru at length {n}": "latency 2.50 ms" for n in (10, 30)}


def test_memory_that_no_probe_measured_is_called_that_of_the_process(source: Source) -> None:
    (caution,) = recommend(source, Budget(memory_bytes=330_000_000), dataset="noisy-sine").cautions
    assert caution == (
        "Memory of 8 of 8 cells is that of the whole process of the run, libraries included, since they were not "
        "probed: `bench probe results/fake` measures what each model itself takes."
    )
    assert caution in advice_parts(recommend(source, Budget(memory_bytes=330_000_000), dataset="noisy-sine"))
    assert recommend(source, Budget(latency_s=2e-3), dataset="noisy-sine").cautions == ()


def test_the_length_is_chosen_among_those_that_fit(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=["persistence", "lstm"], points=600)
    heavier = [{**row, "parameters": 10 * row["sequence_length"]} for row in rows["runs"].to_pylist()]
    source = Source({**rows, "runs": table("runs", heavier)}, "results/fake")
    whole, small = of(source, "noisy-sine").cell, of(source, "noisy-sine", parameters=150).cell
    assert whole is not None
    assert small is not None
    assert (whole.sequence_length, small.sequence_length) == (30, 10), "30 is better on validation, and has 300"
    assert small.beats_persistence is ClaimOutcome.HOLDS, "it has a verdict of its own, though 30 was chosen before"


def test_where_nothing_is_shown_to_beat_persistence_that_is_the_advice(source: Source) -> None:
    advice = of(source, "gbm")
    assert advice.model == "persistence"
    assert advice.cell is not None
    assert advice.cell.verdict is Verdict.REFERENCE
    assert "no skill" in advice.why or "worse than persistence" in advice.why
    assert advice.cheaper == ()


def test_quicker_models_that_are_not_shown_to_be_worse_are_named(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine"], models=MODELS, lengths=(10,), points=600)
    lstm = [row for row in rows["runs"].to_pylist() if row["model"] == "lstm"]
    errors = ("mse", "rmse", "mae", "skill", "learnable_fraction", "mse_scaled", "rmse_scaled")
    same = {row["seed"]: {name: row[name] for name in errors} for row in lstm}
    jitter = np.random.default_rng(3).normal(0, 0.01, len(lstm))
    runs = [
        {**row, **same[row["seed"]], "mse": row_mse(same, row, jitter), "fit_s": 0.01} if row["model"] == "gru" else row
        for row in rows["runs"].to_pylist()
    ]
    truth = {(r["seed"], r["index"]): r["prediction"] for r in rows["predictions"].to_pylist() if r["model"] == "lstm"}
    predictions = [
        {**row, "prediction": truth[row["seed"], row["index"]]} if row["model"] == "gru" else row
        for row in rows["predictions"].to_pylist()
    ]
    changed = {**rows, "runs": table("runs", runs), "predictions": table("predictions", predictions)}
    advice = of(Source(changed, "results/fake"), "noisy-sine")
    assert {advice.model, *advice.cheaper} >= {"gru"}
    if advice.model == "lstm":
        assert advice.cheaper == ("gru",)


def row_mse(same: dict[int, dict[str, float]], row: dict[str, float], jitter: np.ndarray) -> float:
    return same[int(row["seed"])]["mse"] * float(np.exp(jitter[int(row["seed"])]))


def test_a_limit_on_what_was_never_measured_is_refused(fake: Fake) -> None:
    source = Source(fake(datasets=["gbm"], models=["persistence", "gru"]), "results/fake")
    with pytest.raises(InputError, match="latency was measured, got none; run `bench probe results/fake`"):
        recommend(source, Budget(latency_s=1.0))
    with pytest.raises(InputError, match="expected one of gbm, got 'dji'"):
        recommend(source, Budget(), dataset="dji")
    with pytest.raises(InputError, match="expected a memory of at least 0, got nan"):
        Budget(memory_bytes=float("nan"))


def test_the_text_and_the_rows_say_the_same(source: Source) -> None:
    advice = recommend(source, Budget(latency_s=2e-3))
    text, rows = "\n".join(map(str, advice_parts(advice))), advice_rows(advice)
    assert [row["dataset"] for row in rows] == ["gbm", "noisy-sine"]
    first, second = text.splitlines()[1:3]
    assert first.split()[:2] == ["gbm", "persistence"]
    assert second.split()[:3] == ["noisy-sine", "lstm", str(rows[1]["sequence_length"])]
    assert "1.50 ms" in second
    assert rows[1]["latency_s"] == pytest.approx(1.5e-3)
    assert "Over the budget: 4 cells" in text


def test_results_give_the_advice_as_a_frame(source: Source) -> None:
    frame = Results(Path("results/fake"), source).recommend(latency_s=2e-3)
    assert frame["model"].tolist() == ["persistence", "lstm"]
    assert frame["latency_s"].tolist() == pytest.approx([1e-5, 1.5e-3])
    with pytest.raises(InputError, match="unknown limit 'latency_ms'; did you mean 'latency_s'"):
        Results(Path("results/fake"), source).recommend(latency_ms=2)


def test_what_is_left_alone_by_the_budget_was_not_the_only_one_that_was_run(source: Source) -> None:
    assert of(source, "noisy-sine", parameters=0).why.startswith("persistence is the only model left: ")


def test_persistence_that_is_over_the_budget_itself_is_named_as_such(source: Source) -> None:
    assert of(source, "gbm", latency_s=1e-6).model == "persistence"
    assert of(source, "gbm", latency_s=1e-6).why.endswith("persistence itself is over the budget (latency 0.01 ms).")
    assert "over the budget" not in of(source, "gbm", latency_s=1.5e-5).why
