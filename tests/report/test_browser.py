"""The page in a browser, with no network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.report.render import render
from bench.report.summary import summarise
from bench.schema import Rows

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: install Debian's package")


@pytest.fixture
def page() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_context(offline=True).new_page()
        browser.close()


def test_tables_sort_and_filter_and_nothing_else_happens(fake: Callable[..., Rows], page: Any, tmp_path: Path) -> None:
    rows = fake(datasets=["noisy-sine", "gbm", "<img src=x onerror=alert(1)>"])
    path = tmp_path / "index.html"
    path.write_text(render(summarise(rows, folder="results/fake"))["index.html"])
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("#hyperparameters.dataTable")

    first = "#costs tbody tr:first-child th + td + td + td"
    times = [row["fit_s"] for row in rows["runs"].to_pylist()]
    page.click("#costs thead th:nth-child(4)")
    page.wait_for_selector("#costs thead th:nth-child(4).dt-ordering-asc")
    assert float(page.get_attribute(first, "data-order")) == min(times)
    assert page.locator("#costs tbody tr").count() == 30
    page.fill("#costs_wrapper input", "lstm")
    assert page.locator("#costs tbody tr").count() == 6

    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert said == []
    assert asked[0] == path.as_uri()
    assert all(url.startswith("blob:") for url in asked[1:])
