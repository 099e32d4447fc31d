"""Suites of any size: planned, or refused by a limit that is named and can be raised."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cells, store
from bench.api.folders import loaded
from bench.cells import expand, is_glob
from bench.errors import InputError
from bench.limits import LIMITS, allowed, exceeded
from bench.replication.systems import parsed
from bench.reporting.source import suite_of
from bench.spec import Exclusion, Suite

GRUS = ", ".join(f"{{id: m{number}, kind: gru, hidden_size: {number + 1}}}" for number in range(300))
LENGTHS = ", ".join(map(str, range(1, 10_002)))
TOO_MUCH = {
    "BENCH_MAX_CELLS": f"datasets: [sine]\nmodels: [mean]\nsequence_lengths: [{LENGTHS}]\n",
    "BENCH_MAX_POINTS": "datasets: [{kind: sine, length: 100000000}]\nmodels: [mean]\n",
    "BENCH_MAX_SUITE_CHARACTERS": "datasets: [sine]\nmodels: [mean]\n" + "#" * 400_000,
    "BENCH_MAX_GLOBS": f"datasets: [sine]\nmodels: [mean, {GRUS}]\nexclude: ["
    + ", ".join(f"{{model: 'm{number}*'}}" for number in range(201))
    + "]\n",
}


def _file(folder: Path, content: str) -> str:
    (folder / "s.yaml").write_text(f"name: s\nseeds: 1\ntuning: false\n{content}")
    return str(folder / "s.yaml")


@pytest.mark.parametrize("limit", LIMITS)
def test_what_exceeds_a_limit_is_refused_by_its_name(tmp_path: Path, limit: str) -> None:
    with pytest.raises(InputError, match=rf"s\.yaml:\d+:\d+: .*expected at most .*, or raise {limit}$") as caught:
        loaded(_file(tmp_path, TOO_MUCH[limit]))
    assert "\n" not in str(caught.value)


def test_a_limit_is_raised_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path, "datasets: [{kind: sine, length: 50}]\nmodels: [mean, drift]\n")
    monkeypatch.setenv("BENCH_MAX_CELLS", "1")
    with pytest.raises(InputError, match=r"at most 1 cells in one suite, .* got 2; split the suite"):
        loaded(path)
    monkeypatch.setenv("BENCH_MAX_CELLS", "2")
    assert loaded(path).size == len(list(expand(loaded(path)))) == 2
    assert (allowed("BENCH_MAX_CELLS"), exceeded("BENCH_MAX_CELLS", 2)) == (2, "")


def test_sequences_are_counted_with_their_steps(tmp_path: Path) -> None:
    parity = "datasets: [{{kind: parity, count: {}, length: 1000}}]\nmodels: [mean]\nsequence_lengths: [1000]\n"
    with pytest.raises(InputError, match=r"parity: expected at most 10000000 points in one .*, got 10001000; lower"):
        loaded(_file(tmp_path, parity.format(10_001)))
    assert loaded(_file(tmp_path, parity.format(10_000))).size == 1


@pytest.mark.parametrize("text", ["many", "-1", "1e6", "²", "9" * 19])
def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BENCH_MAX_CELLS", text)
    with pytest.raises(InputError, match=r"BENCH_MAX_CELLS: expected a whole number, got .*; unset it for 10000"):
        allowed("BENCH_MAX_CELLS")


@pytest.mark.parametrize("lengths", [10**5, 20_000])
def test_a_stored_suite_without_end_is_not_expanded(tmp_path: Path, lengths: int) -> None:
    """Of 20 000 lengths and as many horizons there are 4e8 cells."""
    numbers = tuple(range(1, lengths + 1))
    base = parsed('{"name": "s", "datasets": [], "models": []}')
    entry = {"id": "d", "kind": "sine", "parameters": {}}
    text = Suite.model_construct(
        **{**dict(base), "sequence_lengths": numbers, "horizons": numbers, "datasets": (entry,), "models": (entry,)}
    ).model_dump_json(warnings=False)
    store.write_suite(tmp_path, text)
    suite, problem = suite_of(tmp_path, parsed)
    assert suite is None
    assert f"suite.json: expected at most 10000 cells in one suite, exclusions not counted, got {lengths**2}" in problem


def _count(monkeypatch: pytest.MonkeyPatch, name: str) -> Counter[str]:
    """How often the function `name` of `bench.cells` is called."""
    calls: Counter[str] = Counter()
    before: Callable[..., object] = getattr(cells, name)

    def counting(*arguments: object) -> object:
        calls[name] += 1
        return before(*arguments)

    monkeypatch.setattr(cells, name, counting)
    return calls


def test_exclusions_in_full_are_looked_up_and_not_tried_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ", ".join(f"{{model: m{number}}}" for number in range(300))
    suite = loaded(_file(tmp_path, f"datasets: [sine]\nmodels: [mean, {GRUS}]\nexclude: [{rules}]\n"))
    calls = _count(monkeypatch, "_matches")
    assert [cell.model.id for cell in expand(suite)] == ["mean"]
    assert calls["_matches"] == 0


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (Exclusion(dataset="a"), {"b m 1", "b n 1", "b m 2", "b n 2"}),
        (Exclusion(model="m", sequence_length=2), {"a m 1", "a n 1", "a n 2", "b m 1", "b n 1", "b n 2"}),
        (Exclusion(model="?", dataset="[b]"), {"a m 1", "a n 1", "a m 2", "a n 2"}),
        (Exclusion(horizon=2), {"a m 1", "a n 1", "a m 2", "a n 2", "b m 1", "b n 1", "b m 2", "b n 2"}),
        (Exclusion(horizon=1, dataset="b", model="n", sequence_length=1), None),
    ],
)
def test_a_rule_leaves_what_it_does_not_name(tmp_path: Path, rule: Exclusion, left: set[str] | None) -> None:
    content = (
        "datasets: [{id: a, kind: sine}, {id: b, kind: random}]\nmodels: [{id: m, kind: mean}, {id: n, kind: drift}]"
    )
    suite = loaded(_file(tmp_path, f"{content}\nsequence_lengths: [1, 2]\n")).model_copy(update={"exclude": (rule,)})
    names = {f"{cell.dataset.id} {cell.model.id} {cell.sequence_length}" for cell in expand(suite)}
    every = {f"{dataset} {model} {length}" for dataset in "ab" for model in "mn" for length in (1, 2)}
    assert names == (every - {"b n 1"} if left is None else left)
    assert [is_glob(text) for text in ("a*", "[a]", "a?", "a", None)] == [True, True, True, False, False]
