"""The page of published systems, from made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.cells import CellKey
from bench.replication import card_page
from bench.replication.card_pictures import Group, Row, distributions
from bench.replication.findings import PublishedOutcome, Spread
from bench.replication.systems import Published, ReplicationSuite
from bench.reporting.figures.style import theme
from bench.reporting.source import Source

LEVELS = np.linspace(0.9, 1.1, 20)


def test_pages_show_every_card_and_its_mark(made):
    truth = np.sin(np.arange(60) / 3)
    published = Published(train_loss={1: 2.0}, test_rmse=1.0, claims=made.claim("rests-on").claims)
    rows = made.Rows().cell("S1", "rnn as published", curve={1: 2.0}, departures="scaler: series")
    rows.prediction("S1", "rnn as published", truth, truth, persistence=np.roll(truth, 1)).cell("S1", "rnn")
    found = card_page.render(
        Source(rows.tables(), "results/made", made_of([made.system(published=published)])), names=("a.html", "b.md")
    )
    assert {"a.html", "b.md", "figures/courses-s1.svg", "figures/distributions-s1.svg"} <= found.keys()
    assert "departures scaler: series" in found["b.md"]
    assert "| **as published** |" in found["b.md"]
    assert found["b.md"].count(r"1.002 \[0.905, 1.095\]") == 3, (
        "pooled, in both tables, as published and under the protocol"
    )
    assert 'id="system-s1"' in found["a.html"]
    assert "Of the claims, 1 does not hold." in found["b.md"]
    assert "| better ●" in found["b.md"]
    assert "**said**: does not hold" in found["b.md"], "the claim and the table say the same"


@pytest.mark.parametrize(
    ("persistence", "floor", "verdict", "said"),
    [
        (0.1, 1.0, "at the noise floor", "1 worse than repeating the last value"),
        (0.1, 3.0, "suspected leak", "1 worse than repeating the last value"),
        (4.0, 3.0, "suspected leak", "1 not tested against it"),
    ],
)
def test_worse_than_persistence_is_said_whatever_the_verdict(made, persistence, floor, verdict, said):
    rng, truth = np.random.default_rng(0), np.sin(np.arange(60) / 3)
    mse = {"rmse": 1 + (LEVELS - 1) / 10, "persistence_mse": persistence, "noise_floor_mse": floor}
    rows = made.Rows().cell("S1", "rnn as published", **mse)
    own, last = (truth + size * rng.normal(size=60) for size in (1.0, persistence**0.5))
    rows.prediction("S1", "rnn as published", truth, own, persistence=last)
    text = text_of(rows, made.system(published=made.claim("rests-on")))
    assert verdict in text
    assert said in text


def made_of(systems):
    return ReplicationSuite(name="made", systems=tuple(systems))


def text_of(rows, *systems):
    return card_page.render(Source(rows.tables(), "results/made", made_of(systems)), names=("a.html", "b.md"))["b.md"]


def test_of_replicates_with_data_of_their_own_one_is_drawn(made):
    truth = np.sin(np.arange(60) / 3)
    rows = made.Rows().cell("S1", "rnn as published")
    rows.prediction("S1", "rnn as published", truth, truth + 0.1, persistence=np.roll(truth, 1))
    assert "The root mean squared error of the median over replicates is 0.1 here." in text_of(rows, made.system())
    for row in rows.rows["runs"]:
        row.update(spec=json.dumps({**json.loads(row["spec"]), "fresh_data": True}), data_sha256=str(row["seed"]))
    for row in rows.rows["predictions"]:
        row.update({name: row[name] + row["seed"] for name in ("truth", "persistence", "prediction")})
    text = text_of(rows, made.system())
    assert "over truth on S1, seed 0 alone: each seed has data of its own." in text
    assert "The root mean squared error of seed 0 is 0.1 here." in text


def test_marks_say_what_departs(made):
    rows = made.Rows().cell("S1", "rnn as published", departures="layer: keras, split: none")
    rows.cell("S1", "rnn", departures="layer: keras").cell("S1", "mean").cell("S1 own", "rnn as published")
    text = text_of(rows, made.system(), made.system("S1 own"))
    assert "| S1 | rnn | **as published** |" in text
    assert "| S1 | rnn | **protocol, but layer: keras** |" in text
    assert "| S1 | mean | protocol |" in text
    assert "| S1 own | rnn | as published, no departure |" in text
    assert "- As published, S1 own: no departure from the protocol." in text


def test_an_error_on_the_training_windows_is_called_one(made):
    rows = made.Rows().cell("S1", "rnn as published", departures="split: none")
    assert made.outcomes(made.one([made.system()], rows)) == {
        "MSE on the training windows": PublishedOutcome.NOT_STATED
    }
    assert "nothing was held out" in text_of(rows, made.system())


def test_scaled_errors_stand_where_no_noise_floor_is_known(made):
    rows = made.Rows().cell("S1", "rnn as published", mse=2.0, mse_scaled=0.5)
    text = text_of(rows, made.system())
    assert "| Scaled MSE | Persistence (scaled MSE) |" in text
    assert "| 2.000 | 0.5000 | 1.000 |" in text
    known = text_of(made.Rows().cell("S1", "rnn as published", noise_floor_mse=0.25), made.system())
    assert "| Noise floor (RMSE) |" in known
    assert "Scaled" not in known


def test_a_table_of_accuracies_says_nothing_of_a_noise_floor(made):
    text = text_of(made.Rows().cell("S1", "rnn as published", task="classify", accuracy=LEVELS / 2), made.system())
    assert "Accuracy (mean; central 95 %)" in text
    assert "noise floor" not in text.casefold().partition("how to read")[0]


def test_a_picture_of_many_rows_is_told_in_short(made):
    spreads = [Spread.of(LEVELS + place) for place in range(24)]
    rows = tuple(Row(f"model-{place}", spread, published=True) for place, spread in enumerate(spreads))
    with theme():
        shown = distributions([Group("data", "RMSE", rows)], "made")
    assert shown.alt == "data, RMSE: 24 rows from 1 (model-0) to 24 (model-23)."


def test_a_card_of_which_nothing_was_run_is_left_out(made):
    rows = made.Rows().cell("S1", "rnn as published").tables()
    requested = frozenset(CellKey(name, "rnn as published", 20, 1) for name in ("S1", "S2", "S3"))
    found = card_page.render(
        Source(
            rows, "results/made", made_of([made.system(), made.system("S2"), made.system("S3")]), requested=requested
        ),
        names=("a.html", "b.md"),
    )
    text = found["b.md"]
    assert "1 published system, 0 printed numbers" in text
    assert "Not run, and left out here: S2 and S3." in text
    assert "## S2" not in text
    assert "could not be judged" not in text
    assert "no row" not in text


def test_what_is_missing_of_a_card_that_was_run_is_said(made):
    rows = made.Rows().cell("S1", "rnn as published").tables()
    found = card_page.render(
        Source(rows, "results/made", made_of([made.system(), made.system("S1 more")])), names=("a.html", "b.md")
    )
    assert "1 could not be judged: what they are of was not run." in found["b.md"]


def test_rows_of_systems_and_others_part(made):
    rows = made.Rows().cell("S1", "rnn as published").cell("other", "rnn").tables()
    requested = frozenset({CellKey("S1", "rnn", 5, 1), CellKey("more", "rnn", 5, 1)})
    own, others = card_page.parted(Source(rows, "results/made", made_of([made.system()]), requested=requested))
    assert own.rows["runs"]["dataset"].unique().to_pylist() == ["S1"]
    assert others.rows["runs"]["dataset"].unique().to_pylist() == ["other"]
    assert (own.requested, others.requested) == (
        frozenset({CellKey("S1", "rnn", 5, 1)}),
        frozenset({CellKey("more", "rnn", 5, 1)}),
    )


@pytest.mark.parametrize(
    ("datasets", "files"),
    [
        (("S1",), {"index.html", "report.md"}),
        (("other",), {"index.html", "report.md", "cells.csv"}),
        (("S1", "other"), {"published.html", "published.md", "index.html", "report.md", "cells.csv"}),
    ],
)
def test_published_systems_have_a_page_of_their_own_next_to_that_of_all_else(made, datasets, files):
    rows = made.Rows()
    for dataset in datasets:
        rows.cell(dataset, "rnn as published" if dataset == "S1" else "rnn")
    found = card_page.pages(Source(rows.tables(), "results/made", made_of([made.system()])))
    assert {name for name in found if not name.startswith("figures/")} == files
    assert list(found)[-1] == "index.html"
    own = found["published.md" if len(datasets) == 2 else "report.md"]
    assert ("published system" in own) == ("S1" in datasets)
