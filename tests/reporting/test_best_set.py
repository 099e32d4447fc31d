from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bench.reporting.forecasts import Losses, losses
from bench.reporting.judging import best_set
from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, State
from bench.stats.confidence_set import confidence_set
from bench.store.grid import by_cell
from bench.store.schema import Rows

Fake = Callable[..., Rows]


def cell(model: str, **options: Any) -> CellSummary:
    made = CellSummary(model, "sine", model, 10, 1, State.OK, 3, 3, chosen=True)
    return replace(made, **options)


def errors(scale: float, *, points: int = 200, seed: int = 0) -> Losses:
    rng = np.random.default_rng(seed)
    return Losses(np.arange(points), (scale * rng.normal(size=points)) ** 2, np.ones(points), horizon=1)


def test_the_models_that_may_be_the_best_are_named_and_the_others_are_not() -> None:
    found = best_set(
        [cell("lstm"), cell("gru"), cell("rnn")],
        {"lstm": errors(1.0), "gru": errors(1.0, seed=1), "rnn": errors(3.0, seed=2)},
    )
    assert found == (
        "The best model is among lstm and gru with 95 % confidence and with 90 % "
        "(model confidence set of 3 models over 200 stored test targets)."
    )


def test_two_levels_that_differ_are_both_told() -> None:
    for seed in range(1, 100):
        own = {"lstm": errors(1.0), "gru": errors(1.15, seed=seed)}
        p = confidence_set(np.stack([one.model for one in own.values()]))
        if p and 0.05 < min(p.p) <= 0.1:
            break
    first = ("lstm", "gru")[int(np.argmax(p.p))]
    said = f"The best model is among lstm and gru with 95 % confidence, and is {first} with 90 % ("
    assert best_set([cell("lstm"), cell("gru")], own).startswith(said)


def test_where_the_verdicts_say_otherwise_the_set_is_called_a_separate_test() -> None:
    cells = [cell("lstm"), cell("gru"), cell("rnn")]
    own = {"lstm": errors(1.0), "gru": errors(1.0, seed=1), "rnn": errors(3.0, seed=2)}
    apart = " The set is a separate test: unlike the verdicts, it "
    assert best_set(cells, own, undecided=["gru"], worse=["rnn"]).endswith("stored test targets).")
    assert best_set(cells, own, undecided=["gru", "rnn"]).endswith(f").{apart}rules out rnn.")
    assert best_set(cells, own, worse=["gru", "rnn"]).endswith(f").{apart}does not rule out gru.")
    both = best_set(cells, own, undecided=["rnn"], worse=["gru"])
    assert both.endswith(f").{apart}rules out rnn and does not rule out gru.")


def test_a_report_says_it_for_each_dataset_on_both_pages(fake: Fake) -> None:
    rows = fake(datasets=("noisy-sine", "gbm"), points=400, lengths=(10,))
    summary = summarise(Source(rows, "results/fake"))
    stored = {cell_id: losses(own) for cell_id, own in by_cell(rows["predictions"]).items()}
    for section in summary.sections:
        own = [stored[one.cell_id or ""] for one in section.cells]
        found = confidence_set(np.stack([one.model for one in own if one]))
        assert found is not None
        for place, one in enumerate(section.cells):
            named = section.best_set.partition(" with 95 %")[0].replace(",", "").split()
            assert (one.model in named) == (place in found.included)
    files = render(summary)
    for name in ("index.html", "report.md"):
        assert str(files[name]).count("model confidence set of 5 models over 80 stored test targets") == 2


def test_nothing_is_said_of_one_model_of_too_few_targets_or_of_different_ones() -> None:
    both = [cell("lstm"), cell("gru")]
    assert best_set(both, {"lstm": errors(1.0)}) == ""
    assert best_set([cell("lstm"), cell("gru", chosen=False)], {"lstm": errors(1.0), "gru": errors(1.0, seed=1)}) == ""
    assert best_set(both, {"lstm": errors(1.0, points=12), "gru": errors(1.0, points=12, seed=1)}) == ""
    assert best_set(both, {"lstm": errors(1.0), "gru": errors(1.0, points=190)}) == ""
