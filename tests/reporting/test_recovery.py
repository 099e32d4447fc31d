"""Time to recovery after level shifts: by hand without noise, by a loop with it, and where it stands in a report."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest

import bench
from bench.api.results import Results
from bench.cells import expand
from bench.data import DATASETS
from bench.protocol.prepare import load_data, prepare
from bench.reporting import tables
from bench.reporting.export import to_csv
from bench.reporting.page import Pictures, html, markdown
from bench.reporting.recovery import Recovery, known_shifts, recovered, recovery
from bench.store.rules import refuse_broken
from bench.store.schema import table

SHIFT, END = 40, 100


def errors_of(weights: list[float], *, noise: float = 0.0) -> np.ndarray:
    """Absolute errors one step ahead of a weighted mean of the last values, at a step from 0 to 3."""
    level = np.where(np.arange(-len(weights), END) < SHIFT, 0.0, 3.0)
    values = level + noise * np.random.default_rng(5).normal(size=len(level))
    forecasts = [values[at : at + len(weights)] @ weights for at in range(END)]
    return np.abs(values[len(weights) :] - forecasts)


@pytest.mark.parametrize(
    ("weights", "steps"),
    [([1.0], 1), ([0.25] * 4, 4), ([0.1] * 10, 10), ([1.0, *[0.0] * 4], 5), ([*[0.0] * 59, 1.0], 1)],
)
def test_without_noise_a_moving_average_recovers_when_it_has_left_the_shift(weights: list[float], steps: int) -> None:
    """Persistence after 1 point, a mean of w after w, and so does the value w points ago."""
    error = errors_of(weights)
    assert list(recovered(np.arange(END), error, [SHIFT], rounding=1e-9)) == [(steps, END - SHIFT)]


def test_with_noise_it_is_that_of_a_loop() -> None:
    error = errors_of([0.1] * 10, noise=0.5)
    limit = 2 * np.median(error[:SHIFT])
    expected = next(
        at - SHIFT for at in range(SHIFT, END - 4) if error[at] <= limit and sum(error[at : at + 5]) / 5 <= limit
    )
    assert list(recovered(np.arange(END), error, [SHIFT])) == [(expected, END - SHIFT)]
    assert 5 <= expected <= 10  # the error falls to twice the noise before the last old value is left


def test_one_small_error_is_no_recovery() -> None:
    error = np.r_[np.full(SHIFT, 1.0), 9.0, 1.0, 9.0, 9.0, 9.0, np.ones(55)]
    assert list(recovered(np.arange(END), error, [SHIFT])) == [(5, 60)]
    rising = np.r_[np.full(SHIFT, 1.0), np.full(60, 9.0)]
    assert list(recovered(np.arange(END), rising, [SHIFT])) == [(None, 60)]
    rising[-4:] = 1.0  # too few in a row until the end
    assert list(recovered(np.arange(END), rising, [SHIFT])) == [(None, 60)]


def test_each_shift_is_compared_with_the_stretch_before_it() -> None:
    error = np.ones(END)
    error[[40, 41, 70]] = 50.0
    error[72:] = 1.9
    assert list(recovered(np.arange(END), error, [40, 70])) == [(2, 30), (1, 30)]
    assert list(recovered(np.arange(END), error, [5, 40, 70])) == [(2, 30), (1, 30)]  # too few points before the first
    assert list(recovered(np.arange(0, END, 3), np.ones(34), [40])) == [(2, 60)]  # the first point that is forecast


def predictions_of(errors: list[np.ndarray]) -> pa.Table:
    rows = [
        {
            "cell_id": "a",
            "suite": "s",
            "dataset": "d",
            "model": "m",
            "sequence_length": 2,
            "horizon": 1,
            "seed": seed,
            "index": at,
            "channel": 0,
            "step": 1,
            "truth": 5.0,
            "prediction": 5.0 + error[at],
            "persistence": 5.0,
        }
        for seed, error in enumerate(errors)
        for at in range(END)
    ]
    return table("predictions", rows)


def test_errors_are_means_over_replicates() -> None:
    one, other = np.ones(END), np.ones(END)
    one[SHIFT : SHIFT + 3], other[SHIFT : SHIFT + 5] = -30.0, 4.0
    own = recovery(predictions_of([one, other]), [SHIFT])
    assert own == Recovery("a", "m", 2, (5,), (60,))  # (1 + 4) / 2 is above 2, and so it is until the fifth point


def test_the_median_of_shifts_that_were_not_overcome_is_none() -> None:
    assert Recovery("a", "m", 2, (1, None, 3), (9, 9, 9)).median == 3
    assert Recovery("a", "m", 2, (1, None), (9, 9)).median is None
    assert recovery(predictions_of([np.full(END, np.inf)]), [SHIFT]) is None
    assert recovery(predictions_of([np.ones(END)]), [5]) is None


SUITE = """name: s
datasets:
 - {id: moved, kind: level-shifts, length: 500, every: 50, levels: [0, 300, 300, 100], noise: 0.5, seed: 0}
 - {id: still, kind: random, length: 300}
models: [persistence, {id: four-ago, kind: seasonal-naive, period: 4}]
sequence_lengths: [8]
seeds: 2
tuning: false
split: {validation: 80, test: 180}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("recovery")
    (folder / "s.yaml").write_text(SUITE)
    return bench.run(folder / "s.yaml", results=folder / "results", jobs=1)


def test_the_times_of_shifts_come_from_the_law(results: Results) -> None:
    known = known_shifts(results._source.rows["runs"])
    assert [*known.values()] == [(350, 400, 450)] * 2  # of both models
    runs = results.runs
    assert set(runs[runs.dataset == "moved"]["shifts"]) == {'{"at": [350, 400, 450]}'}
    assert runs[runs.dataset == "still"]["shifts"].isna().all()
    (cell, *_) = expand(bench.load(SUITE_CONTENT))
    series = load_data(cell)
    assert series.shifts == (50, 150, 200, 250, 350, 400, 450)  # type: ignore[union-attr]  # at 100 and 300 nothing moves
    assert json.loads(prepare(cell, series).provenance()["shifts"]) == {"at": [350, 400, 450]}


SUITE_CONTENT = {
    "name": "s",
    "datasets": [
        {"id": "moved", "kind": "level-shifts", "length": 500, "every": 50, "levels": [0.0, 300.0, 300.0, 100.0]}
    ],
    "models": ["persistence"],
    "sequence_lengths": [8],
    "split": {"validation": 80, "test": 180},
    "tuning": False,
}


def test_page_markdown_and_csv_have_it(results: Results) -> None:
    section, still = sorted(results.summary.sections, key=lambda each: each.dataset)
    shown = tables.recoveries(section, name="t")
    assert shown is not None
    assert tables.recoveries(still, name="t") is None
    assert [row[0].text for row in shown.rows] == ["persistence", "four-ago"]
    persistence, four_ago = (own.steps for own in section.recoveries)
    assert persistence == (1, 1, 1)
    assert four_ago == (4, 4, 4)
    assert [row[1].text for row in shown.rows] == ["1", "4"]
    assert [row[2].text for row in shown.rows] == ["1, 1, 1", "4, 4, 4"]
    rows = list(csv.DictReader(io.StringIO(to_csv(results.summary))))
    assert {(row["dataset"], row["model"]): row["recovery_steps"] for row in rows} == {
        ("moved", "persistence"): "1.0",
        ("moved", "four-ago"): "4.0",
        ("still", "persistence"): "",
        ("still", "four-ago"): "",
    }
    pictures = Pictures((), ((),) * len(results.summary.sections))
    for text in (markdown(results.summary, pictures), html(results.summary, pictures, csv="")):
        assert text.count("Time to recovery on moved") >= 1
        assert "Time to recovery on still" not in text


@pytest.mark.parametrize("text", ["[1]", '{"at": [2, 1]}', '{"at": ["1"]}', '{"at": [-1]}', "x"])
def test_other_positions_are_refused(results: Results, text: str) -> None:
    runs = results._source.rows["runs"].slice(0, 1)
    at = runs.schema.get_field_index("shifts")
    broken = runs.set_column(at, runs.schema.field(at), pa.array([text], pa.string()))
    with pytest.raises(bench.BenchError, match="shifts"):
        refuse_broken({"runs": broken})


def test_every_kind_says_no_shift_but_that_of_levels() -> None:
    kind = DATASETS["level-shifts"]
    assert kind.load(kind.parameters(length=600), 0).shifts == (250, 500)
    assert DATASETS["arma"].load(DATASETS["arma"].parameters(length=50), 0).shifts == ()
