from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bench.running.rounds import Undecided, next_round

HAVE = {"a": 3, "b": 3, "c": 5, "d": 30}
COST = {"a": 1.0, "b": 10.0, "c": 2.0, "d": 0.0}


def test_the_claim_that_is_cheapest_to_decide_goes_first() -> None:
    claims = [Undecided(("b", "d"), 5), Undecided(("a", "d"), 16), Undecided(("a", "c"), 27)]
    assert next_round(claims, HAVE, COST, total=30) == [("a", 5), ("b", 5)]


def test_both_sides_come_to_the_next_look_at_the_claim() -> None:
    assert next_round([Undecided(("c", "d"), 3)], HAVE, COST, total=30) == [("c", 8)]
    assert next_round([Undecided(("a", "b"), 2)], HAVE, COST, total=30) == [("a", 5), ("b", 5)]


@pytest.mark.parametrize("hopeless", [None, 28, 900])
def test_what_more_seeds_will_hardly_decide_waits_until_nothing_else_is_left(hopeless: int | None) -> None:
    waits, goes = Undecided(("a", "d"), hopeless), Undecided(("b", "d"), 20)
    assert next_round([waits, goes], HAVE, COST, total=30) == [("b", 5)]
    assert next_round([waits], HAVE, COST, total=30) == [("a", 5)]


def test_nothing_is_left_where_every_claim_is_decided_or_has_all_its_seeds() -> None:
    assert next_round([], HAVE, COST, total=30) == []
    assert next_round([Undecided(("d",), 4)], HAVE, COST, total=30) == []


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
        wanted = next_round(claims, have, COST, total=total)
        if not wanted:
            break
        assert all(have[cell] < count <= total for cell, count in wanted)
        have |= dict(wanted)
    else:
        pytest.fail("no end")
    assert all(have[cell] >= total for claim in claims for cell in claim.cells)
