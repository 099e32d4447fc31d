"""Every two models of a dataset: the word on the pair, its numbers, and how it is corrected."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from bench.reporting.every_pair import table
from bench.reporting.page import draw, markdown
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import Section, Summary
from bench.stats.claims import ModelClaim, findings
from bench.stats.verdicts import against_best, counted_pairs
from bench.store.schema import Rows

MODELS = ["persistence", "linear-ar", "rnn", "lstm", "gru"]


@pytest.fixture(scope="module")
def summary(fake: Callable[..., Rows]) -> Summary:
    return summarise(Source(fake(datasets=["noisy-sine", "gbm"], models=MODELS, lengths=(10, 20), points=300), "x"))


def names(section: Section, chosen: bool) -> list[tuple[frozenset[str], int | None]]:
    cells = {cell.cell_id: cell for cell in section.cells}
    return [
        (
            frozenset({cells[pair.one].model, cells[pair.other].model}),
            None if chosen else cells[pair.one].sequence_length,
        )
        for pair in section.pairs
        if pair.chosen is chosen
    ]


def test_every_two_models_have_one_verdict_at_their_chosen_lengths(summary: Summary) -> None:
    for section in summary.sections:
        said = names(section, chosen=True)
        assert sorted(map(sorted, (pair for pair, _ in said))) == sorted(map(sorted, combinations(sorted(MODELS), 2)))


def test_every_two_models_have_one_verdict_at_each_length(summary: Summary) -> None:
    for section in summary.sections:
        cells = {(cell.model, cell.sequence_length): cell for cell in section.cells}
        both = [
            (frozenset(pair), length)
            for length in (10, 20)
            for pair in combinations(MODELS, 2)
            if not all(cells[model, length].chosen for model in pair)
        ]
        assert set(names(section, chosen=False)) == set(both)
        assert len(names(section, chosen=False)) == len(both)


def test_pairs_have_the_words_of_the_tables_where_these_compare_them(summary: Summary) -> None:
    for section in summary.sections:
        cells = {cell.cell_id: cell for cell in section.cells}
        for pair in section.pairs:
            one, other = cells[pair.one], cells[pair.other]
            if pair.chosen and other.model == "persistence":
                assert pair.words == one.words
            elif pair.chosen and section.best is other:
                assert pair.words == one.words_next_to_best
                assert one.against_best is not None
                assert pair.claim.p == one.against_best.p


def test_a_verdict_is_the_sign_of_an_interval_that_excludes_equal_errors(summary: Summary) -> None:
    for section in summary.sections:
        cells = {cell.cell_id: cell for cell in section.cells}
        for pair in section.pairs:
            rmse = [cells[name].rmse for name in (pair.one, pair.other)]
            ratio = (rmse[0].value / rmse[1].value) ** 2  # type: ignore[union-attr]
            assert pair.claim.effect + 1 == pytest.approx(ratio, rel=1e-6)
            if pair.won:
                assert (pair.claim.high < 0) if pair.won == 1 else (pair.claim.low > 0)
                assert pair.claim.p < 0.05
            first = re.split(r"; | \(|, ", pair.words)[0]
            assert first in {"better", "worse", "undecided", "equivalent within 5 %"} or first.startswith("not tested")


def claim(one: str, other: str, errors: dict[str, np.ndarray]) -> ModelClaim:
    return ModelClaim(one, other, new=errors[one], old=errors[other], one_series=False)


def test_a_pair_without_the_best_is_held_against_the_number_of_all_pairs() -> None:
    rng = np.random.default_rng(3)
    level = rng.lognormal(size=8)
    errors = {
        name: level * scale * rng.lognormal(sigma=0.1, size=8)
        for name, scale in zip("abcd", (1, 1.4, 2, 2.1), strict=True)
    }
    best = against_best([[claim(name, "a", errors) for name in "bcd"]])
    pairs = [claim(*pair, errors) for pair in ("cb", "db", "dc")]
    found = counted_pairs(pairs, [best[0].finding] * 3)
    for own, alone in zip(found, findings(pairs), strict=True):
        assert own.finding.family == 6
        assert own.p == pytest.approx(min(1.0, 6 * alone.p_alone))


def test_the_table_has_a_row_for_each_pair_with_its_p_value(summary: Summary) -> None:
    text = markdown(summary, draw(summary))
    for section in summary.sections:
        made = table(section, name="x", lengths=True)
        assert made is not None
        assert len(made.rows) == len(section.pairs)
        assert f"<summary>Every pair of models on {section.title} ({len(section.pairs)} rows)</summary>" in text
        for row, pair in zip(made.rows, sorted(section.pairs, key=lambda pair: not pair.chosen), strict=True):
            shown = row[5].text
            assert pair.claim.p < 0.001 if shown == "< 0.001" else float(shown) == pytest.approx(pair.claim.p, rel=0.06)
