"""The budget on the first screen: its costs are those of `bench recommend`, its words those of the ranking."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from bench.reporting.budget import Budget, PageBudget, page_budget
from bench.reporting.page import draw, html
from bench.reporting.recommend import recommend
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.tables import ranking
from bench.reporting.values import Summary
from bench.store.schema import Rows, table

LATENCY = {"persistence": 1e-5, "linear-ar": 2e-5, "gru": 2.5e-3, "lstm": 1.5e-3, "o'<b>": 4e-3}
NAMES = ["cell_id", "suite", "dataset", "model", "sequence_length", "horizon"]


def probed(rows: Rows) -> Rows:
    """With the latency of every cell, twice as much on "gbm"."""
    cells = rows["runs"].select(NAMES).group_by(NAMES, use_threads=False).aggregate([]).to_pylist()
    common = {"status": "ok", "reason": "", "parameters_from": "runs", "implementation": "torch", "host": "here"}
    common |= {"cpu": "fast", "device": "cpu", "threads": 1, "workload": json.dumps({"parameters": {}})}
    common |= {"quantity": "latency_s", "repeat": 0}
    made = [
        {**cell, **common, "value": LATENCY[cell["model"]] * (2 if cell["dataset"] == "gbm" else 1)} for cell in cells
    ]
    return {**rows, "probes": table("probes", made)}


@pytest.fixture(scope="module")
def source(fake: Callable[..., Rows]) -> Source:
    return Source(probed(fake(datasets=["noisy-sine", "gbm"], models=list(LATENCY), points=300)), "results/fake")


@pytest.fixture(scope="module")
def summary(source: Source) -> Summary:
    return summarise(source)


@pytest.fixture(scope="module")
def made(summary: Summary) -> PageBudget:
    return page_budget(summary, ranking(summary))


def test_costs_are_the_largest_of_the_rows_and_of_the_probe(source: Source, made: PageBudget) -> None:
    runs = source.rows["runs"]
    for model in made.models:
        own = runs.filter(pc.equal(runs["model"], model["name"]))
        latency, where = model["costs"]["latency_s"]
        assert (latency, where) == (pytest.approx(2 * LATENCY[model["name"]]), "gbm")
        assert model["costs"]["parameters"][0] == pc.max(own["parameters"]).as_py()
        assert pc.min(own["fit_s"]).as_py() <= model["costs"]["fit_s"][0] <= pc.max(own["fit_s"]).as_py()
    assert [name for name, *_ in made.inputs] == ["latency_s", "memory_bytes", "parameters", "fit_s"]


def test_what_recommend_leaves_out_is_over_the_budget_here(source: Source, made: PageBudget) -> None:
    by_name = {model["name"]: model for model in made.models}
    for quantity in ("latency_s", "memory_bytes", "parameters", "fit_s"):
        costs = sorted(model["costs"][quantity][0] for model in made.models)
        for most in np.mean([costs[1:], costs[:-1]], axis=0):
            left_out = recommend(source, Budget(**{quantity: float(most)})).left_out
            over = {name for name, own in by_name.items() if own["costs"][quantity][0] > most and not own["reference"]}
            assert over <= {title.split(": ")[1].split(" at length")[0] for title in left_out}, (quantity, most)


def test_without_a_probe_there_is_no_latency(fake: Callable[..., Rows]) -> None:
    own = summarise(Source(fake(datasets=["gbm"], models=["persistence", "gru"]), "x"))
    names = [name for name, *_ in page_budget(own, ranking(own)).inputs]
    assert names == ["memory_bytes", "parameters", "fit_s"]


@pytest.fixture(scope="module")
def path(summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("budget") / "index.html"
    path.write_text(html(summary, draw(summary), csv=""))
    return path


def opened(browser: Any, path: Path, **options: Any) -> Any:
    page = browser.new_context(offline=True, **{"viewport": {"width": 1400, "height": 900}, **options}).new_page()
    page.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        page.wait_for_selector("html[data-explorer]", state="attached")
    return page


def greyed(page: Any) -> set[str]:
    return {each.partition("over the budget")[0].strip("◆ \n") for each in page.locator("tr.over th").all_inner_texts()}


def test_rows_over_the_budget_are_grey_and_the_best_of_the_rest_is_named(
    browser: Any, path: Path, made: PageBudget
) -> None:
    page = opened(browser, path)
    page.focus("#budget input[name=latency_s]")
    page.keyboard.type("4")
    assert greyed(page) == {"gru", "o'<b>"}
    left = [model for model in made.models if model["name"] in ("persistence", "linear-ar", "lstm")]
    best = min(left, key=lambda model: model["error"])
    said = page.inner_text("#budget-says")
    assert f"Of 3 models within the budget, {best['name']} has the smallest error, {best['error']:.2f}" in said
    assert f"({best['words']} against persistence)" in said
    assert "gru (latency 5 ms on gbm)" in said
    page.click("#ranking thead th:nth-child(2)")
    page.click("#ranking thead th:nth-child(2)")
    assert greyed(page) == {"gru", "o'<b>"}, "sorting moves the rows, not what is said of them"
    page.fill("#budget input[name=parameters]", "0")
    page.fill("#budget input[name=fit_s]", "0")
    assert greyed(page) == {*LATENCY}
    assert page.inner_text("#budget-says") == "No model is within the budget, persistence included."
    page.fill("#budget input[name=fit_s]", "")
    assert greyed(page) == {*LATENCY} - {"persistence"}
    assert "The only model within the budget is persistence" in page.inner_text("#budget-says")
    assert "use that" in page.inner_text("#budget-says")
    page.fill("#budget input[name=fit_s]", "0")
    page.fill("#budget input[name=fit_s]", "-1")
    assert "training: expected a number of at least 0" in page.inner_text("#budget-says")
    page.click("#budget button")
    page.wait_for_selector("#ranking:not(:has(tr.over))")


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_it_fits_the_screen_and_passes_axe(browser: Any, path: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(browser, path, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page.fill("#budget input[name=latency_s]", "4")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page, context="#answer").response
    assert [f"{v['id']}: {node['html'][:90]}" for v in found["violations"] for node in v["nodes"]] == []
    if width == 1400:
        box = page.locator("#budget-says").bounding_box()
        assert box["y"] + box["height"] < 900


def test_without_javascript_there_is_none(browser: Any, path: Path) -> None:
    page = opened(browser, path, java_script_enabled=False)
    assert page.locator("#budget").is_hidden()
    assert page.locator("#ranking").is_visible()
