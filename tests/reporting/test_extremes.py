"""No claim contradicts its picture: made-up results whose errors differ by a hair, tenfold and a millionfold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import pytest

from bench.reporting.explorer import explored
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Section, Summary
from bench.stats.verdicts import Verdict
from bench.store.schema import Rows, table

Fake = Callable[..., Rows]
MODELS = ("persistence", "drift", "linear-ar", "lstm", "gru", "rnn")
SAME = "not shown to differ from"
WORDS = ("better", "equivalent within 5 %", "worse", "undecided")
MARK = ", still learning"
ACCOUNTED = ("(Holm over ", "not tested: ")
SIZES = (1.0, 1.02, 3.3, 1e3, 1e-6)
"""The error of each model after persistence, as a multiple of that of persistence."""

CASES = [
    (seeds, points, spread, shape)
    for seeds, points, spread, shape in product((2, 6), (60, 150), (0.0, 1.5), ("noise", "drift", "burst"))
]


def gaps(shape: str, count: int, key: Sequence[int]) -> np.ndarray:
    """``[count]`` errors: independent, wandering, or all in one burst."""
    own = np.random.default_rng(key).normal(size=count)
    if shape == "drift":
        return own.cumsum() / np.sqrt(count)
    return np.where(np.arange(count) < 2, 1e3 * own, 1e-3 * own) if shape == "burst" else own


def extreme(rows: Rows, *, spread: float, shape: str, key: int) -> Rows:
    """`rows` with errors of the `SIZES`; those of trained models differ by `spread` between seeds."""
    squares: dict[tuple[str, str, int], float] = {}
    lines = rows["predictions"].to_pylist()
    places = dict.fromkeys((row["dataset"], row["model"], row["seed"]) for row in lines)
    for dataset, model, seed in places:
        own = [row for row in lines if (row["dataset"], row["model"], row["seed"]) == (dataset, model, seed)]
        trained = model in {"lstm", "gru", "rnn"}
        path = [key, len(dataset), MODELS.index(model), seed if trained else 0]
        random = np.random.default_rng(path).normal()
        unit = np.sqrt(np.mean([(row["persistence"] - row["truth"]) ** 2 for row in own]))
        size = (0.0, *SIZES)[MODELS.index(model)] * np.exp(spread * random) * unit
        for row, gap in zip(own, size * gaps(shape, len(own), path), strict=True):
            row["prediction"] = row["persistence"] if model == "persistence" else row["truth"] + gap
        squares[dataset, model, seed] = float(np.mean([(row["prediction"] - row["truth"]) ** 2 for row in own]))
    runs = [
        {**row, "mse": mse, "rmse": mse**0.5, "skill": 1 - mse / row["persistence_mse"]}
        for row in rows["runs"].to_pylist()
        for mse in (squares[row["dataset"], row["model"], row["seed"]],)
    ]
    return {**rows, "runs": table("runs", runs), "predictions": table("predictions", lines)}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def found(request: pytest.FixtureRequest, fake: Fake) -> Summary:
    seeds, points, spread, shape = request.param
    rows = fake(datasets=["noisy-sine", "TSLA"], models=MODELS, lengths=[10], seeds=seeds, points=points)
    return summarise(Source(extreme(rows, spread=spread, shape=shape, key=CASES.index(request.param)), "results/fake"))


def judged(summary: Summary) -> Iterator[tuple[Section, CellSummary]]:
    for section in summary.sections:
        for cell in section.cells:
            if cell.chosen and cell.verdict is not Verdict.REFERENCE:
                yield section, cell


def test_what_every_interval_excludes_is_not_undecided(found: Summary) -> None:
    for section, cell in judged(found):
        shown = [cell.skill.interval] if cell.skill and cell.skill.interval else []
        shown += [cell.skill_in_window] if cell.skill_in_window else []
        excluded = shown and (all(low > 0 for low, _ in shown) or all(high < 0 for _, high in shown))
        bounded = cell.deterministic or (cell.skill and cell.skill.interval) or "replicates are equal" in cell.why
        if excluded and bounded and not any(said in cell.words for said in ACCOUNTED):
            assert cell.words.startswith(("better", "worse")), (section.title, cell.model, cell.words, shown)


def test_nothing_many_times_as_large_is_said_not_to_differ(found: Summary) -> None:
    for section, cell in judged(found):
        said = [(cell.why, section.persistence_rmse), (cell.why_not_best, section.best and section.best.rmse.value)]
        for sentence, other in said:
            factor = cell.rmse.value / other
            assert SAME not in sentence or 1 / 3.2 < factor < 3.2, sentence
        for part in section.statement.split(". "):
            _, says, models = part.partition(SAME)
            far = cell.rmse.value > 3.2 * section.best.rmse.value
            assert not (says and far and cell.model in re.split(", | and ", models.strip(" ."))), part


def test_there_are_four_words(found: Summary) -> None:
    for _, cell in judged(found):
        for words in (cell.words, cell.words_next_to_best):
            first = re.split(r"; | \(", words)[0].removesuffix(MARK)
            assert not words or first in WORDS or words.startswith("not tested: "), words


def test_the_charts_say_what_the_tables_say(found: Summary) -> None:
    data = explored(found)
    places = {model["name"]: place for place, model in enumerate(data["models"])}
    shown = np.zeros((len(places), len(places)), dtype=int)
    for section, drawn in zip(found.sections, data["sections"], strict=True):
        own = {cell.cell_id: cell for cell in section.cells}
        for pair in drawn["pairs"]:
            a, b = own[pair["a"]], own[pair["b"]]
            word = next(iter(table_words(section, a, b)), None)
            if word is None:
                first = re.split(r"; | \(", pair["claim"]["words"])[0].removesuffix(MARK)
                assert first in WORDS or first.startswith("not tested: "), pair
                continue
            assert pair["claim"]["words"] == word, (a.model, b.model)
            judged_first = pair["claim"]["of"] == a.model
            won = {"better": 1, "worse": -1}.get(re.split(r"; | \(|, ", word)[0], 0) if "leak" not in word else 0
            assert pair["claim"]["won"] == (won if judged_first else -won)
            if won:
                winner, loser = (a, b) if (won == 1) is judged_first else (b, a)
                shown[places[winner.model], places[loser.model]] += 1
    best = {section.best.model for section in found.sections}
    for i, j in product(places.values(), repeat=2):
        names = {data["models"][i]["name"], data["models"][j]["name"]}
        if "persistence" in names:  # there is a claim on every dataset
            assert data["wins"]["shown"][i][j] == shown[i, j], (names, best)


def table_words(section: Section, a: CellSummary, b: CellSummary) -> Iterator[str]:
    """What the table of errors says of the pair."""
    sides = ((a, b), (b, a))
    yield from (cell.words for cell, other in sides if other.verdict is Verdict.REFERENCE)
    yield from (cell.words_next_to_best for cell, other in sides if section.best is other)
