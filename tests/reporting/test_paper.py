"""What a paper needs: tables that say what the results say, in a form that LaTeX, a spreadsheet and a reader take."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.api.paper import COLUMN_IN, export
from bench.api.results import Results
from bench.errors import InputError
from bench.reporting.folder import Files
from bench.reporting.source import Source
from bench.store.schema import Rows, Status

Fake = Callable[..., Rows]
ODD = "50%_&_#1"


@pytest.fixture(scope="module")
def results(fake: Fake) -> Results:
    rows = fake(
        datasets=["noisy-sine", ODD],
        models=["persistence", "linear-ar", "lstm", "gru"],
        points=400,
        diverged={("noisy-sine", "gru"): [2]},
    )
    return Results(Path("results/fake"), Source(rows, "results/fake"))


@pytest.fixture(scope="module")
def files(results: Results) -> Files:
    return export(results, ("latex", "csv", "xlsx"))


def latex_rows(text: str) -> list[list[str]]:
    """The rows between the rules; a separator that is escaped is text."""
    begin, end = ("\\endlastfoot\n", "\\end{longtable}") if "longtable" in text else ("\\midrule\n", "\\bottomrule")
    body = text.split(begin)[1].split(end, maxsplit=1)[0]
    return [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in body.strip().split("\n")]


def test_latex_tables_have_a_column_for_each_entry_and_nothing_that_latex_takes_for_a_command(files: Files) -> None:
    for name in ("ranking", "errors", "tests"):
        text = str(files[f"{name}.tex"])
        columns = re.search(r"\\begin\{(?:tabular|longtable)\}\{([lr]+)\}", text)
        assert columns is not None
        assert all(rule in text for rule in ("\\toprule", "\\midrule", "\\bottomrule", f"\\label{{tab:fake-{name}}}"))
        assert {len(row) for row in latex_rows(text)} == {len(columns[1])}
        assert not re.search(r"(?<!\\)[%#_]", text), "each is escaped"
    assert r"50\%\_\&\_\#1" in str(files["errors.tex"])


def test_the_tests_have_the_p_values_of_the_verdicts(results: Results, files: Files) -> None:
    verdicts = results.verdicts().drop_duplicates(["dataset", "model", "other"])
    rows = latex_rows(str(files["tests.tex"]))
    assert len(rows) == len(verdicts)
    assert len({tuple(row[:3]) for row in rows}) == len(rows), "of two that are compared there is one test"
    for row, (_, claim) in zip(rows, verdicts.iterrows(), strict=True):
        assert row[1:3] == [claim["model"], claim["other"]]
        if pd.notna(claim["p"]):
            shown = row[4].replace("$<$", "<").strip()
            assert shown == "< 0.001" if claim["p"] < 0.001 else float(shown) == pytest.approx(claim["p"], rel=0.05)
        word = row[6].replace("\\%", "%").partition(" (")[0]
        assert word == claim["comparison"]
        if claim["decided"] and "equivalent" not in word:
            assert word == ("better" if claim["effect"] < 0 else "worse")


def test_csv_and_workbook_hold_every_digit(results: Results, files: Files) -> None:
    ranking = pd.read_csv(io.StringIO(str(files["ranking.csv"])))
    assert ranking["error"].tolist() == pytest.approx(results.leaderboard()["error"].tolist(), rel=1e-15, nan_ok=True)
    content = files["tables.xlsx"]
    assert isinstance(content, bytes)
    sheets = pd.read_excel(io.BytesIO(content), sheet_name=None)
    errors = pd.read_csv(io.StringIO(str(files["errors.csv"])))
    assert list(sheets) == ["ranking", "errors", "tests"]
    assert sheets["errors"]["rmse"].tolist() == pytest.approx(errors["rmse"].tolist(), rel=1e-12)
    chosen = [cell for section in results.summary.sections for cell in section.cells if cell.chosen]
    assert errors["rmse"].tolist() == pytest.approx([cell.rmse.value for cell in chosen if cell.rmse], rel=1e-15)


def test_the_protocol_has_the_numbers_of_the_run(results: Results, files: Files) -> None:
    text = str(files["protocol.md"]).replace("\u202f", " ")
    assert "4 models (persistence, linear-ar, gru and lstm) on 2 datasets" in text
    assert "input windows of 10 and 30 points" in text
    assert "20 % at the end for the test, 10 % before that for validation" in text
    assert "for at most 40 epochs, ended early after 10 validations without progress," in text
    assert "8 trials (tpe sampling)" in text
    assert "with 4 to 5 seeds" in text, "a replicate of some cells was lost"
    assert f"{len(results.runs)} trainings in all" in text
    assert "2 trainings did not finish" in text, "one at each length"


def test_a_card_says_what_was_lost_and_what_tuning_chose(files: Files) -> None:
    card = str(files["cards/gru.md"])
    assert "2 replicates of 20 did not finish." in card
    assert "gated recurrent unit" in card
    assert card.count("\n| ") == 3, "a head and two datasets"
    assert "Every replicate finished." in str(files["cards/lstm.md"])


def test_figures_are_as_wide_as_a_column_and_embed_their_fonts(files: Files) -> None:
    pictures = {name: content for name, content in files.items() if name.endswith(".pdf")}
    assert set(pictures) == {"figures/ranking.pdf", "figures/errors-noisy-sine.pdf", "figures/errors-50-1.pdf"}
    for content in pictures.values():
        assert isinstance(content, bytes)
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", content)
        assert box is not None
        assert float(box[1]) == pytest.approx(72 * COLUMN_IN, abs=0.5)
        assert b"/FontFile2" in content


def test_where_nothing_finished_there_is_nothing_to_export(fake: Fake) -> None:
    lost = {("gbm", "lstm"): (Status.DIVERGED, "the loss is not finite")}
    rows = fake(datasets=["gbm"], models=["lstm"], failures=lost)
    with pytest.raises(InputError, match="expected a finished cell, got none"):
        export(Results(Path("results/fake"), Source(rows, "results/fake")))


def test_the_unit_of_a_dataset_stands_next_to_its_errors(fake: Fake) -> None:
    shown = Results(
        Path("results/fake"), Source(fake(datasets=["TSLA", "noisy-sine"], models=["lstm"]), "results/fake")
    )
    made = export(shown)
    table = pd.read_csv(io.StringIO(str(made["errors.csv"])), keep_default_na=False)
    assert dict(zip(table["dataset"], table["unit"], strict=True)) == {"TSLA": "USD", "noisy-sine": ""}
    rows = {row[0]: row[3] for row in latex_rows(str(made["errors.tex"]))}
    assert rows["TSLA"].endswith(" USD")
    assert "USD" not in rows["noisy-sine"]
    card = str(made["cards/lstm.md"])
    assert card.count(" USD |") == 1
