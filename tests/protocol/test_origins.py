"""Rolling origins: windows, errors, tests and pictures of forecasts whose targets overlap, against plain loops."""

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import bench
from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.errors import DataError, InputError
from bench.models import MODELS
from bench.protocol.metrics import learnable_fraction
from bench.protocol.origins import rolling_windows
from bench.protocol.windows import Windows, evaluation_windows
from bench.reporting.evidence import trace
from bench.reporting.forecasts import losses
from bench.reporting.recomputed import differences
from bench.running.cell import run_cell
from bench.spec import Split
from bench.stats.claims import ModelClaim
from bench.stats.window_tests import over_window
from bench.suite.load import load

SUITE = "name: o\ndatasets: [{id: ar, kind: arma, ar: [0.8], length: 600, seed: 3}]\nmodels: [%s]\n"


def cell(model: str = "linear-ar", *, split: str, horizon: int = 6, more: str = "") -> Cell:
    text = SUITE % model + f"horizons: [{horizon}]\nsequence_lengths: [8]\nseeds: 2\ntuning: false\n{more}"
    text += f"split: {{validation: 60, test: 120, {split}}}\n"
    (one,) = expand(load(Path("o.yaml"), datasets=DATASETS, models=MODELS, text=text))
    return one


def rolled(part: slice, split: Split, *, length: int, horizon: int, breaks: list[int] | None = None) -> Windows:
    windows = evaluation_windows(np.arange(90.0)[:, None], part, length, horizon)
    return rolling_windows(windows, part, split, breaks=breaks or [])


@given(
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 20)),
    st.one_of(st.none(), st.integers(1, 3)),
    st.lists(st.integers(1, 89), max_size=3, unique=True).map(sorted),
)
@settings(max_examples=200, deadline=None)
def test_windows_are_those_of_a_loop(horizon: int, stride: int | None, origins: int | None, breaks: list[int]) -> None:
    length, part = 5, slice(50, 90)
    expected = [
        first
        for first in range(50, 90, stride or horizon)
        if first + horizon <= 90 and not any(first - length < gap < first + horizon for gap in breaks)
    ]
    split = Split(stride=stride, origins=origins)
    if origins and origins > len(expected):
        with pytest.raises(DataError, match=f"have {len(expected)} origin"):
            rolled(part, split, length=length, horizon=horizon, breaks=breaks)
        return
    expected = expected[-(origins or len(expected)) :]
    windows = rolled(part, split, length=length, horizon=horizon, breaks=breaks)
    pairs = [(first + step, step + 1) for first in expected for step in range(horizon)]
    assert list(windows.places) == expected
    assert list(zip(windows.index.tolist(), windows.steps().tolist(), strict=True)) == pairs
    assert windows.points == len(pairs)
    if expected:
        np.testing.assert_array_equal(windows.truth()[:, 0], [index for index, _ in pairs])
        np.testing.assert_array_equal(windows.assemble(windows.targets(slice(None)))[:, 0], windows.truth()[:, 0])
        np.testing.assert_array_equal(windows.inputs(slice(None))[:, -1, 0], np.array(expected) - 1.0)


@pytest.mark.parametrize("stride", [1, 4, 6, 9])
def test_stored_rows_are_those_of_a_hand_written_loop(stride: int) -> None:
    one = cell("persistence", split=f"stride: {stride}")
    rows = run_cell(one)
    values = DATASETS["arma"].load(one.dataset.parsed(DATASETS["arma"].parameters), 0).values[:, 0]
    expected, squares = [], []
    for origin in range(600 - 120 - 1, 600 - 6, stride):
        for step in range(1, 7):
            expected.append((origin + step, step, values[origin + step], values[origin]))
            squares.append((values[origin + step] - values[origin]) ** 2)
    run, stored = rows["runs"].to_pylist()[0], rows["predictions"].to_pylist()
    own = [(row["index"], row["step"], row["truth"], row["prediction"]) for row in stored if row["seed"] == 0]
    assert [pair[:2] for pair in own] == [pair[:2] for pair in expected]
    np.testing.assert_allclose(own, expected, rtol=1e-12)
    assert run["mse"] == pytest.approx(np.mean(squares), rel=1e-12)
    assert run["persistence_mse"] == pytest.approx(np.mean(squares), rel=1e-12)
    assert run["test_points"] == len(squares)


def test_the_last_origins_are_those_of_all() -> None:
    every, last = (run_cell(cell(split=f"stride: 1{more}"))["predictions"].to_pylist() for more in ("", ", origins: 5"))
    origins = sorted({row["index"] - row["step"] for row in every})[-5:]
    assert origins == list(range(589, 594))
    for one, two in zip([row for row in every if row["index"] - row["step"] in origins], last, strict=True):
        assert one["prediction"] == pytest.approx(two["prediction"], rel=1e-12)
        assert {**one, "cell_id": "", "prediction": 0} == {**two, "cell_id": "", "prediction": 0}


@pytest.mark.parametrize("model", ["persistence", "linear-ar", "mean", "gru", "encoder-decoder"])
def test_what_is_computed_again_agrees(model: str) -> None:
    rows = run_cell(cell(model, split="stride: 2", more="training: {epochs: 1}\n"))
    assert differences({"x": rows["runs"]}, {"x": rows["predictions"]}) == ()


def test_a_changed_forecast_of_one_origin_is_seen(tmp_path: Path) -> None:
    """The regression is fitted again, and compared at each origin, where the data is a file."""
    values = np.random.default_rng(0).normal(size=300).cumsum()
    (tmp_path / "x.csv").write_text("x\n" + "".join(f"{value!r}\n" for value in values.tolist()))
    text = (SUITE % "linear-ar").replace("{id: ar, kind: arma, ar: [0.8], length: 600, seed: 3}", "F")
    text = text.replace("F", f"{{id: f, kind: file, path: {tmp_path / 'x.csv'}, column: x}}")
    text += "horizons: [3]\nsequence_lengths: [8]\nseeds: 1\ntuning: false\nsplit: {test: 60, stride: 1}\n"
    rows = bench.run(_written(tmp_path, text), results=tmp_path / "results", jobs=1)
    runs, predictions = (rows._source.rows[name] for name in ("runs", "predictions"))
    assert differences({"x": runs}, {"x": predictions}) == ()
    changed = predictions["prediction"].to_numpy().copy()
    changed[70] += 0.01 * np.ptp(values)
    place = predictions.schema.get_field_index("prediction")
    (_, text) = differences({"x": runs}, {"x": predictions.set_column(place, "prediction", [changed])})
    assert "are not those of a linear regression" in text


def _written(folder: Path, text: str) -> Path:
    path = folder / "o.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("stride", "together"), [(1, 6), (2, 3), (4, 2), (5, 2)])
def test_losses_of_overlapping_forecasts_are_those_of_blocks(stride: int, together: int) -> None:
    rows = run_cell(cell(split=f"stride: {stride}"))
    by_origin: dict[int, list[float]] = {}
    for row in rows["predictions"].to_pylist():
        by_origin.setdefault(row["index"] - row["step"], []).append((row["prediction"] - row["truth"]) ** 2)
    known = losses(rows["predictions"])
    assert known is not None
    origins, count = sorted(by_origin), len(by_origin) // together
    places = [k * len(origins) // count for k in range(count + 1)]
    assert known.index.tolist() == [origins[place] for place in places[:-1]]
    means = [
        np.mean([square for origin in origins[start:end] for square in by_origin[origin]])
        for start, end in pairwise(places)
    ]
    np.testing.assert_allclose(known.model, means, rtol=1e-12)
    assert known.model.mean() == pytest.approx(rows["runs"]["mse"][0].as_py(), rel=0.02)
    assert (known.horizon, known.unit) == (1, "origin block")


@pytest.mark.parametrize("split", ["stride: 6", "stride: 9"])
def test_forecasts_that_share_no_target_are_tested_point_by_point(split: str) -> None:
    known = losses(run_cell(cell(split=split))["predictions"])
    assert known is not None
    assert (known.horizon, known.unit, len(known.index)) == (6, "test target", 120 if split == "stride: 6" else 78)


@pytest.mark.parametrize(("horizon", "count"), [(8, 400), (24, 385), (24, 2000)])
def test_two_forecasts_of_one_skill_are_seldom_called_different(horizon: int, count: int) -> None:
    """Of 300 series of independent noise, forecast twice with independent faults, at every origin.

    A test that took the losses at origins as independent would call far more different than its 5 %.
    """
    random, targets = np.random.default_rng(1), np.arange(count)[:, None] + np.arange(1, horizon + 1)
    rejected, naive = [], []
    for _ in range(300):
        truth, *faults = random.normal(size=(3, count + horizon))  # the fault of a target is the same from every origin
        sides = []
        for fault in faults:
            table = pa.table(
                {
                    "index": targets.ravel(),
                    "step": np.tile(np.arange(1, horizon + 1), count),
                    **{name: np.zeros(targets.size, np.int64) for name in ("seed", "channel")},
                    "horizon": np.full(targets.size, horizon),
                    "truth": truth[targets].ravel(),
                    "prediction": 0.7 * fault[targets].ravel(),
                    "persistence": np.zeros(targets.size),
                }
            )
            known = losses(table)
            assert known is not None
            sides.append(known)
        test = over_window(sides[0].model, sides[1].model, horizon=sides[0].horizon)
        rejected.append(float(test.p) < 0.05)
        squares = [((truth - 0.7 * fault) ** 2)[targets].mean(axis=1) for fault in faults]
        gap = squares[0] - squares[1]
        naive.append(abs(gap.mean()) > 1.96 * gap.std() / np.sqrt(count))
    assert np.mean(rejected) < 0.09  # of 300 at 5 %, 99.9 times in 100
    assert np.mean(naive) > 0.3


def test_neighbouring_blocks_share_targets_and_others_none() -> None:
    claim = ModelClaim("a", "b", new=np.ones(1), old=np.ones(1), window=(np.ones(40), np.ones(40)), unit="origin block")
    assert claim.independent == 20
    assert dataclasses.replace(claim, unit="test target", horizon=8).independent == 5
    assert np.isnan(dataclasses.replace(claim, window=None).independent)


def test_a_picture_has_each_point_once() -> None:
    rows = run_cell(cell(split="stride: 4"))["predictions"]
    known = trace(rows)
    stored = {(row["index"], row["step"]): row for row in rows.to_pylist()}
    origins = sorted({index - step for index, step in stored})
    chosen: list[int] = []
    for origin in reversed(origins):
        if not chosen or chosen[0] - origin >= 6:
            chosen.insert(0, origin)
    pairs = [(origin + step, step) for origin in chosen for step in range(1, 7)]
    assert known.time.tolist() == [index for index, _ in pairs]
    np.testing.assert_allclose(known.median, [stored[pair]["prediction"] for pair in pairs], rtol=1e-12)
    np.testing.assert_array_equal(known.persistence, [stored[pair]["persistence"] for pair in pairs])


def test_a_point_that_is_forecast_often_is_one_point() -> None:
    """What there is to learn is 3.5 standard errors from none where targets are independent, and less where not."""
    truth = np.zeros(400)
    best = np.zeros(400)
    persistence = np.where(np.arange(400) < 12, 1.0, 0.0)  # mean square .03, deviation .171, standard error .0085
    assert learnable_fraction(truth, best, persistence, best=best) == 1
    assert learnable_fraction(truth, best, persistence, best=best, repeats=1.3) == 1
    assert np.isnan(learnable_fraction(truth, best, persistence, best=best, repeats=1.4))


def test_a_delay_is_of_every_point_or_of_none() -> None:
    assert trace(run_cell(cell(split="stride: 1", horizon=1))["predictions"]).delay is not None
    assert trace(run_cell(cell(split="stride: 2", horizon=1))["predictions"]).delay is None


def test_a_page_speaks_of_origins(tmp_path: Path) -> None:
    text = SUITE % "persistence, mean, linear-ar"
    text += "horizons: [3]\nsequence_lengths: [8]\nseeds: 2\ntuning: false\nsplit: {test: 120, stride: 1}\n"
    results = bench.run(_written(tmp_path, text), results=tmp_path / "results", jobs=1)
    sentences = [each for each in results.verdicts()["sentence"] if each]
    assert any("over 39 origin blocks (test window" in each for each in sentences), sentences
    assert set(results.verdicts()["targets"]) == {39}


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("stride: 121", "the test part has 120 points, but split says stride: 121, so there would be no second origin; "
         "give a larger test part, or a stride of at most 120"),
        ("origins: 21", "120 test points have 20 origins for a horizon of 6 at a stride of 6, but split says origins: "
         "21; lower origins or stride, or give a larger test part"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(split: str, said: str, tmp_path: Path) -> None:
    text = SUITE % "mean" + f"horizons: [6]\nsequence_lengths: [8]\nsplit: {{test: 120, {split}}}\ntuning: false\n"
    with pytest.raises(InputError) as caught:
        bench.run(_written(tmp_path, text), results=tmp_path / "results", jobs=1)
    assert said in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("split: {stride: 0}", "stride"),
        ("split: {origins: 1.5}", "origins"),
        ("split: {origins: true}", "origins"),
        ("split: {stride: 2}\nas_published: {windows: minus-one}", "split: stride: expected the protocol, which has "
         "origins to forecast from, got as_published: windows: minus-one; leave stride out"),
    ],
)  # fmt: skip
def test_other_values_are_refused_with_their_line(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"o\.yaml:4:") as caught:
        bench.load(_written(tmp_path, SUITE % "mean" + line + "\n"))
    assert said in str(caught.value)


def test_sequences_and_systems_have_no_origins(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split: origins: expected a series, .* got adding; leave origins out"):
        bench.load(_written(tmp_path, "name: o\ndatasets: [adding]\nmodels: [mean]\nsplit: {origins: 2}\n"))
    system = "{id: T1, title: t, datasets: [sine], models: [rnn], published: {test_rmse: 0.1}}"
    with pytest.raises(InputError, match="split: expected each test point once, as cards show it"):
        bench.load(_written(tmp_path, f"name: o\nsystems: [{system}]\nsplit: {{stride: 2}}\n"))


def test_what_is_not_stated_is_no_part_of_a_cell() -> None:
    plain: Any = cell(split="").spec
    assert "stride" not in plain
    assert "origins" not in plain
    assert '"stride":6' in cell(split="stride: 6").spec
    assert len({cell(split=split).id for split in ("", "stride: 6", "stride: 5", "origins: 3", "origins: 4")}) == 5
