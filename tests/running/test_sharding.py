"""Shards: every cell is in one of them, the division is the suite's alone, and none takes much longer than others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.api.folders import from_mapping, loaded
from bench.cells import Cell, expand
from bench.data import DATASETS
from bench.data.base import Series
from bench.errors import DataUnavailable, InputError
from bench.running import estimates
from bench.running.estimates import Estimator
from bench.running.sharding import SIZES, Sample, Shard, cost_ms, divided
from bench.spec import Suite

SHIPPED = ("ci", "quick")


def loads(parts: list[list[Cell]]) -> list[int]:
    estimator = Estimator(pace=1.0)
    return [sum(cost_ms(cell, estimator) for cell in part) for part in parts]


@pytest.fixture(scope="module", params=SHIPPED)
def suite(request: pytest.FixtureRequest) -> Suite:
    return loaded(request.param)


@pytest.mark.parametrize("count", [1, 7])
def test_every_cell_is_in_one_shard_in_the_order_of_the_suite(suite: Suite, count: int) -> None:
    cells = list(expand(suite))
    shards = [Shard(number, count).cells(cells, suite) for number in range(1, count + 1)]
    assert sorted(cell.key for shard in shards for cell in shard) == sorted(cell.key for cell in cells)
    places = {cell.key: place for place, cell in enumerate(cells)}
    for shard in shards:
        assert [places[cell.key] for cell in shard] == sorted(places[cell.key] for cell in shard)


@pytest.mark.parametrize("count", [2, 7])
def test_no_shard_takes_longer_than_the_bound_of_the_greedy_division(suite: Suite, count: int) -> None:
    """Graham (1969): the longest is at most 4/3 − 1/(3m) of the best, which is no less than the mean or one cell."""
    cells = list(expand(suite))
    estimator = Estimator(pace=1.0)
    best = max(sum(loads([cells])) / count, *(cost_ms(cell, estimator) for cell in cells))
    parts = divided(cells, count)
    assert max(loads(parts)) <= (4 / 3 - 1 / (3 * count)) * best + 1
    assert sum(loads(parts)) == sum(loads([cells]))


def test_a_small_division_is_that_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graham's own worst case for two machines: 3, 3, 2, 2, 2 is divided 7 to 5, where 6 to 6 is possible."""
    suite = from_mapping(
        {"name": "five", "datasets": ["sine"], "models": ["mean"], "sequence_lengths": [1, 2, 3, 4, 5]}
    )
    seconds = {1: 3, 2: 3, 3: 2, 4: 2, 5: 2}
    monkeypatch.setattr(Estimator, "default_s", lambda _, cell, __: seconds[cell.sequence_length])
    parts = divided(list(expand(suite)), 2)
    assert [[cell.sequence_length for cell in part] for part in parts] == [[1, 3, 5], [2, 4]]


def test_the_order_of_the_cells_does_not_matter(suite: Suite) -> None:
    cells = list(expand(suite))
    shuffled = random.Random(0).sample(cells, len(cells))
    for one, other in zip(divided(cells, 5), divided(shuffled, 5), strict=True):
        assert {cell.key for cell in one} == {cell.key for cell in other}


def test_neither_the_machine_nor_its_data_changes_the_division(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cells = list(expand(suite))
    before = [[cell.key for cell in part] for part in divided(cells, 6)]
    monkeypatch.setattr(estimates, "_pace", lambda: 9.0)
    monkeypatch.setattr(estimates, "machine_reference_s", lambda: pytest.fail("it measures this machine"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    assert [[cell.key for cell in part] for part in divided(list(expand(suite)), 6)] == before


def test_another_process_divides_the_same(tmp_path: Path) -> None:
    script = (
        "import json; from bench.api.folders import loaded; from bench.cells import expand\n"
        "from bench.running.sharding import divided\n"
        "print(json.dumps([[c.title for c in p] for p in divided(list(expand(loaded('ci'))), 4)]))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7", "BENCH_DATA": str(tmp_path)}
    out = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == [[c.title for c in p] for p in divided(list(expand(loaded("ci"))), 4)]


def test_where_seeds_are_added_by_claims_the_cells_of_a_dataset_stay_together() -> None:
    content = {"datasets": ["sine", "random", "nile"], "models": ["persistence", "mean"], "sequence_lengths": [3, 5]}
    suite = from_mapping({"name": "claims", **content, "seeds": {"from": 3, "to": 9, "until": "decided"}})
    shards = [Shard(number, 3).cells(list(expand(suite)), suite) for number in (1, 2, 3)]
    assert [len(shard) for shard in shards] == [4, 4, 4]
    assert [len({cell.dataset.id for cell in shard}) for shard in shards] == [1, 1, 1]
    plain = from_mapping({"name": "plain", **content, "seeds": 3})
    assert len({cell.dataset.id for cell in Shard(1, 3).cells(list(expand(plain)), plain)}) > 1


def test_more_shards_than_cells_leave_some_empty() -> None:
    cells = list(expand(loaded("ci")))
    assert sorted(map(len, divided(cells, 25))) == [0] * 6 + [1] * 19


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1/ 4", "١/٤"])
def test_what_is_no_shard_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="expected NUMBER/COUNT, such as 1/16") as caught:
        Shard.parsed(text)
    assert "\n" not in str(caught.value)


def test_a_shard_is_parsed() -> None:
    assert Shard.parsed("3/16") == Shard(3, 16)
    assert Shard.parsed("16/16").name == "16-of-16"


def known() -> Iterator[str]:
    for name, kind in DATASETS.items():
        if not {"length", "count", "duration"} & set(kind.parameters.model_fields) and name != "file":
            yield name


def test_every_kind_that_states_no_size_has_one() -> None:
    assert set(SIZES) == set(known())


@pytest.mark.parametrize("name", [name for name in SIZES if name != "mnist"])
def test_sizes_are_those_of_the_data(name: str) -> None:
    kind = DATASETS[name]
    try:
        data = kind.load(kind.parameters(), 0)
    except DataUnavailable as error:
        pytest.skip(str(error))
    assert SIZES[name] == (len(data) if isinstance(data, Series) else len(data.inputs))


def test_a_sample_is_a_random_share_and_the_same_for_its_seed(suite: Suite) -> None:
    """Each cell is in as many samples as the share says: of 400 of a fifth 80, give or take four deviations of 8."""
    cells = list(expand(suite))
    taken = [Sample(20, seed).cells(cells) for seed in range(400)]
    count = round(len(cells) / 5)
    assert {len(each) for each in taken} == {count}
    assert taken[7] == Sample.parsed("20%:7").cells(cells)
    often = [sum(cell in each for each in taken) for cell in cells]
    assert max(abs(each - 400 * count / len(cells)) for each in often) < 4 * 8
    assert len(Sample(0.001, 0).cells(cells)) == 1


@pytest.mark.parametrize("text", ["5", "0%", "101%", "5%:", "-5%", "5%:x", "half"])
def test_what_is_no_sample_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"--sample .*: expected SHARE or SHARE:SEED, such as 5% or 5%:17"):
        Sample.parsed(text)
