from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.signal import lfilter
from statsmodels.stats.multitest import multipletests

from bench.stats.claims import ModelClaim, corrected, findings
from bench.stats.ratios import over_seeds
from bench.stats.verdicts import (
    Subject,
    Verdict,
    against_best,
    against_persistence,
    at_floor,
    below_floor,
    judged_before,
)
from bench.stats.window_tests import over_window

TARGETS = 300


def claim(ratio: float, *, seed: int = 0, spread: float = 0.05, seeds: int = 10, **changes: object) -> ModelClaim:
    """A model whose MSE is `ratio` of that of persistence, which is 1."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=TARGETS)
    other = rng.normal(size=TARGETS)
    new = ratio * (1 + spread * rng.normal(size=seeds))
    window = (ratio * (0.9 * noise + np.sqrt(0.19) * other) ** 2, noise**2)
    return ModelClaim(
        **{"model": "lstm", "other": "persistence", "new": new, "old": np.ones(seeds), "window": window, **changes}
    )


def judged(one: ModelClaim, **facts: object) -> Verdict:
    return against_persistence([Subject(one, **facts)])[0].verdict


def test_the_claim_rests_on_the_weaker_of_its_two_kinds_of_evidence() -> None:
    one = claim(0.8)
    (found,) = findings([one])
    seeds, window = over_seeds(one.new, one.old), over_window(*one.window)
    assert (found.p_seeds, found.p_window) == (pytest.approx(seeds.p), pytest.approx(window.p))
    assert found.p == pytest.approx(max(seeds.p, window.p))
    assert (found.low, found.high) == (min(seeds.low, window.low), max(seeds.high, window.high))
    assert (found.seeds, found.targets, found.family) == (10, TARGETS, 1)
    assert found.ratio == pytest.approx(one.new.mean())


@pytest.mark.parametrize(("ratio", "kind"), [(0.5, Verdict.BETTER), (1.0, Verdict.UNDECIDED), (2.0, Verdict.WORSE)])
def test_a_model_against_persistence(ratio: float, kind: Verdict) -> None:
    verdict = against_persistence([Subject(claim(ratio))])[0]
    assert verdict.verdict is kind
    assert verdict.p == verdict.finding.p
    assert verdict.sentence.startswith("lstm ")
    assert "10 seeds and 300 test targets" in verdict.sentence


def test_seeds_alone_or_the_window_alone_are_not_enough() -> None:
    good, none = claim(0.5), claim(1.0)
    assert judged(claim(0.5, window=none.window)) is Verdict.UNDECIDED
    assert judged(claim(0.5, new=none.new)) is Verdict.UNDECIDED
    assert judged(claim(0.5, new=2 * good.old + good.new)) is Verdict.UNDECIDED, "they point in opposite directions"
    assert judged(claim(0.5, window=None, one_series=False)) is Verdict.BETTER, "each replicate has its own series"
    assert judged(claim(0.5, new=np.full(10, 0.5), deterministic=True)) is Verdict.BETTER, "nothing is drawn"


def test_what_cannot_be_tested_says_why() -> None:
    short = tuple(loss[:10] for loss in claim(0.5).window)
    for changes, reason in (
        ({"window": None}, "no predictions are stored"),
        ({"window": short}, "the test window is too short"),
        ({"seeds": 1}, "one seed shows no spread"),
        ({"new": np.full(10, np.nan)}, "no replicate finished"),
    ):
        verdict = against_persistence([Subject(claim(0.5, **changes))])[0]
        assert verdict.verdict is Verdict.UNTESTED
        assert reason in verdict.sentence


def test_p_is_corrected_over_the_family_that_was_tested() -> None:
    several = [claim(0.8, seed=s) for s in range(4)]
    alone = [found.p for found in findings(several)]
    together, others = corrected(findings([*several, claim(0.5, window=None)]), np.array([[0.9, np.nan]]))
    smallest = int(np.argmin(alone))
    assert together[smallest].p == pytest.approx(5 * alone[smallest])
    assert [found.family for found in together] == [5] * 5
    assert np.isnan(together[4].p)
    assert others.shape == (1, 2)
    assert np.isnan(others[0, 1])


def test_an_undecided_claim_has_an_interval_that_holds_no_difference() -> None:
    """Also where the correction alone leaves it undecided: then at the level that Holm's method has tested it at."""
    errors = [np.exp(np.random.default_rng(each).normal(-0.12, 0.15, size=10)) for each in range(12)]
    claims = [claim(1.0, new=each, one_series=False, window=None) for each in errors]
    found = [judgement.finding for judgement in against_persistence([Subject(each) for each in claims])]
    raw = over_seeds(np.array(errors), np.ones((12, 10))).p
    after = multipletests(raw, method="holm")[1]
    lost = [place for place in range(12) if raw[place] < 0.05 <= after[place]]
    assert len(lost) > 2
    assert any(p < 0.05 for p in after)
    for place, finding in enumerate(found):
        assert finding.p == pytest.approx(after[place])
        assert (finding.low <= 1 <= finding.high) is (finding.p >= 0.05)
        level = 1 - 0.05 * (raw[place] / after[place] if place in lost else 1)
        alone = over_seeds(errors[place], np.ones(10), level=level)
        assert (finding.low, finding.high) == pytest.approx((float(alone.low), float(alone.high)))


def test_what_is_said_against_persistence_and_of_the_noise_floor_is_one_family() -> None:
    ratios, floors = (0.5, 0.9, 0.52, 0.8), (0.5, 0.3, 0.7, 0.3)
    subjects = [
        Subject(claim(r, seed=s, spread=0.03), floor=np.full(10, f))
        for s, (r, f) in enumerate(zip(ratios, floors, strict=True))
    ]
    compared = [found.p for found in findings([subject.claim for subject in subjects])]
    p = multipletests([*compared, *below_floor(subjects), *at_floor(subjects)], method="holm")[1].reshape(3, 4)
    verdicts = against_persistence(subjects)
    assert [verdict.finding.p for verdict in verdicts] == pytest.approx(p[0])
    assert {verdict.finding.family for verdict in verdicts} == {12}
    assert [
        (verdict.verdict, verdict.p) for verdict in verdicts if verdict.verdict in (Verdict.LEAK, Verdict.FLOOR)
    ] == [
        (Verdict.FLOOR, pytest.approx(p[2, 0])),
        (Verdict.LEAK, pytest.approx(p[1, 2])),
    ]


def test_skill_is_claimed_falsely_in_at_most_one_report_of_twenty() -> None:
    """The seeds leave no doubt, so that chance in the window decides: nothing is less favourable."""
    rng = np.random.default_rng(3)
    one_by_one = together = 0
    for _ in range(300):
        losses = lfilter([1], [1, -0.3], rng.normal(size=(2, 5, 150)), axis=-1) ** 2
        seeds = 0.9 + 0.01 * rng.normal(size=(5, 10))
        family = [ModelClaim("a", "b", seeds[m], np.ones(10), window=(losses[0, m], losses[1, m])) for m in range(5)]
        one_by_one += any(found.p < 0.05 for found in findings(family))
        verdicts = against_persistence([Subject(each) for each in family])
        together += any(verdict.verdict is not Verdict.UNDECIDED for verdict in verdicts)
    assert one_by_one / 300 > 0.06, "without a correction it would be too often"
    assert together / 300 < 0.05


def test_at_the_floor_above_it_and_below_it() -> None:
    one = claim(0.5, spread=0.01)
    for floor, kind in ((0.5, Verdict.FLOOR), (0.3, Verdict.BETTER), (0.6, Verdict.LEAK), (0.0, Verdict.BETTER)):
        assert judged(one, floor=np.full(10, floor)) is kind
    fitted = claim(0.5, new=np.full(10, 0.5), deterministic=True)
    for floor, kind in ((0.49, Verdict.FLOOR), (0.4, Verdict.BETTER), (0.6, Verdict.LEAK)):
        assert judged(fitted, floor=np.full(10, floor)) is kind


def test_of_replicates_with_data_of_their_own_the_seeds_alone_tell_a_leak() -> None:
    own = {"window": None, "one_series": False}
    one = claim(0.5, spread=0.01, **own)
    for floor, kind in ((0.9, Verdict.LEAK), (0.5, Verdict.FLOOR), (0.4, Verdict.BETTER)):
        assert judged(one, floor=np.full(10, floor)) is kind
    floors = 0.5 * (1 + 0.02 * np.random.default_rng(1).normal(size=10))
    theirs = over_seeds(one.new, floors).p / 2
    assert below_floor([Subject(one, floor=floors)])[0] == pytest.approx(theirs)
    still = claim(0.5, new=np.full(10, 0.5), **own)
    assert np.isnan(below_floor([Subject(still, floor=np.full(10, 0.9))])[0]), "there is no spread to test with"
    assert judged(still, floor=np.full(10, 0.9)) is Verdict.UNTESTED


@pytest.mark.parametrize("changes", [{"spread": 0.01}, {"new": np.full(10, 0.5), "deterministic": True}])
def test_below_the_floor_is_not_at_it_where_the_window_is_missing(changes: dict[str, object]) -> None:
    one = claim(0.5, window=None, **changes)
    for floor, kind in ((0.9, Verdict.UNTESTED), (0.5, Verdict.FLOOR), (0.4, Verdict.UNTESTED)):
        assert judged(one, floor=np.full(10, floor)) is kind


def test_copies_of_one_fit_are_at_the_floor_without_a_test() -> None:
    fitted, floor = claim(0.5, new=np.full(10, 0.5), deterministic=True), np.full(10, 0.49)
    assert np.isnan(at_floor([Subject(fitted, floor=floor)])[0])
    (verdict,) = against_persistence([Subject(fitted, floor=floor)])
    assert verdict.verdict is Verdict.FLOOR
    assert np.isnan(verdict.p)
    assert (
        "its error is not more than 5% above the smallest possible; it is better than persistence: " in verdict.sentence
    )
    assert verdict.words == "better; at the noise floor"
    far = [Subject(fitted, floor=np.full(10, 0.3))] * 9
    trained = against_persistence([*far, Subject(claim(0.5, spread=0.01), floor=floor)])[-1]
    assert trained.verdict is Verdict.FLOOR
    assert trained.finding.family == 10 + 10 + 1, "only the last one is tested for being at the floor"


def test_much_skill_on_a_martingale_is_a_leak_and_a_little_is_not() -> None:
    assert judged(claim(0.5), martingale=True) is Verdict.LEAK
    assert (
        judged(claim(0.93, spread=0.001, window=(0.93 * claim(1.0).window[1], claim(1.0).window[1])), martingale=True)
        is Verdict.BETTER
    )
    assert judged(claim(1.0), martingale=True) is Verdict.UNDECIDED


@pytest.mark.parametrize(("share", "horizon"), [(0.0, 1), (0.01, 1), (0.05, 1), (0.3, 1), (0.05, 4)])
def test_an_honest_model_is_suspected_at_most_one_time_in_twenty(share: float, horizon: int) -> None:
    """The model is off the best forecast by δ of mean square `share`, alike in all seeds: the seeds do not help."""
    rng = np.random.default_rng(int(100 * share) + horizon)
    suspected = 0
    for _ in range(400):
        noise = lfilter(np.ones(horizon), 1, rng.normal(size=TARGETS + horizon))[horizon:] / np.sqrt(horizon)
        off = (
            np.sqrt(share)
            * lfilter(np.ones(horizon), 1, rng.normal(size=TARGETS + horizon))[horizon:]
            / np.sqrt(horizon)
        )
        mse = np.mean((noise - off) ** 2) + 1e-6 * rng.normal(size=10)
        one = ModelClaim("a", "persistence", mse, np.ones(10), window=(noise, noise), horizon=horizon)
        suspected += below_floor([Subject(one, floor=np.full(10, np.mean(noise**2)))])[0] < 0.05
    assert suspected / 400 < 0.075


@pytest.mark.parametrize("everywhere", [True, False])
def test_an_honest_model_of_geometric_brownian_motion_is_suspected_as_rarely(everywhere: bool) -> None:
    """The noise grows with the price; the model is off at all prices, or only at the highest so far."""
    rng, suspected = np.random.default_rng(11), 0
    for _ in range(400):
        price = np.exp(np.cumsum(0.015 * rng.normal(size=401)))
        noise, off = np.diff(price), 0.1 * 0.015 * price[:-1]
        if not everywhere:
            off = np.where(price[:-1] >= 0.98 * np.maximum.accumulate(price[:-1]), off, 0.0)
        mse = np.mean((noise - off) ** 2) * (1 + 1e-6 * rng.normal(size=10))
        one = ModelClaim("a", "persistence", mse, np.ones(10), window=(noise, noise))
        suspected += below_floor([Subject(one, floor=np.full(10, np.mean(noise**2)))])[0] < 0.05
    assert suspected / 400 < 0.075


def test_a_model_that_sees_a_tenth_of_the_noise_is_caught() -> None:
    noise = np.random.default_rng(5).normal(size=TARGETS)
    mse = np.mean((0.9 * noise) ** 2) * (1 + 0.01 * np.random.default_rng(6).normal(size=10))
    one = ModelClaim("a", "persistence", mse, np.full(10, 2.0), window=(noise, noise))
    assert below_floor([Subject(one, floor=np.full(10, np.mean(noise**2)))])[0] < 1e-6


def test_at_the_floor_is_a_one_sided_test_within_a_twentieth() -> None:
    one, floor = claim(0.5, spread=0.02), np.full(10, 0.49)
    theirs = over_seeds(one.new, 1.05 * floor).p / 2
    assert at_floor([Subject(one, floor=floor)])[0] == pytest.approx(theirs)
    assert np.isnan(at_floor([Subject(one)])[0])


def test_models_are_told_from_the_best_one_or_not() -> None:
    near, far, lost = claim(1.0, other="gru"), claim(1.5, seed=1, other="gru"), claim(1.5, window=None, other="gru")
    found = against_best([[near, far, lost], []])
    assert [verdict.verdict for verdict in found] == [Verdict.UNDECIDED, Verdict.WORSE, Verdict.UNTESTED]
    assert [verdict.words for verdict in found] == [
        *("undecided (more seeds would not decide)", "worse", "not tested: no predictions are stored")
    ]
    assert found[0].sentence.startswith("lstm is not shown to differ from gru: MSE ")
    assert found[1].sentence.startswith("lstm is worse than gru: MSE ")
    assert "Holm over 3 pairs of models" in found[1].sentence, "the two that were tested, and the best"
    assert against_best([]) == ()


def test_a_pair_that_was_judged_against_persistence_says_the_same_whichever_side_comes_first() -> None:
    one, more = claim(0.8), [claim(1.0, seed=seed) for seed in range(1, 4)]
    (judgement, *_) = against_persistence([Subject(each) for each in [one, *more]])
    same, turned = judged_before(one, judgement), judged_before(one, judgement, turned=True)
    assert (same.verdict, same.sentence) == (Verdict.BETTER, judgement.sentence)
    assert (turned.verdict, turned.model, turned.other) == (Verdict.WORSE, "persistence", "lstm")
    assert turned.p == same.p == judgement.p
    assert turned.finding.low * same.finding.high == pytest.approx(1)
    assert turned.finding.high * same.finding.low == pytest.approx(1)
    assert turned.sentence.startswith("persistence is worse than lstm: MSE ")
    assert "Holm over 4 claims" in turned.sentence


def test_a_difference_that_is_shown_is_not_written_as_none() -> None:
    losses = np.random.default_rng(0).normal(size=TARGETS) ** 2
    wobble = 1 + 1e-6 * np.random.default_rng(1).normal(size=TARGETS)
    near = claim(0.9998, spread=1e-6, window=(0.9998 * losses * wobble, losses))
    (judgement,) = against_persistence([Subject(near)])
    assert judgement.verdict is Verdict.BETTER
    change, low, high = re.findall(r"[+-]?\d+\.\d+(?=%)", judgement.sentence)[:3]
    assert float(change) == pytest.approx(0.02, rel=0.1)
    assert float(low) <= float(high) < 0


def test_a_ratio_of_many_digits_is_told_with_an_exponent() -> None:
    (judgement,) = against_persistence([Subject(claim(2.5e9))])
    assert re.search(r"MSE \d\.\d{3}e\+11% higher \(95 % interval \+\d\.\d{3}e\+11% to ", judgement.sentence)


def test_of_equal_models_the_best_by_chance_is_told_apart_at_most_one_time_in_twenty() -> None:
    """The smallest of ten errors is held against the others, the largest among them."""
    rng = np.random.default_rng(7)
    as_if_given = chosen = 0
    for _ in range(400):
        mse = 1 + 0.1 * rng.normal(size=(10, 10))
        best = int(mse.mean(axis=1).argmin())
        claims = [ModelClaim(str(m), "best", mse[m], mse[best], one_series=False) for m in range(10) if m != best]
        as_if_given += any(found.p < 0.05 for found in corrected(findings(claims), np.ones(0))[0])
        chosen += any(verdict.verdict is Verdict.WORSE for verdict in against_best([claims]))
    assert as_if_given / 400 > 0.08, "nine claims would be too few to count"
    assert chosen / 400 < 0.05
