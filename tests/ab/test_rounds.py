"""The order in which two sides are requested, what they share, and what ends a session."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from bench.ab import agent, process, rounds
from bench.ab.process import Agent, Offer, Ready
from bench.ab.rounds import PairSession, Round, judgeable, log_ratio, shared
from bench.ab.worktree import Side
from bench.errors import InputError

HERE = Path(__file__).parent


def side(name: str, root: Path = HERE) -> Side:
    return Side(name, sys.executable, root, HERE, f"commit of {name}")


class FakeAgent:
    """Tells made-up seconds: a machine that slows down with every block, and a head that takes 1.2 times as long."""

    requested: ClassVar[list[tuple[str, str]]] = []
    open_agents: ClassVar[list[FakeAgent]] = []
    clock: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self, one: Side, cells: Path) -> None:
        self.side = one.name
        self.open_agents.append(self)

    def offer(self) -> Offer:
        return Offer({"calibration": {}, "a": {"k": 1}}, {})

    def make(self, names: Sequence[str]) -> None:
        self.names = names

    def ready(self) -> Ready:
        return Ready(dict.fromkeys(self.names, 1.0))

    def seconds(self, name: str) -> float:
        self.requested.append((self.side, name))
        drift = math.exp(0.01 * next(self.clock))
        return drift * (1.2 if self.side == "head" and name == "a" else 1.0)

    def close(self) -> None:
        self.open_agents.remove(self)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeAgent]:
    monkeypatch.setattr(rounds, "Agent", FakeAgent)
    for name, value in {"requested": [], "open_agents": [], "clock": itertools.count()}.items():
        monkeypatch.setattr(FakeAgent, name, value)
    return FakeAgent


def test_rounds_alternate_and_even_drift_cancels(fake: type[FakeAgent]) -> None:
    pairs = PairSession(side("base"), side("head"), HERE).pairs(["calibration", "a"])
    first = next(pairs)
    order = "".join(who[0] for who, name in fake.requested if name == "a")
    assert order == "bhhbhbbh" * (rounds.ROUNDS // 2)
    assert dict(first.log_ratios) == pytest.approx({"calibration": 0.0, "a": math.log(1.2)})
    assert first.head_s["a"] / first.base_s["a"] == pytest.approx(1.2, rel=0.02)
    next(pairs)
    assert len(fake.requested) == 2 * 2 * 4 * rounds.ROUNDS
    pairs.close()
    assert fake.open_agents == []


def test_neighbours_in_time_are_compared() -> None:
    assert log_ratio(Round((1.0, 4.0), (2.0, 2.0))) == pytest.approx(0.0)
    assert log_ratio(Round((1.0, 1.0), (2.0, 2.0))) == pytest.approx(math.log(2))


def test_what_one_side_cannot_do_or_does_otherwise_is_named() -> None:
    base = Offer({"same": {"k": 1, "old": 3}, "other": {"k": 1}, "gone": {}, "fails": {}}, {"late": "no kernel"})
    head = Offer({"same": {"k": 1, "new": 2}, "other": {"k": 2}, "late": {}}, {"fails": "raised"})
    names, lost, new, *_ = shared(base, head)
    assert names == ["same"]
    assert lost.keys() == {"other", "gone", "fails"}
    assert "k was 1 and is 2" in lost["other"]
    assert "no longer there" in lost["gone"]
    assert "raised" in lost["fails"]
    assert new == {"late": "the base cannot do it: no kernel"}
    assert shared(Offer({}, {"a": "x"}), Offer({}, {"a": "y"})).lost == {"a": "neither can do it: y"}


def test_of_works_that_are_alike_one_is_measured() -> None:
    what = {"c": {}, "d": {}, "e": {}}
    base = Offer(what, {"new data × gru": "unknown dataset"}, dict.fromkeys(what, "gru"))
    head = Offer(
        {"new data × gru: train step": {}, **what}, {}, dict.fromkeys(["new data × gru: train step", *what], "gru")
    )
    assert shared(base, head) == shared(Offer({"c": {}}, {}), Offer({"c": {}}, {}))
    other = Offer(head.what, {})
    assert shared(base, other).new == {"new data × gru: train step": "the base cannot do it: unknown dataset"}
    assert shared(other, base).lost == {"new data × gru: train step": "the head cannot do it: unknown dataset"}


def test_what_is_too_short_on_both_sides_or_fails_is_not_measured() -> None:
    found = shared(*[Offer({name: {} for name in ("calibration", "a", "b", "c", "d")}, {})] * 2)
    base = Ready({"calibration": 1e-6, "a": 1e-7, "b": 1e-7, "d": 1.0}, {"c": "no"}, {"ocean": "/x"})
    head = Ready({"calibration": 1e-6, "a": 2e-7, "b": 1e-3, "c": 1.0}, {"d": "raised"}, {"ocean": "/x", "sky": "/y"})
    left = judgeable(found, base, head)
    assert left.names == ["calibration", "b"]  # b became slower by far
    assert left.small == {"a": "too small to judge: below 10 µs a call on both sides"}
    assert left.new == {"c": "the base cannot do it: no"}
    assert left.lost == {"d": "the head cannot do it: raised"}
    assert left.external == {"ocean": True, "sky": False}


def test_sides_without_common_work_are_refused(fake: type[FakeAgent], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "offer", lambda self: Offer({"calibration": {}}, {"a": "no kernel"}))
    with pytest.raises(InputError, match="got none; a: neither can do it: no kernel"):
        PairSession(side("base"), side("head"), HERE).shared()
    assert fake.open_agents == []


def test_a_timer_tells_the_seconds_of_one_call() -> None:
    spun = []

    def call() -> None:
        spun.append(sum(range(20_000)))

    timer = agent.Timer(call)
    seconds = [timer.block() for _ in range(5)]
    assert max(seconds) < 3 * min(seconds)
    assert 1e-5 < min(seconds) < 0.1


def test_a_short_call_is_timed_many_at_a_time() -> None:
    made = []
    timer = agent.Timer(lambda: made.append(None))
    before = len(made)
    assert timer.block() < 1e-4
    assert len(made) - before > 50


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    """A folder as `requested` writes it, of one cell that can be read and two that cannot."""
    for k, model in enumerate(["linear-ar", "no-such", "{kind: gru, no_such: 1}"]):
        text = (
            f"name: a\ndatasets: [{{kind: sine, length: 99}}]\nmodels: [{model}]\nsequence_lengths: [9]\ntuning: false"
        )
        (tmp_path / f"{k}.yaml").write_text(text)
    (tmp_path / agent.TITLES).write_text(json.dumps(["fits", "other kind", "other parameter"]))
    return tmp_path


def test_a_cell_that_this_side_cannot_read_costs_no_other(suites: Path) -> None:
    cells, refused = agent.read(suites)
    found = agent.benchmarks(cells, suites, refused)
    assert [work.name for work in found] == ["calibration", "fits: fit", "fits: whole cell"]
    assert refused.keys() == {"other kind", "other parameter"}
    assert refused["other kind"].startswith("unknown model 'no-such'")
    assert "unknown parameter 'no_such'" in refused["other parameter"]


def test_data_that_this_side_cannot_take_cost_no_other_cell(suites: Path) -> None:
    text = (suites / "0.yaml").read_text()
    (suites / "1.yaml").write_text(text.replace("length: 99", "id: short, length: 9"))
    cells, refused = agent.read(suites)
    assert len(agent.benchmarks(cells, suites, refused)) == 3
    assert "short: " in refused["other kind"]


def test_a_whole_cell_stands_for_all(suites: Path) -> None:
    _, fit, whole = agent.benchmarks(agent.read(suites)[0], suites, {})
    assert whole.dedup_key == "whole cell"
    assert "linear-ar" in fit.dedup_key


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program of the worker process is replaced by the file that this returns."""
    program = tmp_path / "program.py"
    monkeypatch.setattr(process.agent, "__file__", str(program))
    return program


def test_a_process_that_ends_tells_its_last_lines(made_up: Path) -> None:
    made_up.write_text("import sys; sys.exit('\\n'.join(f'line {k}' for k in range(40)))")
    one = Agent(side("base"), HERE)
    with pytest.raises(InputError, match=r"base \(commit of base\) cannot be measured.*status 1\n") as caught:
        one.offer()
    one.close()
    assert str(caught.value).endswith("line 38\nline 39")
    assert "line 20" not in str(caught.value)


def test_the_code_of_another_installation_is_refused(made_up: Path, tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/__init__.py").touch()
    other = json.dumps({"bench": __file__, "what": {}, "refused": {}})
    made_up.write_text(f"print({other!r}, flush=True); input()")
    one = Agent(side("head", tmp_path), HERE)
    with pytest.raises(InputError, match="expected the code in"):
        one.offer()
    one.close()


def test_a_side_finds_its_own_modules_first_and_never_the_other_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:/elsewhere")
    assert process._path(side("base", tmp_path)) == f"{tmp_path}:/elsewhere"
    (tmp_path / "src").mkdir()
    assert process._path(side("base", tmp_path)) == f"{tmp_path / 'src'}:{tmp_path}:/elsewhere"
    installed = dataclasses.replace(side("base", tmp_path), environment=tmp_path / "environment")
    assert process._path(installed) == f"{tmp_path}:/elsewhere"
