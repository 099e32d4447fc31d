"""The page of published systems, from made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.cells import CellKey
from bench.replication import card_page, card_pictures, card_tables
from bench.replication.card_pictures import Group, Row, distributions
from bench.replication.findings import PublishedOutcome, Spread
from bench.replication.systems import Published, ReplicationSuite, Statement
from bench.reporting.figures.layout import distinct
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
    assert found["b.md"].count(r"1.002 \[0.873, 1.141\]") == 3, (
        "pooled, in both tables, as published and under the protocol, with the interval for one more run"
    )
    assert 'id="system-s1"' in found["a.html"]
    assert "Of 1 statement, shapes and claims, 1 does not hold." in found["b.md"]
    assert "| better ● |" in found["b.md"]
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
    assert "Accuracy (mean; 95 % for one more run)" in text
    assert "noise floor" not in text.casefold().partition("how to read")[0]


def test_a_picture_of_many_rows_is_told_in_short(made):
    spreads = [Spread.of(LEVELS + place) for place in range(24)]
    rows = tuple(Row(f"model-{place}", spread, published=True) for place, spread in enumerate(spreads))
    with theme():
        shown = distributions([Group("data", "RMSE", rows)], "made")
    assert shown.alt == "data, RMSE: 24 rows from 1 (model-0) to 24 (model-23)."


def test_each_row_has_its_own_persistence_and_a_label_of_its_own(made):
    """A decoder that is shown the true values is held against persistence one step ahead, the other against five."""
    names = [f"stacked-cell=lstm-prediction={how}" for how in ("free-running", "teacher-forced")]
    rows = made.Rows()
    for name, persistence in zip(names, (18.63, 10.39), strict=True):
        rows.cell("S1", f"{name} as published", rmse=persistence * LEVELS, persistence_mse=persistence**2)
    card = made.one([made.system(models=tuple(names))], rows)
    (group,) = card_pictures._groups(card)
    assert [row.persistence for row in group.rows] == pytest.approx([18.63, 10.39])
    figure = Figure()
    axes = figure.add_subplot()
    card_pictures._group(axes, group)
    lines = {line.get_xdata()[0]: line.get_ydata() for line in axes.lines if line.get_linestyle() == "--"}
    assert {round(x, 2): tuple(y) for x, y in lines.items()} == {18.63: (-0.45, 0.45), 10.39: (0.55, 1.45)}
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["stacked lstm free-running", "stacked lstm teacher-forced"]


def test_labels_that_are_cut_the_same_are_numbered():
    long = "x" * 60
    assert len(set(distinct([f"{long} a", f"{long} b"]))) == 2
    assert distinct(["a-b=1", "a 1"]) == ["a-b=1", "a 1"], "what would be the same without keys keeps them"


def test_a_printed_number_counts_once_and_statements_apart(made):
    """One number, held against two datasets; a shape and a claim are no numbers."""
    published = Published(test_rmse=1.0, shapes={"h_n": (1, 32, 8)}, claims=made.claim("rests-on").claims)
    system = made.system(published=published)
    entry = system.datasets[0]
    both = (entry.model_copy(update={"id": "one"}), entry.model_copy(update={"id": "two"}))
    system = system.model_copy(update={"datasets": both})
    rows, shapes = made.Rows(), json.dumps({"h_n": [1, 32, 8]})
    rows.cell("S1 one", "rnn as published", shapes=shapes).cell("S1 two", "rnn as published", rmse=5.0, shapes=shapes)
    card = made.one([system], rows)
    assert card.outcomes == [PublishedOutcome.REPRODUCED]
    (sentence, *others) = card_tables.answer([card])
    assert sentence == "1 published system, 1 printed number, each counted once: 1 reproduced."
    assert others == ["Of 2 statements, shapes and claims, 1 holds, 1 is not measured."]


def test_a_system_of_which_no_result_was_printed_runs_as_described(made):
    rows = made.Rows().cell("S1", "rnn as described", departures="scaler: series").cell("S1", "rnn")
    system = made.system(published=made.claim("rests-on"))
    assert system.mark == " as described"
    text = text_of(rows, system)
    assert "| S1 | rnn | **as described** |" in text
    assert "- As described, S1: departures scaler: series." in text
    assert "**as published**" not in text


def test_what_no_number_decides_is_said_to_be_so(made):
    published = Published(statements=(Statement(text="it looks fine", why="nothing is measured by looks"),))
    text = text_of(made.Rows().cell("S1", "rnn as described"), made.system(published=published))
    assert "- **it looks fine**: decided by no number; nothing is measured by looks." in text
    assert "Of 1 statement, shapes and claims, 1 is decided by no number." in text


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
