from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bench import store
from bench.errors import InputError, StoreError
from bench.reporting.render import render, write
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.tables import errors, overview
from bench.store.schema import SCHEMAS, Rows, Status, table

Fake = Callable[..., Rows]
SCRIPT, FORMULA = "<script>alert(1)</script>", "=cmd()|' /C calc'!A0"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """The elements of a page; complains about tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.headings: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"script", "style"}:
            return
        self.text.append(data)
        if self._open and re.fullmatch("h[1-6]", self._open[-1]):
            self.headings.append(self._open[-1])

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def files(rows: Rows) -> dict[str, str]:
    return render(summarise(Source(rows, "results/fake")))


@pytest.fixture(scope="module")
def hostile(fake: Fake) -> dict[str, str]:
    return files(
        fake(
            datasets=[SCRIPT, "gbm"],
            models=["persistence", "lstm", FORMULA, "x" * 100],
            lengths=(30,),
            failures={("gbm", "lstm"): (Status.FAILED, f"{SCRIPT} | **bold** [link](http://x.y) @all")},
            common={"cpu": SCRIPT, "data_source": f"file {SCRIPT}"},
        )
    )


def test_the_page_is_well_formed_and_its_headings_are_in_order(hostile: dict[str, str]) -> None:
    page = Page(hostile["index.html"])
    levels = [int(tag[1]) for tag in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.all("html")[0]["lang"] == "en"


def test_every_anchor_is_there_once(hostile: dict[str, str]) -> None:
    page = Page(hostile["index.html"])
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    links = [link["href"] for link in page.all("a")]
    assert len(links) > 8
    assert {link[1:] for link in links if link.startswith("#")} <= set(names)
    held = [link.split(",")[0] for link in links if link.startswith("data:")]
    assert held == [*["data:text/csv;charset=utf-8"] * 8, "data:text/csv;charset=utf-8;base64"]
    beside = {link for link in links if not link.startswith(("#", "data:"))}
    assert {"cells.csv", *(name for name in hostile if name.startswith("figures/"))} == beside


def test_the_page_asks_for_nothing_and_forbids_itself_to(hostile: dict[str, str]) -> None:
    page = Page(hostile["index.html"])
    assert page.all("link") == page.all("img") == page.all("iframe") == []
    for tag, attributes in page.elements:
        assert "src" not in attributes
        assert "@import" not in attributes.get("style", "")
        assert tag == "a" or attributes.get("href", "#").startswith("#")
    assert re.findall(r"url\((?!#)", hostile["index.html"]) == []
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', hostile["index.html"], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src 'sha256-{digest}' blob:"
    )


def test_names_are_shown_and_not_run(hostile: dict[str, str]) -> None:
    page = Page(hostile["index.html"])
    assert [script.get("type") for script in page.all("script")] == ["application/json", *["text/plain"] * 3, "module"]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    shown = "\n".join(page.text)
    assert SCRIPT in shown
    assert FORMULA in shown
    assert "<script>" not in hostile["report.md"]
    assert not re.search(r"(?<!\\)\]\(http", hostile["report.md"])
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in hostile["report.md"].splitlines() if line.startswith("|")]
    tables = [list(group) for _, group in itertools.groupby(bars)]
    assert sum(map(len, tables)) > 20
    assert all(len(group) >= 3 for group in tables), "a header, a rule and rows of as many columns"
    for content in (content for path, content in hostile.items() if path.endswith(".svg")):
        assert SCRIPT not in content


def test_the_csv_holds_every_cell_and_no_formula(hostile: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(hostile["cells.csv"])))
    assert len(rows) == 2 * 4
    assert {row["model"] for row in rows} == {"persistence", "lstm", f"'{FORMULA}", "x" * 100}
    text_columns = ("dataset", "model", "note", "state", "verdict", "hyperparameters")
    assert not [row for row in rows for name in text_columns if row[name].startswith(("=", "+", "-", "@"))]
    (link,) = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', hostile["index.html"])
    assert base64.b64decode(link).decode() == hostile["cells.csv"]


def test_a_name_stays_one_field_also_between_semicolons(fake: Fake) -> None:
    made = files(fake(datasets=["a;=cmd()"], models=["persistence", "lstm"], lengths=(30,)))
    (link, *_) = re.findall(r'href="(data:text/csv;charset=utf-8,[^"]+)"', made["index.html"])
    values = unquote(link.partition(",")[2])
    assert next(csv.DictReader(io.StringIO(values)))["status"] == "ok"
    for content in (made["cells.csv"], values):
        in_german = list(csv.reader(io.StringIO(content), delimiter=";"))
        assert not [field for row in in_german for field in row if field.startswith(("=", "+", "@"))]


def test_every_number_of_a_cell_leads_to_its_rows(fake: Fake) -> None:
    made = files(fake(datasets=["noisy-sine", "gbm"], absent=[("gbm", "lstm", 30)]))
    page = Page(made["index.html"])
    anchors = {attributes["id"] for _, attributes in page.elements if attributes.get("id", "").startswith("cell-")}
    links = [link["href"][1:] for link in page.all("a") if link["href"].startswith("#cell-")]
    assert len(anchors) == 2 * 5 * 2 - 1
    assert set(links) == anchors
    assert len(links) > 3 * len(anchors)


def test_the_csv_keeps_full_precision(fake: Fake) -> None:
    rows = fake(datasets=["gbm"], lengths=(30,))
    summary = summarise(Source(rows, "results/fake"))
    shown = list(csv.DictReader(io.StringIO(render(summary)["cells.csv"])))
    for row, cell in zip(shown, summary.sections[0].cells, strict=True):
        assert cell.rmse is not None
        assert float(row["rmse"]) == cell.rmse.value
        assert (row["rmse_low"] == "") is (cell.rmse.interval is None)
        assert row["skill_window_low"] == ("" if cell.skill_in_window is None else repr(cell.skill_in_window[0]))


def test_html_and_markdown_show_the_same_tables(fake: Fake) -> None:
    rows = fake(datasets=["noisy-sine", "gbm"])
    summary = summarise(Source(rows, "results/fake"))
    made = render(summary)
    html = "".join(Page(made["index.html"]).text)
    plain = made["report.md"].replace("\\", "")
    for section in summary.sections:
        content = errors(section, name="x")
        assert content.caption in html
        for row in content.rows:
            assert len(row) == len(content.columns)
            for entry in row:
                assert entry.text in html
                assert entry.text in plain
    assert len(overview(summary).rows) == 2
    for sentence in summary.sentences:
        assert sentence in html
        assert sentence in plain


def test_every_number_has_a_unit_or_is_a_ratio_or_a_count(fake: Fake) -> None:
    summary = summarise(Source(fake(datasets=["noisy-sine"]), "results/fake"))
    columns = errors(summary.sections[0], name="x").columns
    assert [(column.title, column.unit) for column in columns] == [
        ("Model", ""),
        ("Length", "points"),
        ("RMSE", "original units"),
        ("95 % interval", "over seeds"),
        ("Skill", ""),
        ("95 % interval", "over seeds"),
        ("95 % interval", "over test window"),
        ("Learnable", ""),
        ("Verdict", "against persistence"),
        ("Verdict", "against the smallest error"),
    ]
    rmse = [row[2].text for row in errors(summary.sections[0], name="x").rows]
    assert len({len(text.partition(".")[2]) for text in rmse}) == 1, "decimals line up"


def test_what_is_missing_is_a_dash_with_its_reason(fake: Fake) -> None:
    rows = fake(
        datasets=["gbm", "noisy-sine"],
        absent=[("gbm", "lstm", 30)],
        failures={("gbm", "rnn"): (Status.DIVERGED, "the loss is not finite")},
    )
    made = files(rows)
    assert re.search(
        r'<td class="number"[^>]*title="no row: the suite leaves this cell out[^"]*">–</td>', made["index.html"]
    )
    assert re.search(r'title="5 of 5 diverged: the loss is not finite">–', made["index.html"])
    dashes = re.findall(r"<t[dh]([^>]*)>–", made["index.html"])
    assert len(dashes) > 20
    assert [attributes for attributes in dashes if not re.search(r' title="[^"]+"', attributes)] == []
    for page in (made["index.html"], made["report.md"]):
        assert "lstm at 30: no row" in page
        assert "rnn at 10 and rnn at 30: 5 of 5 diverged" in page


@pytest.mark.parametrize("kind", ["empty", "failed"])
def test_empty_and_failed_result_sets_have_a_page_that_says_so(fake: Fake, kind: str) -> None:
    lost = {("gbm", model): (Status.UNAVAILABLE, "no file") for model in ("persistence", "lstm")}
    failed = fake(datasets=["gbm"], models=["persistence", "lstm"], failures=lost)
    made = files(failed if kind == "failed" else fake(datasets=[]))
    said = "nothing to compare" if kind == "failed" else "not one cell has been run"
    assert said in "".join(Page(made["index.html"]).text)
    assert said in made["report.md"]
    assert [name for name in made if name.endswith(".svg")] == []


def test_a_page_stays_small(fake: Fake) -> None:
    assert len(files(fake(lengths=(30,)))["index.html"].encode()) < 1_200_000, "0.76 MB of it are the libraries"


def test_a_report_is_written_beside_the_reports_of_other_suites(fake: Fake, tmp_path: Path) -> None:
    results, reports = tmp_path / "results" / "fake", tmp_path / "reports"
    _store(results, fake(datasets=["gbm"], lengths=(30,)))
    page = write(results, reports)
    assert page == reports / "fake" / "index.html"
    stale = page.with_name("figures") / "errors-09-gone.svg"
    stale.write_text("old")
    assert write(results, reports) == page
    found = sorted(path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*") if path.is_file())
    figures = ["cost", "curves-01-gbm", "errors-01-gbm", "front", "predictions-01-gbm", "skill"]
    assert found == sorted(
        [
            ".results",  # whose report it is: another results folder gets a folder of its own
            "cells.csv",
            "index.html",
            "report.md",
            *(f"figures/{name}.{end}" for name in figures for end in ("svg", "pdf")),
        ]
    )
    linked = re.findall(r"\]\((figures/[^)]+)\)", (page.parent / "report.md").read_text())
    assert sorted(linked) == [name for name in found if name.endswith(".svg")]


def test_a_suite_named_like_a_path_is_refused(fake: Fake, tmp_path: Path) -> None:
    runs = fake(datasets=["gbm"], models=["persistence"], lengths=(30,))["runs"].to_pylist()
    rows = {name: table(name, []) for name in SCHEMAS} | {"runs": table("runs", [{**r, "suite": "../x"} for r in runs])}
    _store(tmp_path / "results", rows)
    with pytest.raises(InputError, match=r"expected a suite's name .* got '\.\./x'"):
        write(tmp_path / "results", tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


def test_no_results_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected a results folder"):
        write(tmp_path / "none", tmp_path / "reports")


def test_a_file_in_the_place_of_the_folder_is_one_line(fake: Fake, tmp_path: Path) -> None:
    _store(tmp_path / "results", fake(datasets=["gbm"], models=["persistence"], lengths=(30,)))
    (tmp_path / "taken").write_text("kept")
    with pytest.raises(
        StoreError, match=r"expected a folder to write to, got .*taken.*: (Not a directory|File exists)"
    ):
        write(tmp_path / "results", tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "kept"


def test_a_disk_without_room_is_one_line(fake: Fake, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    _store(tmp_path / "results", fake(datasets=["gbm"], models=["persistence"], lengths=(30,)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may become longer
        with pytest.raises(StoreError) as caught:
            write(tmp_path / "results", tmp_path / "reports")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value) == (
        f"{tmp_path / 'reports' / 'fake'}: expected a folder to write to, got File too large; make room, or name "
        "another folder"
    )


def test_both_pages_say_how_to_read_them_and_to_make_them_again(fake: Fake) -> None:
    made = files(fake(datasets=["gbm"], lengths=(30,)))
    for page in (made["index.html"], made["report.md"]):
        assert "How to read this" in page
        assert "The square root of the mean squared error" in page
        assert "bench report results/fake" in page


def _store(folder: Path, rows: Rows) -> None:
    with store.writing(folder) as writer:
        for cell_id in rows["runs"]["cell_id"].unique().to_pylist():
            own = {name: table(name, [r for r in rows[name].to_pylist() if r["cell_id"] == cell_id]) for name in rows}
            writer.put(own)
