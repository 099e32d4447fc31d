"""Errors by how far ahead a forecast is made, against a loop; where they stand on the page."""

from pathlib import Path

import numpy as np
import pytest

import bench
from bench.api.results import Results
from bench.reporting import tables
from bench.reporting.figures.error_panels import draw_steps
from bench.reporting.figures.style import looks, theme

SUITE = """name: s
datasets: [{id: ar, kind: arma, ar: [0.9], length: 700}]
models: [%s]
horizons: [1, 12]
sequence_lengths: [8]
seeds: 2
tuning: false
training: {epochs: 2}
split: {test: 200, stride: 3}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return made(tmp_path_factory.mktemp("steps"), "persistence, linear-ar, gru")


def made(folder: Path, models: str) -> Results:
    path = folder / "s.yaml"
    path.write_text(SUITE % models)
    return bench.run(path, results=folder / "results", jobs=1)


def test_errors_are_those_of_a_loop(results: Results) -> None:
    one, several = results.summary.sections
    assert one.by_step == ()
    rows = results.predictions.query("horizon == 12")
    assert {own.model for own in several.by_step} == {"persistence", "linear-ar", "gru"}
    for own in several.by_step:
        assert own.step.tolist() == list(range(1, 13))
        for place, step in enumerate(own.step):
            squares, references = [], []
            for row in rows.to_dict("records"):
                if row["model"] == own.model and row["step"] == step:
                    squares.append((row["prediction"] - row["truth"]) ** 2)
                    references.append((row["persistence"] - row["truth"]) ** 2)
            assert own.rmse[place] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-12)
            assert own.persistence[place] == pytest.approx(np.sqrt(np.mean(references)), rel=1e-12)
        cell = several.chosen(own.model)
        assert cell is not None
        assert cell.rmse is not None
        assert np.sqrt(np.mean(own.rmse**2)) == pytest.approx(cell.rmse.value, rel=1e-9)  # as many of each step
    assert (several.by_step[0].origins, several.by_step[0].points) == (63, 198)


def test_the_page_has_a_table_and_a_picture(results: Results) -> None:
    section = results.summary.sections[1]
    table = tables.by_step(section, name="t")
    assert table is not None
    assert [row[0].text for row in table.rows] == ["persistence", *(own.model for own in section.by_step[1:])]
    shown = [int(column.title.removeprefix("Step ")) for column in table.columns[1:]]
    assert shown == [1, 2, 3, 4, 6, 8, 12]
    for row, own in zip(table.rows, section.by_step, strict=True):
        assert [entry.order for entry in row[1:]] == own.rmse[[step - 1 for step in shown]].tolist()
    assert "63 origins, which share targets" in table.below
    with theme():
        picture = draw_steps(section, looks(results.summary.models), "x")
    assert picture is not None
    assert "from 63 origins" in picture.alt
    assert all(name in picture.svg for name in ("persistence", "linear-ar", "gru", "steps ahead"))
    assert tables.by_step(results.summary.sections[0], name="t") is None


def test_a_suite_without_persistence_has_its_line(tmp_path: Path) -> None:
    table = tables.by_step(made(tmp_path, "mean").summary.sections[1], name="t")
    assert table is not None
    assert [row[0].text for row in table.rows] == ["persistence", "mean"]
    assert table.rows[0][1].order < table.rows[1][1].order  # one step ahead of a slow series
