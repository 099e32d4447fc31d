"""What the report says of a ranking that is drawn again, and what it says where that cannot be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from bench.reporting.page import draw, markdown
from bench.reporting.source import Source
from bench.reporting.stability import SEEDS, TRIALS, WINDOW, stability_of, stability_table
from bench.reporting.summary import summarise
from bench.reporting.values import Summary
from bench.stats.resampling import draw_seeds, rank_stability
from bench.store.schema import KEY, Rows, table

Fake = Callable[..., Rows]
MODELS = ["persistence", "linear-ar", "lstm", "gru"]


@pytest.fixture(scope="module")
def rows(fake: Fake) -> Rows:
    made = fake(datasets=["sine-0", "sine-1", "sine-2"], models=MODELS, lengths=(30,), points=400)
    return {**made, "trials": trials(made["runs"])}


def trials(runs: pa.Table) -> pa.Table:
    """Of each network four trials: one failed, and one is best, with a quarter of the error of the others."""
    keys = runs.select(KEY).group_by(KEY, use_threads=False).aggregate([]).to_pylist()
    errors = (0.004, 0.001, None, 0.004)
    return table(
        "trials",
        [
            {**key, "trial": k, "state": "complete" if error else "failed", "validation_mse_scaled": error}
            for key in keys
            if key["model"] in ("lstm", "gru")
            for k, error in enumerate(errors)
        ],
    )


def summary(rows: Rows) -> Summary:
    return summarise(Source(rows, "results/fake"))


def test_each_thing_is_drawn_again_on_every_dataset(rows: Rows) -> None:
    made = summary(rows)
    stable = stability_of(made.sections, made.ranking)
    assert [each.what for each in stable.ranks] == [SEEDS, WINDOW, TRIALS]
    assert {each.varied for each in stable.ranks} == {3}
    seeds = stable.ranks[0]
    assert seeds.models == tuple(row.model for row in made.ranking.ranks)
    errors = [
        [np.square(next(cell.rmse_by_seed for cell in section.cells if cell.model == name)) for name in seeds.models]
        for section in made.sections
    ]
    given = np.array([[own.mean() for own in each] for each in errors])
    resampled = np.stack([draw_seeds(own, section.title) for own, section in zip(errors, made.sections, strict=True)])
    expected = rank_stability(given, resampled)
    assert seeds.stability.stays == pytest.approx(expected.stays)
    assert seeds.stability.tau == pytest.approx(expected.tau)
    assert seeds.stability.swapped == pytest.approx(expected.swapped)
    assert stable.sentence.startswith(f"{seeds.models[0]} stays first in ")
    other = ((3 / 4) ** 4 - (1 / 4) ** 4) / (1 - (1 / 4) ** 4)  # no draw of the best; one of all draws must finish
    assert stable.trials is not None
    assert stable.trials.other == pytest.approx(other)
    assert stable.trials.excess == pytest.approx(other), "RMSE is twice as large then"
    assert "Were the trials of the tuning drawn again" in stable.sentence
    page = markdown(made, draw(made))
    assert "## How stable the ranking is" in page
    assert stable.sentence[:60] in page


def test_without_predictions_the_window_stays_and_that_is_said(rows: Rows) -> None:
    made = summary({**rows, "predictions": table("predictions", [])})
    stable = stability_of(made.sections, made.ranking)
    assert [each.what for each in stable.ranks] == [SEEDS, TRIALS]
    assert "The test window could not be drawn again: no predictions are stored." in stable.sentence


def test_one_model_has_no_rank_to_change(fake: Fake) -> None:
    made = summary(fake(datasets=["sine-0"], models=["lstm"], lengths=(30,)))
    stable = stability_of(made.sections, made.ranking)
    assert (stable.ranks, stable.trials, stable.sentence) == ((), None, "")
    assert stability_table(stable).rows == ()
