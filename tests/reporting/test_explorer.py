"""The interactive charts: their data against the rows, and what a reader does with them in a browser."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from statsmodels.tsa.stattools import acf

from bench.reporting.explorer import LAST, LEAST, MOST, VALUES, explored, outline, points_of, wins, written
from bench.reporting.forecasts import autocorrelation
from bench.reporting.page import TABS, draw, html
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import Summary
from bench.store.schema import Rows, Status, table

DESK = {"width": 1400, "height": 900}
GRU, LSTM = "gru", "lstm"


@pytest.fixture(scope="module")
def rows(fake: Callable[..., Rows]) -> Rows:
    made = fake(
        datasets=["noisy-sine", "TSLA"],
        models=["persistence", "linear-ar", "lstm", "gru", "<b>rnn</b>"],
        horizons=(1, 5),
        failures={("TSLA", "linear-ar"): (Status.FAILED, "why")},
        diverged={("noisy-sine", "gru"): [3]},
    )
    return {**made, "trials": trials(made["runs"])}


def trials(runs: pa.Table) -> pa.Table:
    """Of each trained cell: the learning rate decides, the hidden size does not."""
    rng = np.random.default_rng(5)
    made = []
    for row in runs.to_pylist():
        if row["model"] not in {GRU, LSTM} or row["seed"]:
            continue
        place = {name: row[name] for name in ("cell_id", "suite", "dataset", "model", "sequence_length", "horizon")}
        for trial in range(12):
            rate = float(10 ** rng.uniform(-4, -2))
            made.append(
                {
                    **place,
                    "trial": trial,
                    "state": "pruned" if trial == 7 else "complete",
                    "validation_mse_scaled": 0.01 + rate * 5,
                    "epochs": 10,
                    "parameters": json.dumps({"learning_rate": rate, "hidden_size": int(rng.choice([8, 16, 32]))}),
                }
            )
    return table("trials", made)


@pytest.fixture(scope="module")
def summary(rows: Rows) -> Summary:
    return summarise(Source(rows, "results/fake"))


@pytest.fixture(scope="module")
def data(summary: Summary) -> dict[str, Any]:
    packed = written(summary)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def section(data: dict[str, Any], dataset: str, horizon: int = 1) -> dict[str, Any]:
    return next(own for own in data["sections"] if (own["dataset"], own["horizon"]) == (dataset, horizon))


def chosen(own: dict[str, Any], model: str) -> dict[str, Any]:
    return next(cell for cell in own["cells"] if cell["model"] == model and cell["chosen"])


def stored(rows: Rows, cell_id: str) -> dict[int, float]:
    """The MSE of each seed, from the rows of `runs`."""
    own = rows["runs"].filter(pc.equal(rows["runs"]["cell_id"], cell_id)).to_pylist()
    return {row["seed"]: row["mse"] for row in own if row["mse"] is not None}


def test_errors_and_intervals_are_those_of_the_summary(summary: Summary, data: dict[str, Any]) -> None:
    for own, shown in zip(summary.sections, data["sections"], strict=True):
        for cell, drawn in zip(own.cells, shown["cells"], strict=True):
            expected = [cell.rmse.value, *(cell.rmse.interval or ())] if cell.rmse else None
            assert drawn["rmse"] == (expected and pytest.approx(expected, rel=1e-4))
            assert drawn["words"] == (cell.words or str(cell.verdict))


def test_errors_by_seed_are_those_of_the_rows(rows: Rows, data: dict[str, Any]) -> None:
    cell = chosen(section(data, "noisy-sine"), GRU)
    assert {int(seed): mse for seed, mse in cell["mse"].items()} == pytest.approx(stored(rows, cell["id"]), rel=1e-11)
    assert sorted(cell["mse"]) == ["0", "1", "2", "4"], "seed 3 diverged"


def test_forecasts_are_the_medians_of_the_predictions(rows: Rows, data: dict[str, Any]) -> None:
    own = section(data, "noisy-sine")
    cell = chosen(own, LSTM)
    predictions = rows["predictions"].filter(pc.equal(rows["predictions"]["cell_id"], cell["id"])).to_pandas()
    expected = predictions.groupby("index")["prediction"].agg(["median", "min", "max"])
    shown = own["forecasts"]["of"][cell["id"]]
    assert own["forecasts"]["index"] == expected.index.tolist()
    for name, column in (("median", "median"), ("low", "min"), ("high", "max")):
        np.testing.assert_allclose(shown[name], expected[column], rtol=1e-4)
    truth = predictions.groupby("index")["truth"].first()
    np.testing.assert_allclose(
        shown["lags"], acf(expected["median"] - truth, nlags=len(shown["lags"]), fft=False)[1:], atol=2e-3
    )


def test_parts_of_the_window_add_up_to_the_error(rows: Rows, data: dict[str, Any]) -> None:
    own = section(data, "noisy-sine")
    for name in (GRU, LSTM):
        cell = chosen(own, name)
        whole = np.average(own["window"]["of"][cell["id"]], weights=own["window"]["size"])
        assert whole == pytest.approx(np.mean(list(stored(rows, cell["id"]).values())), rel=1e-6)


def test_an_outline_keeps_the_extremes_and_the_end() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    kept = outline(values, 400)
    assert len(kept) <= 400
    assert {int(values.argmin()), int(values.argmax())} <= set(kept.tolist())
    assert kept[-100:].tolist() == list(range(9900, 10_000))
    assert outline(values[:50], 400).tolist() == list(range(50))
    few = outline(values, LEAST)
    assert few[-LAST:].tolist() == [*range(len(values) - LAST, len(values))], "of the last ones none is left out"
    assert len(few) <= LEAST


def test_many_series_have_fewer_points(fake: Callable[..., Rows], summary: Summary) -> None:
    one = summarise(Source(fake(datasets=["gbm"], models=["lstm"], lengths=(10,)), "x"))
    assert points_of(one) == MOST
    drawn = explored(summary)["sections"]
    series = sum(len(forecast) - 1 for own in drawn for forecast in own["forecasts"]["of"].values())  # less the lags
    assert points_of(summary) == VALUES // series < MOST


def test_an_autocorrelation_of_what_never_varies_is_empty() -> None:
    assert autocorrelation(np.ones(100)).size == 0
    alternating = np.tile([1.0, -1.0], 50)
    np.testing.assert_allclose(autocorrelation(alternating, 2), [-0.99, 0.98])


def test_a_win_is_shown_where_the_verdict_on_the_pair_says_so() -> None:
    cells = [{"id": name, "model": name} for name in "ab"]
    pairs = [
        {"ratio": 0.5, "chosen": True, "claim": {"won": 1}},
        {"ratio": 0.5, "chosen": True, "claim": {"won": 0}},
        {"ratio": 2.0, "chosen": True, "claim": {"won": -1}},
        {"ratio": 0.5, "chosen": False, "claim": {"won": 1}},
    ]
    made = wins(["a", "b"], [{"cells": cells, "pairs": [{"a": "a", "b": "b", **pair}]} for pair in pairs])
    assert made == {"smaller": [[0, 2], [1, 0]], "shown": [[0, 1], [1, 0]], "of": [[0, 3], [3, 0]]}


def test_hyperparameters_are_those_of_the_finished_trials(rows: Rows, data: dict[str, Any]) -> None:
    (own,) = [each for each in section(data, "noisy-sine")["tuned"] if each["model"] == GRU]
    assert (own["trials"], len(own["error"])) == (12, 11)
    assert [name for name, _ in own["mattered"]] == ["learning_rate"]
    rates = np.array(own["values"][own["names"].index("learning_rate")])
    np.testing.assert_allclose(own["error"], 0.01 + 5 * rates, rtol=1e-4)


def test_nothing_stored_is_nothing_drawn(fake: Callable[..., Rows]) -> None:
    empty = summarise(Source(fake(datasets=[]), "x"))
    assert explored(empty)["sections"] == []
    assert 'id="explore"' not in html(empty, draw(empty), csv="")


# In a browser


@pytest.fixture(scope="module")
def path(summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "index.html"
    path.write_text(html(summary, draw(summary), csv=""))
    return path


class Explorer:
    """The charts of a page, and what it said and requested."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.requested: list[str] = []
        self.page = browser.new_context(offline=True, **{"viewport": DESK, **options}).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-explorer]", state="attached")

    def tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}")
        self.page.wait_for_selector(f"#chart[data-drawn={name}]", state="attached")

    def pick(self, **values: str) -> None:
        for name, value in values.items():
            self.page.select_option(f"#pick-{name}", value)
        self.page.wait_for_selector("#chart[data-drawn]")

    def values(self) -> list[list[str]]:
        """The cells of the table below the chart."""
        return self.page.evaluate(
            "[...document.querySelectorAll('#chart-values tbody tr')]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent))"
        )

    def tooltip(self, glyph: str, cell: str) -> str:
        """What is shown where the mouse meets a mark of the first chart."""
        place = self.page.locator("#chart > div").first
        place.scroll_into_view_if_needed()
        x, y = self.page.evaluate(PLACE, [glyph, cell])
        box = place.bounding_box()
        self.page.mouse.move(box["x"] + x - 40, box["y"] + y)
        self.page.mouse.move(box["x"] + x, box["y"] + y)
        tip = self.page.locator(".bk-Tooltip")
        tip.first.wait_for()
        return str(tip.first.evaluate("each => (each.shadowRoot ?? each).textContent"))


PLACE = """([glyph, cell]) => {
  const { frame, model } = [...Bokeh.index].find((view) => view.frame);
  const columns = model.renderers.filter((own) => own.glyph.type === glyph).at(-1).data_source.data;
  const place = columns.cell.indexOf(cell) + (glyph === "Line" ? columns.x.length - 30 : 0);
  return [frame.x_scale.compute(columns.x[place]), frame.y_scale.compute((columns.y ?? columns.truth)[place])];
}"""
"""Where the mark of a cell is, in pixels of the chart."""


def test_every_tab_is_drawn_and_nothing_is_requested(browser: Any, path: Path) -> None:
    explorer = Explorer(browser, path)
    explorer.pick(dataset="noisy-sine", horizon="5")
    for name, _ in TABS:
        explorer.tab(name)
        assert explorer.page.locator("#chart .bk-Canvas").count() >= 1, name
        assert len(explorer.values()) >= 2, name
        painted = explorer.page.evaluate(
            "[...document.querySelectorAll('#chart > div')].every((each) => each.getBoundingClientRect().height > 100)"
        )
        assert painted, name
    assert explorer.said == []
    assert explorer.requested[0] == path.as_uri()
    assert all(url.startswith(("blob:", "data:")) for url in explorer.requested[1:])


def test_hovering_shows_values_and_the_cell(browser: Any, path: Path, data: dict[str, Any]) -> None:
    explorer = Explorer(browser, path)
    explorer.pick(dataset="noisy-sine", horizon="1")
    cell = chosen(section(data, "noisy-sine"), LSTM)
    shown = explorer.tooltip("Scatter", cell["id"])
    assert cell["id"] in shown
    assert f"{cell['rmse'][0]:.5g}" in shown
    assert cell["words"] in shown
    explorer.tab("forecasts")
    explorer.pick(model=LSTM)
    shown = explorer.tooltip("Line", cell["id"])
    assert cell["id"] in shown
    assert f"{section(data, 'noisy-sine')['forecasts']['truth'][-30]:.5g}" in shown
    assert all(name in shown for name in ("truth", "persistence", LSTM))


def test_a_model_can_be_hidden_and_a_scale_changed(browser: Any, path: Path) -> None:
    explorer = Explorer(browser, path)
    explorer.pick(dataset="noisy-sine", horizon="1", length="every")
    before = {row[0] for row in explorer.values()}
    assert {GRU, LSTM, "persistence"} <= before
    explorer.page.uncheck(f"#pick-models input[value={GRU}]")
    explorer.page.wait_for_selector("#chart[data-drawn=errors]")
    assert {row[0] for row in explorer.values()} == before - {GRU}
    kind = "Bokeh.documents.at(-1).roots()[0].x_scale.type"
    assert explorer.page.evaluate(kind) == "LinearScale"
    explorer.page.check("#pick-log")
    explorer.page.wait_for_selector("#chart[data-drawn=errors]")
    assert explorer.page.evaluate(kind) == "LogScale"


def test_a_against_b_are_the_paired_differences_of_the_rows(
    browser: Any, path: Path, rows: Rows, data: dict[str, Any]
) -> None:
    own = section(data, "noisy-sine")
    mine, its = (stored(rows, chosen(own, name)["id"]) for name in (GRU, LSTM))
    expected = {seed: mine[seed] - its[seed] for seed in sorted(mine.keys() & its.keys())}
    assert len(expected) == 4
    explorer = Explorer(browser, path)
    explorer.tab("against")
    explorer.pick(dataset="noisy-sine", horizon="1", a=GRU, b=LSTM)
    *shown, (last, *_, mean) = explorer.values()
    assert {int(row[0]): float(row[3]) for row in shown} == pytest.approx(expected, rel=1e-6)
    assert last == "mean"
    assert float(mean) == pytest.approx(np.mean(list(expected.values())), rel=1e-6)
    ratio = np.mean([mine[seed] for seed in expected]) / np.mean([its[seed] for seed in expected])
    assert f"MSE of A / MSE of B: {ratio:.4g}"[:28] in explorer.page.inner_text("#chart-note")
    explorer.pick(a=LSTM, b=GRU)
    assert float(explorer.values()[-1][3]) == pytest.approx(-np.mean(list(expected.values())), rel=1e-6)


def test_tabs_are_moved_through_by_keys(browser: Any, path: Path) -> None:
    explorer = Explorer(browser, path)
    explorer.page.focus("#tab-errors")
    explorer.page.keyboard.press("ArrowRight")
    explorer.page.wait_for_selector("#chart[data-drawn=forecasts]")
    assert explorer.page.evaluate("document.activeElement.id") == "tab-forecasts"
    explorer.page.keyboard.press("End")
    explorer.page.wait_for_selector("#chart[data-drawn=wins]")
    assert explorer.page.locator("#explore [role=tab][aria-selected=true]").count() == 1


def test_without_javascript_everything_is_in_the_folds(browser: Any, path: Path) -> None:
    page = browser.new_context(offline=True, viewport=DESK, java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.locator("#explore").is_hidden()
    assert page.locator("#ranking").is_visible()
    fold = page.locator("#datasets details").first
    assert fold.locator("figure svg").first.is_hidden()
    fold.locator("summary").first.click()
    assert fold.locator("figure svg").first.is_visible()


@pytest.mark.parametrize("width", [1400, 800, 390])
def test_the_page_is_as_wide_as_the_screen(browser: Any, path: Path, width: int) -> None:
    explorer = Explorer(browser, path, viewport={"width": width, "height": 900})
    for name, _ in TABS:
        explorer.tab(name)
        assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width, name
    explorer.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_charts_pass_axe(browser: Any, path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    explorer = Explorer(browser, path, color_scheme=scheme, bypass_csp=True)
    for name in ("errors", "forecasts", "against", "hyperparameters"):
        explorer.tab(name)
        result = axe.Axe().run(explorer.page, context="#explore").response
        assert [f"{v['id']}: {node['html'][:90]}" for v in result["violations"] for node in v["nodes"]] == [], name


def test_a_chart_that_is_replaced_leaves_nothing_behind(browser: Any, path: Path) -> None:
    explorer = Explorer(browser, path)
    held = "[Bokeh.documents.length, [...Bokeh.index].length]"
    before = explorer.page.evaluate(held)
    assert before[0] == 1
    for _ in range(3):
        explorer.tab("residuals")
        assert explorer.page.evaluate(held)[0] == 2, "two charts"
        explorer.tab("errors")
    assert explorer.page.evaluate(held) == before


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_box_of_values_is_as_dark_as_the_page(browser: Any, path: Path, scheme: str, dark: bool) -> None:
    explorer = Explorer(browser, path, color_scheme=scheme)
    explorer.pick(dataset="noisy-sine", horizon="1")
    explorer.tooltip("Scatter", explorer.values()[-1][-1])
    style = "getComputedStyle(document.querySelector('.bk-Tooltip'))"
    background, text = (explorer.page.evaluate(f"{style}.{name}") for name in ("backgroundColor", "color"))
    brightness = [sum(map(int, each[4:-1].split(", "))) / 3 for each in (background, text)]
    assert (brightness[0] < 60, brightness[1] > 200) == (dark, dark)
