from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.cli.results_table import results_table
from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.spec import Entry, Suite
from bench.store.schema import Rows, table
from bench.tasks import unit_of, words

Fake = Callable[..., Rows]


def classified(fake: Fake, **more: Any) -> Rows:
    """Made-up results of which each replicate names ``70 + seed`` % of the classes correctly."""
    rows = fake(datasets=("digits",), lengths=(8,), seeds=3, common={"task": "classify"}, **more)
    runs = [{**row, "accuracy": 0.7 + 0.01 * row["seed"], "log_loss": 0.5} for row in rows["runs"].to_pylist()]
    return {**rows, "runs": table("runs", runs)}


def pages(rows: Rows) -> dict[str, str]:
    files = render(summarise(Source(rows, "results/fake")))
    return {name: str(files[name]) for name in ("index.html", "report.md", "cells.csv")}


def test_a_page_of_classifiers_speaks_of_accuracy_and_of_probabilities(fake: Fake) -> None:
    found = pages(classified(fake))
    for name in ("index.html", "report.md"):
        assert "71.0\u202f%" in found[name]
        assert "names 71\u202f% of the classes correctly (log-loss 0.5000)" in found[name]
        assert "the root of Brier" in found[name]
        assert "the shares of the classes in the train part" in found[name]
        assert "original units" not in found[name]
        assert "Predictions of" not in found[name]
    assert "| Accuracy (mean over seeds) | Log-loss (mean over seeds) | RMSE (probability) |" in found["report.md"]
    assert '"accuracy","log_loss"' in found["cells.csv"].splitlines()[0]


def test_a_page_of_forecasts_says_nothing_of_classes(fake: Fake) -> None:
    for text in pages(fake(datasets=("noisy-sine",), lengths=(10,))).values():
        assert "Brier" not in text
        assert "Accuracy" not in text


def test_a_page_of_denoisers_says_what_they_are_held_against(fake: Fake) -> None:
    found = pages(fake(datasets=("noisy-sine",), lengths=(10,), common={"task": "denoise"}))
    for name in ("index.html", "report.md"):
        assert "errors are against the clean signal" in found[name]
        assert "the noisy value itself" in found[name]


def test_a_run_of_classifiers_ends_with_their_accuracies(fake: Fake) -> None:
    rows = classified(fake, models=("mean", "gru"))["runs"]
    text = "\n".join(map(str, results_table(rows, rows["cell_id"].unique().to_pylist())))
    assert text.startswith("RMSE on test, pooled over seeds, probability")
    last = text.splitlines()[-1].split()
    assert last == ["digits", "8", "1", "71.0%", "71.0%"]
    assert "Accuracy" not in str(results_table(rows.drop_columns("accuracy").append_column("accuracy", rows["r2"]), []))


@pytest.mark.parametrize(
    ("tasks", "unit"),
    [(["forecast"], "original units"), (["denoise", "forecast"], "original units"), ([None], "original units")],
)
def test_tasks_of_one_unit_keep_it(tasks: list[str | None], unit: str) -> None:
    assert words(tasks).unit == unit


def test_tasks_of_different_units_name_none_and_explain_all() -> None:
    both = words(["classify", "forecast", "denoise"])
    assert both.unit == "units of each dataset"
    assert "To classify" in both.explained
    assert "To denoise" in both.explained
    assert both.reference == ""


def test_errors_are_in_the_unit_of_their_dataset(fake: Fake) -> None:
    rows = fake(datasets=("noisy-sine", "TSLA"), lengths=(10,), horizons=(1, 3))
    entries = (Entry(id="noisy-sine", kind="noisy-sine", parameters={}, unit="m<sup>3"),)
    found = summarise(Source(rows, "results/fake", Suite(name="fake", datasets=entries)))
    assert {(own.dataset, own.words.axis) for own in found.sections} == {
        ("noisy-sine", "RMSE (m<sup>3)"),
        ("TSLA", "RMSE (USD)"),
    }
    assert found.words.unit == "units of each dataset"
    files = render(found)
    assert "RMSE (USD)" in str(files["report.md"])
    assert "original units" not in str(files["report.md"])
    assert "m<sup>3" not in str(files["index.html"])
    pictures = [str(text) for name, text in files.items() if name.endswith("tsla-horizon-1.svg")]
    assert any("in USD" in text for text in pictures)
    assert not any("original units" in text for text in pictures)


@pytest.mark.parametrize(
    ("kind", "parameters", "unit"),
    [
        ("TSLA", {"column": "close"}, "USD"),
        ("A", {"column": "open"}, "USD"),
        ("GOOG", {"column": "volume"}, ""),
        ("GOOG", {"column": "close", "columns": ["close", "volume"]}, ""),
        ("DJI", {"column": "close"}, ""),
        ("noisy-sine", {}, ""),
    ],
)
def test_prices_have_a_unit_that_nobody_states(kind: str, parameters: dict[str, Any], unit: str) -> None:
    assert unit_of(kind, parameters) == unit
