"""Which cells get more replicates, and runs in rounds: with a plan for seeds, with little time, and killed anywhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bench import store
from bench.cells import expand
from bench.reporting.source import read
from bench.reporting.summary import summarise
from bench.running import anytime, runner
from bench.running.anytime import Goal, Undecided, next_round, plans, retried, run_all
from bench.running.plan import prepare
from bench.running.runner import Event, Finished, Outcome, Started
from bench.running.workers import start
from bench.spec import Entry, Suite

HAVE = {"a": 3, "b": 3, "c": 5, "d": 30}
COST = {"a": 1.0, "b": 10.0, "c": 2.0, "d": 0.0}  # d is copies of one fit
MOST = dict.fromkeys(COST, 30)


def test_the_claim_that_is_cheapest_to_decide_goes_first() -> None:
    claims = [Undecided(("b", "d"), 5), Undecided(("a", "d"), 16), Undecided(("a", "c"), 27)]
    assert next_round(claims, HAVE, COST, most=MOST) == [("a", 5), ("b", 5)]


def test_both_sides_come_to_the_next_look_at_the_claim() -> None:
    assert next_round([Undecided(("c", "d"), 3)], HAVE, COST, most=MOST) == [("c", 8)]
    assert next_round([Undecided(("a", "b"), 2)], HAVE, COST, most=MOST) == [("a", 5), ("b", 5)]


def test_copies_of_one_fit_are_brought_along() -> None:
    have = {**HAVE, "d": 3}
    assert next_round([Undecided(("c", "d"), 3)], have, COST, most=MOST) == [("c", 8), ("d", 8)]


@pytest.mark.parametrize("hopeless", [None, 28, 900])
def test_what_more_seeds_will_hardly_decide_waits_until_nothing_else_is_left(hopeless: int | None) -> None:
    waits, goes = Undecided(("a", "d"), hopeless), Undecided(("b", "d"), 20)
    assert next_round([waits, goes], HAVE, COST, most=MOST) == [("b", 5)]
    assert next_round([waits], HAVE, COST, most=MOST) == [("a", 5)]


def test_nothing_is_left_where_every_claim_is_decided_or_has_all_its_seeds() -> None:
    assert next_round([], HAVE, COST, most=MOST) == []
    assert next_round([Undecided(("d",), 4)], HAVE, COST, most=MOST) == []
    assert next_round([Undecided(("a", "b"), 4)], HAVE, COST, most={**MOST, "b": 3}) == []


@given(
    st.lists(
        st.builds(
            Undecided,
            st.lists(st.sampled_from(sorted(HAVE)), min_size=1, max_size=2, unique=True).map(tuple),
            st.none() | st.integers(1, 40),
        )
    ),
    st.integers(3, 40),
)
def test_rounds_always_go_forward_and_end(claims: list[Undecided], total: int) -> None:
    have = dict(HAVE)
    for _ in range(50):
        wanted = next_round(claims, have, COST, most=dict.fromkeys(COST, total))
        if not wanted:
            break
        assert all(have[cell] < count <= total for cell, count in wanted)
        have |= dict(wanted)
    else:
        pytest.fail("no end")
    assert all(have[cell] >= total for claim in claims for cell in claim.cells if COST[cell])


MODELS = ("net-0.5", "net-0.502", "net-0.56", "net-2")
"""Two that are equivalent, one near them, and one far off."""


def suite_of(seeds: object, *, tuning: bool = False) -> Suite:
    entries = (Entry(id=name, kind="lstm", parameters={}) for name in MODELS)
    tuned = {"trials": 2, "batch": 2, "models": ("net-*",)} if tuning else False
    return Suite(
        name="rounds",
        datasets=(Entry(id="walk", kind="random", parameters={"length": 200}),),
        models=(Entry(id="persistence", kind="persistence", parameters={}), *entries),
        sequence_lengths=(3,),
        seeds=seeds,
        fresh_data=True,
        tuning=tuned,
    )


def carried_out(
    suite: Suite, folder: Path, *, until: float | None = None, heard: Callable[[Event], object] = lambda _: None
) -> Outcome:
    engine = partial(start, "inline", jobs=1, device="cpu", target="fake_cells:spread_rows")
    each = plans(list(expand(suite)), folder, suite, Goal.of(suite, until))
    return run_all(each, engine, jobs=1, device="cpu", listener=heard, suite=suite)


def rows_of(folder: Path) -> list[tuple[str, int, float, bool | None]]:
    rows = store.read(folder, "runs").to_pylist()
    return sorted((row["model"], row["seed"], row["mse"], row["untuned"]) for row in rows)


def seeds_of(folder: Path) -> dict[str, int]:
    """Model → replicates, which are the first ones, each once."""
    rows = rows_of(folder)
    counts = Counter(model for model, *_ in rows)
    assert [(model, seed) for model, seed, *_ in rows] == [
        (name, seed) for name in sorted(counts) for seed in range(counts[name])
    ]
    return dict(counts)


@pytest.mark.usefixtures("fakes")
def test_seeds_are_added_where_claims_are_undecided_and_nowhere_else(tmp_path: Path) -> None:
    suite = suite_of({"from": 3, "to": 30, "until": "decided"})
    outcome = carried_out(suite, tmp_path)
    counts = seeds_of(tmp_path)
    assert {len(what.replicates) for what in outcome.values()} == set(counts.values())
    assert 3 <= counts["net-2"] < counts["net-0.56"] <= counts["net-0.5"] <= 30
    (section,) = summarise(read(tmp_path)).sections
    for cell in section.cells:
        for claim in filter(None, (cell.against_persistence, cell.against_best)):
            assert claim.decided or min(counts[cell.model], counts[claim.other]) == 30
            assert claim.decided == claim.outcome.startswith(("better", "worse", "equivalent"))
    assert section.chosen("net-2").words == "worse"
    before = rows_of(tmp_path)
    carried_out(suite, tmp_path)
    assert rows_of(tmp_path) == before, "what is decided stays so"


class Killed(Exception):
    pass


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("limited", [False, True])
def test_a_run_that_is_killed_after_any_cell_loses_and_doubles_nothing(tmp_path: Path, *, limited: bool) -> None:
    suite = suite_of({"from": 3, "to": 12, "until": "decided"}, tuning=True)
    until = time.monotonic() + 1e6 if limited else None
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    carried_out(suite, whole, until=until)
    kills, known = 0, set()

    def killer(after: int) -> Callable[[Event], None]:
        left = [after]

        def listen(event: Event) -> None:
            if isinstance(event, Finished):
                left[0] -= 1
                if not left[0]:
                    raise Killed

        return listen

    for after in (1, 2, 1, 3, 2, 4, 3, 2, 5, 4):
        try:
            carried_out(suite, cut, until=until, heard=killer(after))
        except Killed:
            kills += 1
        else:
            break
        seeds_of(cut)
        now = {(model, seed) for model, seed, *_ in rows_of(cut)}
        assert known <= now
        known = now
    carried_out(suite, cut, until=until)
    assert kills > 5
    assert rows_of(cut) == rows_of(whole)
    assert not any(untuned for *_, untuned in rows_of(cut))


class Clock:
    """A second passes with each cell that is finished."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def listen(self, event: Event) -> None:
        self.now += isinstance(event, Finished)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(runner, "time", own)
    monkeypatch.setattr(anytime, "time", own)
    return own


@pytest.mark.usefixtures("fakes")
def test_where_time_is_short_every_cell_has_an_answer_before_any_is_tuned(tmp_path: Path, clock: Clock) -> None:
    suite = suite_of(10, tuning=True)
    carried_out(suite, tmp_path, until=105.0, heard=clock.listen)
    assert {untuned for model, *_, untuned in rows_of(tmp_path) if model != "persistence"} == {True}
    assert seeds_of(tmp_path) == {"persistence": 3, **dict.fromkeys(MODELS, 3)}
    assert store.read(tmp_path, "trials").num_rows == 0
    found = summarise(read(tmp_path))
    assert any("4 cells are not tuned yet" in text for text in found.cautions)
    assert "not tuned yet" in found.sections[0].chosen("net-0.5").note
    clock.now = 200.0
    carried_out(suite, tmp_path, until=202.0, heard=clock.listen)
    assert sum(bool(untuned) for *_, untuned in rows_of(tmp_path)) == 3 * 2, "two more are tuned"
    assert store.read(tmp_path, "trials").num_rows == 2 * 2
    carried_out(suite, tmp_path)
    assert seeds_of(tmp_path) == {"persistence": 10, **dict.fromkeys(MODELS, 10)}
    assert store.read(tmp_path, "trials").num_rows == 2 * 4
    straight = tmp_path / "straight"
    carried_out(suite, straight)
    assert rows_of(tmp_path) == rows_of(straight), "what was trained untuned leaves no trace"


@pytest.mark.usefixtures("fakes")
def test_without_a_plan_the_rest_of_the_seeds_comes_last(tmp_path: Path, clock: Clock) -> None:
    suite = suite_of(12)
    counts = []
    carried_out(suite, tmp_path, until=1e6, heard=counts.append)
    assert seeds_of(tmp_path) == {"persistence": 12, **dict.fromkeys(MODELS, 12)}
    first = [event.cell.seeds for event in counts if isinstance(event, Finished)][: len(MODELS) + 1]
    assert first == [3] * (len(MODELS) + 1)


@pytest.mark.usefixtures("fakes")
def test_no_time_is_no_run(tmp_path: Path, clock: Clock) -> None:
    assert carried_out(suite_of(5), tmp_path, until=clock.now) == {}
    assert store.cell_ids(tmp_path) == []


@pytest.mark.usefixtures("fakes")
def test_a_cell_that_is_not_finished_in_time_is_left_to_the_next_run(
    tmp_path: Path, make_cell: Callable[..., object]
) -> None:
    mark = tmp_path / "began"
    plan = replace(prepare([make_cell(f"hang:{mark}")], tmp_path), until=time.monotonic() + 0.2)
    engine = partial(start, "processes", jobs=1, device="cpu", target="fake_cells:run_cell")
    assert run_all([plan], engine, jobs=1, device="cpu", listener=lambda _: None) == {}
    assert store.cell_ids(tmp_path) == []


def test_a_goal_is_the_plan_of_the_suite_or_few_seeds_where_time_is_limited() -> None:
    planned = suite_of({"from": 4, "to": 9})
    assert Goal.of(planned) == Goal(4, fill=False)
    assert Goal.of(planned, 5.0) == Goal(4, fill=False, until=5.0)
    assert Goal.of(suite_of(10)) == Goal(None, fill=True)
    assert Goal.of(suite_of(10), 5.0) == Goal(3, fill=True, until=5.0)


@pytest.mark.parametrize("times", [0, 1, 3])
def test_what_may_pass_is_run_again_so_often(fakes: str, tmp_path: Path, times: int) -> None:
    models = (f"flaky:{tmp_path / 'tries'}", "fail:diverged", "fail:failed", "fail:unavailable", "a")
    suite = suite_of(2).model_copy(
        update={"models": tuple(Entry(id=name, kind="persistence", parameters={}) for name in models)}
    )
    cells, begun = list(expand(suite)), Counter[str]()

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            begun[event.cell.model.id.partition(":")[2] or "a"] += 1

    engine = partial(start, "inline", jobs=1, device="cpu", target=fakes)
    for _ in range(2):  # the second run of the same has nothing left to do, and retries nothing of before
        each = retried(plans(cells, tmp_path / "results", suite, Goal.of(suite)), cells, times)
        run_all(each, engine, jobs=1, device="cpu", listener=listen, suite=suite)
    assert begun.pop(str(tmp_path / "tries")) == min(1 + times, 3)
    assert begun == {"diverged": 1, "failed": 1, "unavailable": 2 * (1 + times), "a": 1}
    ended = {what.key.model: what.status for what in store.stored(tmp_path / "results").values()}
    assert ended[models[0]] == ("ok" if times >= 2 else "crashed")
