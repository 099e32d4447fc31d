from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.reporting.figures.pareto_front import _names
from bench.reporting.figures.rank_diagram import draw_ranks
from bench.reporting.figures.style import looks
from bench.reporting.page import Pictures, draw
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import Model, Standing, Summary
from bench.stats.ratios import Estimate
from bench.store.schema import Rows, Status
from bench.text import number

Fake = Callable[..., Rows]
HOSTILE = '<script>alert(1)</script> $x_1$ id="a" #1d2429 1.23456'


@pytest.fixture(scope="module")
def summary() -> Callable[..., Summary]:
    return lambda rows: summarise(Source(rows, "results/fake"))


@pytest.fixture(scope="module")
def hostile(fake: Fake, summary: Callable[[Rows], Summary]) -> Pictures:
    return draw(summary(fake(datasets=[HOSTILE, "TSLA"], models=["persistence", "lstm", HOSTILE])))


def test_every_picture_is_well_formed_and_names_its_parts_once(hostile: Pictures) -> None:
    pictures = list(hostile)
    assert [picture.name.split("-")[0] for picture in pictures] == [
        *("front", "skill", "cost"),
        *("errors", "predictions", "curves") * 2,
    ]
    assert len({picture.name for picture in pictures}) == len(pictures)
    names: list[str] = []
    for picture in pictures:
        ET.fromstring(picture.file())
        root = ET.fromstring(picture.svg)
        own = [element.get("id") for element in root.iter() if element.get("id")]
        names += own
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', picture.svg))
        assert used <= set(own)
    assert len(set(names)) == len(names)


def test_every_picture_is_a_pdf_with_fonts_that_journals_take(hostile: Pictures) -> None:
    for picture in hostile:
        assert picture.pdf.startswith(b"%PDF-1")
        assert b"/FontFile2" in picture.pdf, "TrueType, embedded"
        assert b"/Type3" not in picture.pdf
        assert b"/CreationDate" not in picture.pdf, "equal results give equal files"


def test_pictures_ask_for_nothing_and_run_nothing(hostile: Pictures) -> None:
    for picture in hostile:
        assert "<script" not in picture.svg
        assert not re.search(r'(href|src)="(?!#)', picture.file())
        assert re.findall(r"https?://[^\"' ]*", picture.file()) == ["http://www.w3.org/2000/svg"]


def test_names_are_shown_as_they_are(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    name = 'a$b$_1 id="x" 1.23456'
    cost = draw(summary(fake(datasets=[name]))).overview[-1]
    texts = [element.text for element in ET.fromstring(cost.svg).iter() if element.tag.endswith("text")]
    assert name in texts


def test_any_alphabet_and_any_control_character_can_be_drawn(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    made = draw(summary(fake(datasets=["日経 \x07\x1b"], lengths=(30,))))
    for picture in made:
        ET.fromstring(picture.file())
    for picture in made.sections[0]:
        assert "日経" in picture.file()


def test_every_picture_has_a_title_and_says_in_words_what_it_shows(hostile: Pictures) -> None:
    for picture in hostile:
        root = ET.fromstring(picture.svg)
        assert root.get("role") == "img"
        assert root.get("aria-label") == f"{picture.title}. {picture.alt}"
        assert len(picture.alt) > 40
        reported = ET.fromstring(picture.file())
        assert [reported[0].text, reported[1].text] == [picture.title, picture.alt]


def test_page_colours_are_variables_and_text_is_text(hostile: Pictures) -> None:
    for picture in hostile:
        assert "var(--ink)" in picture.svg
        assert "#59646c" not in picture.svg
        assert "<text" in picture.svg
        assert "DejaVu" not in picture.svg


def test_drawing_leaves_matplotlib_as_it_was_and_repeats_itself(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    import matplotlib.pyplot as plt

    found = summary(fake(datasets=["noisy-sine"]))
    before, others = dict(mpl.rcParams), plt.get_fignums()  # what other tests of this process left open
    first = list(draw(found))
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == others
    assert list(draw(found)) == first


def test_a_model_looks_the_same_whatever_it_is_drawn_with() -> None:
    models = [Model("persistence", "persistence", True), *(Model(f"m{i}", "gru", False) for i in range(20))]
    found = looks(models)
    assert len({(look.color, look.marker) for look in found.values()}) == len(models)
    assert looks(models[:5]) == {name: found[name] for name in list(found)[:5]}


def test_a_kind_has_one_colour_in_every_report() -> None:
    one = looks([Model("a", "lstm", False), Model("b", "tcn", False), Model("c", "my-kind", False)])
    other = looks([Model("x", "my-kind", False), Model("y", "gru", False), Model("z", "lstm", False)])
    assert one["a"].color == other["z"].color
    assert one["c"].color == other["x"].color
    assert len({look.color for look in (*one.values(), other["y"])}) == 4
    twice = looks([Model("a", "lstm", False), Model("deep", "lstm", False)])
    assert twice["a"].color == one["a"].color != twice["deep"].color


def test_ranks_are_drawn_from_six_datasets_on(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    for count in (5, 6):
        found = summary(fake(datasets=[f"d{i}" for i in range(count)], lengths=(10,), seeds=2))
        assert found.ranking.sections == count
        picture = draw_ranks(found, looks(found.models))
        assert (picture is not None) is (count == 6)


def test_a_character_that_the_lean_font_lacks_is_in_the_pdf(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    names = ["persistence", "lstm", "Ж־model"]
    for picture in draw(summary(fake(datasets=["gbm"], models=names, lengths=(10,)))):
        if "Ж" in picture.svg:
            assert picture.pdf.count(b"/FontFile2") >= 2, "of the lean font and of the whole one"
            return
    pytest.fail("no picture names the model")


def test_one_length_is_drawn_by_model_and_several_by_length(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    by_model = draw(summary(fake(datasets=["gbm"], lengths=(30,)))).sections[0][0]
    by_length = draw(summary(fake(datasets=["gbm"], lengths=(10, 30, 100)))).sections[0][0]
    assert by_model.title == "Error on gbm"
    assert by_length.title == "Error on gbm by sequence length"
    assert ">sequence length (points)<" in by_length.svg
    assert ">sequence length (points)<" not in by_model.svg


def test_a_reference_far_away_is_told_and_not_drawn(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    found = summary(fake(datasets=["noisy-sine"], lengths=(30,)))
    (section,) = found.sections
    far = replace(found, sections=(replace(section, persistence_rmse=1000.0),))
    assert "persistence 1000, off the scale" in draw(far).sections[0][0].svg
    assert "off the scale" not in draw(summary(fake(datasets=["gbm"], lengths=(30,)))).sections[0][0].svg


def test_what_there_is_not_is_not_drawn(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    assert list(draw(summary(fake(datasets=[])))) == []
    lost = {("gbm", model): (Status.FAILED, "x") for model in ("persistence", "lstm")}
    assert list(draw(summary(fake(datasets=["gbm"], models=["persistence", "lstm"], failures=lost)))) == []
    half = draw(summary(fake(datasets=["gbm", "noisy-sine"], models=["persistence", "lstm"], failures=lost)))
    assert [len(own) for own in half.sections] == [0, 3]


def test_a_skill_far_below_zero_keeps_the_others_readable(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    found = summary(fake(datasets=["noisy-sine"], lengths=(30,)))
    (section,) = found.sections
    poor = tuple(
        replace(cell, skill=replace(cell.skill, value=-87.5, interval=(-90.0, -85.0)))
        if cell.model == "rnn" and cell.skill
        else cell
        for cell in section.cells
    )
    (svg,) = (p.svg for p in draw(replace(found, sections=(replace(section, cells=poor),))) if p.name == "skill")
    assert ">−87.5<" in svg
    ticks = [float(text.replace("−", "-")) for text in re.findall(r">(−?\d\.\d+)<", svg)]
    assert min(ticks) >= -1.2


def test_a_run_without_validation_is_described_by_its_training_loss(
    fake: Fake, summary: Callable[[Rows], Summary]
) -> None:
    rows = fake(datasets=["gbm"], models=["persistence", "lstm"], lengths=(10,), seeds=1)
    curves = rows["curves"]
    at = curves.schema.get_field_index("validation_mse_scaled")
    without = curves.set_column(at, curves.schema.field(at), pa.nulls(curves.num_rows, pa.float64()))
    (picture,) = (each for each in draw(summary({**rows, "curves": without})) if each.name.startswith("curves"))
    loss = curves["train_loss"].to_pylist()[-1]
    assert f"lstm stops after 40 epochs, its last training loss is {number(loss)}" in picture.svg
    assert "nan" not in picture.svg


def test_curves_of_a_budget_in_steps_are_by_validation(fake: Fake, summary: Callable[[Rows], Summary]) -> None:
    chosen = json.dumps({"hidden_size": 32, "epochs": None, "steps": 800})
    rows = fake(datasets=["gbm"], models=["persistence", "lstm"], lengths=(10,), common={"hyperparameters": chosen})
    (picture,) = (each for each in draw(summary(rows)) if each.name.startswith("curves"))
    assert "lstm stops after 40 validations, its best validation loss is" in picture.svg
    assert ">validation<" in picture.svg
    assert ">epoch<" not in picture.svg


def test_names_on_the_front_lie_on_no_other_and_within_the_panel() -> None:
    """Twenty models with nearly equal errors and times, as matplotlib itself measures their names."""
    rng = np.random.default_rng(0)
    points = zip(10 ** rng.uniform(-3, 1, 20), rng.uniform(0.8, 0.9, 20), strict=True)
    standings = [
        Standing(f"model-{i:02}", Estimate(error), fit_s, False, i < 3, 5) for i, (fit_s, error) in enumerate(points)
    ]
    figure = Figure(figsize=(5.2, 2.6))
    axes = figure.add_axes((0.12, 0.2, 0.85, 0.75))
    axes.set_xscale("log")
    axes.set(xlim=(3e-4, 100), ylim=(0.78, 0.92))
    _names(axes, standings, standings[:3])
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"] == [
        standing.model for standing in sorted(standings[:3], key=lambda standing: standing.fit_s or 0)
    ]
    frame = axes.get_window_extent(renderer)
    for place, box in enumerate(boxes):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        for other in boxes[:place]:
            width, height = (
                min(getattr(box, f"{a}1"), getattr(other, f"{a}1"))
                - max(getattr(box, f"{a}0"), getattr(other, f"{a}0"))
                for a in "xy"
            )
            assert width <= 1 or height <= 2, "pixels"
