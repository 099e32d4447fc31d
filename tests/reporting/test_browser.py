"""The page in a browser, with no network."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.reporting.render import render
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.store.schema import Rows, Status

HOSTILE = "<img src=x onerror=alert(1)>"
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def rows(fake: Callable[..., Rows]) -> Rows:
    return fake(
        datasets=["noisy-sine", HOSTILE],
        models=["persistence", "linear-ar", "lstm", "=cmd()"],
        failures={(HOSTILE, "linear-ar"): (Status.FAILED, "<b>why</b>")},
        absent=[("noisy-sine", "=cmd()", 10)],
    )


@pytest.fixture(scope="module")
def path(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(str(render(summarise(Source(rows, "results/fake")))["index.html"]))
    return path


class Opened:
    """The page, and what it said and requested."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.requested: list[str] = []
        self.page = browser.new_context(offline=True, **options).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-explorer]", state="attached")


def test_tables_sort_filter_and_search(browser: Any, path: Path, rows: Rows) -> None:
    page = Opened(browser, path, viewport=DESK).page
    page.click("#costs-part > summary")
    first = "#costs tbody tr:first-child th + td + td + td"
    times = [row["fit_s"] for row in rows["runs"].to_pylist() if row["fit_s"] is not None]
    page.click("#costs thead th:nth-child(4)")
    page.wait_for_selector("#costs thead th:nth-child(4).dt-ordering-asc")
    assert float(page.get_attribute(first, "data-order")) == min(times)
    assert page.locator("#costs tbody tr").count() == 13
    page.fill("#costs_wrapper input", "lstm")
    assert page.locator("#costs tbody tr").count() == 4
    page.fill("#costs_wrapper input", "no such model")
    assert page.locator("#costs tbody").inner_text() == "No row matches."


def test_a_number_leads_to_its_rows(browser: Any, path: Path, rows: Rows) -> None:
    page = Opened(browser, path, viewport=DESK).page
    page.click("#all-rows > summary")
    page.fill("#rows_wrapper input", "persistence")  # hides the row that the number leads to
    page.click("#all-rows > summary")
    page.click("#data-02-noisy-sine > summary")
    link = page.locator("#errors-02-noisy-sine tbody tr", has_text="lstm").first.locator("a")
    number, cell_id = float(link.inner_text()), link.get_attribute("href").removeprefix("#cell-")
    link.click()
    row = page.locator(f"#rows tr:has(#cell-{cell_id})")
    row.wait_for()
    assert page.evaluate("(id) => document.querySelector(`#cell-${id}`).matches(':target')", cell_id)
    top = row.bounding_box()["y"]
    assert 0 <= top < DESK["height"], "it is on the screen"
    command = row.locator("td.code").inner_text()
    own = [r for r in rows["runs"].to_pylist() if r["cell_id"].startswith(command.removeprefix("bench show "))]
    assert {r["cell_id"] for r in own} == {cell_id}
    assert number == pytest.approx((sum(r["mse"] for r in own) / len(own)) ** 0.5, rel=1e-3)
    with page.expect_download() as download:
        row.get_by_text("CSV").click()
    assert download.value.suggested_filename == f"{cell_id}.csv"
    with Path(download.value.path()).open() as file:
        values = list(csv.DictReader(file))
    assert [float(value["rmse"]) for value in values] == pytest.approx([r["rmse"] for r in own], rel=1e-9)


def test_names_are_shown_and_nothing_is_run_or_asked_for(browser: Any, path: Path) -> None:
    opened = Opened(browser, path, viewport=DESK)
    assert opened.page.locator("h3", has_text=HOSTILE).count() == 1
    assert opened.page.locator("img").count() == 0
    opened.page.wait_for_timeout(200)
    assert opened.said == []
    assert opened.requested[0] == path.as_uri()
    assert all(url.startswith("blob:") for url in opened.requested[1:])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_contrast_headings_and_names_pass_axe(browser: Any, path: Path, scheme: str, viewport: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = Opened(browser, path, viewport=viewport, color_scheme=scheme, bypass_csp=True).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = axe.Axe().run(page).response
    problems = [f"{v['id']}: {node['html'][:90]}" for v in found["violations"] for node in v["nodes"]]
    assert problems == []
    checked = {rule["id"] for rule in found["passes"]}
    assert {"color-contrast", "heading-order", "page-has-heading-one", "svg-img-alt", "td-headers-attr"} <= checked
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background.removeprefix("rgb(").rstrip(")").split(","))) / 3
    assert (brightness > 200) is (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_first_screen_answers(browser: Any, path: Path) -> None:
    page = Opened(browser, path, viewport=DESK).page
    seen = [
        name
        for name in ("#answer .lead", "#ranking", "#figure-front")
        if (box := page.locator(name).bounding_box())["y"] + box["height"] < DESK["height"]
    ]
    assert seen == ["#answer .lead", "#ranking", "#figure-front"]


def test_it_prints_whole(browser: Any, path: Path) -> None:
    page = Opened(browser, path, viewport=DESK).page
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator("#explore").is_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#datasets figure").first.is_visible()
    tall = page.locator(".tall")
    assert all(tall.nth(i).evaluate("e => e.scrollHeight <= e.clientHeight + 1") for i in range(tall.count()))
    assert page.pdf().startswith(b"%PDF")
