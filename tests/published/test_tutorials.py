"""The suite of published systems: complete, with the numbers as printed; and a cut of it, end to end."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.data import DATASETS
from bench.models import MODELS
from bench.published.cards import cards
from bench.published.evidence import Tables
from bench.published.formulas import linear_parameters, recurrent_parameters, window_count
from bench.published.values import Outcome
from bench.report.source import read
from bench.suite.cells import expand
from bench.suite.load import load

FILE = Path(__file__).parents[2] / "suites" / "tutorials.yaml"
CUT = ("T10", "T15", "T11 bidirectional", "T11 packed")


@pytest.fixture(scope="module")
def suite():
    return load(FILE, datasets=DATASETS, models=MODELS)


def test_no_system_is_missing(suite):
    assert sorted({system.id.split()[0] for system in suite.systems}) == [f"T{number:02}" for number in range(1, 16)]


def test_every_printed_number_is_there(suite):
    printed = Counter()
    for system in suite.systems:
        name = system.id.split()[0]
        printed[name] += len(system.published.train_loss)
        printed[name] += sum(
            getattr(system.published, key) is not None
            for key in ("test_rmse", "test_l1", "accuracy", "parameters", "first_target", "first_prediction")
        )
    assert {name: count for name, count in printed.items() if count} == {
        "T01": 11,
        "T02": 11,
        "T03": 11,
        "T04": 10,
        "T05": 10,
        "T07": 2,
        "T09": 5,
        "T10": 1,
        "T12": 1,
        "T15": 12,
    }


def test_replicates_suffice_for_a_verdict(suite):
    for cell in expand(suite):
        if cell.model.id.endswith("as published"):
            assert cell.seeds >= (3 if cell.dataset.kind == "mnist" else 20)


def test_leaks_and_slips_are_named(suite):
    found = {
        cell.dataset.id: set(cell.as_published.departures) for cell in expand(suite) if "as published" in cell.model.id
    }
    leaks = {"scaler: series", "windows: minus-one", "validation: none", "order: in-order"}
    assert found["T01"] == found["T02"] == leaks
    assert found["T04"] == {*leaks, "split: apart", "targets: same-at-every-step"}
    assert found["T04 last-step"] == {*leaks, "split: apart"}
    assert found["T13"] == {"validation: none", "order: in-order", "last_batch: dropped"}
    assert "split: none" in found["T15"]
    assert not found["T06 adding-40"]  # its claims are tested under the protocol


def test_closes_meet_every_encoder_decoder(suite):
    found = {cell.model.id for cell in expand(suite) if cell.dataset.id == "T14 DJI" and "published" in cell.model.id}
    assert len(found) == 2 * 3 * 2  # cells × plain, stacked, bidirectional × free-running, teacher-forced


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two replicates of a few systems, run by the program itself, with their report."""
    folder = tmp_path_factory.mktemp("tutorials")
    text = re.sub(r"seeds: (20|10)\b", "seeds: 2", FILE.read_text(encoding="utf-8"))
    (folder / "tutorials.yaml").write_text(text, encoding="utf-8")
    only = [f"--only=dataset={name}" for name in CUT]
    command = [sys.executable, "-m", "bench", "run", "tutorials.yaml", *only, "--progress=none"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def found(results):
    folder = results / "results" / "tutorials"
    source = read(folder)
    return {
        run.dataset: run for card in cards(source.systems, Tables(source.rows)) for run in card.runs if run.evidence
    }


def outcome(run, quantity):
    return next(finding for finding in run.all_findings if finding.quantity == quantity)


def test_a_cut_gives_the_deterministic_facts(found):
    assert outcome(found["T10"], "parameters").outcome is Outcome.REPRODUCED
    assert outcome(found["T15"], "first target").exact == "0.4826"
    assert outcome(found["T15"], "first target").outcome is Outcome.CANNOT_BE
    for name in ("T11 bidirectional", "T11 packed"):
        assert outcome(found[name], "shape of outputs").outcome is Outcome.REPRODUCED
        assert outcome(found[name], "shape of h_n").outcome is Outcome.REPRODUCED


def test_counts_are_those_of_the_formulas(found):
    parameters = {name: run.evidence.mean("parameters") for name, run in found.items()}
    assert parameters == {
        "T10": recurrent_parameters("rnn", 1, 16, biases=1) + linear_parameters(16, 1),
        "T15": recurrent_parameters("rnn", 1, 32) + linear_parameters(32, 1),
        "T11 bidirectional": recurrent_parameters("rnn", 1, 16, directions=2) + linear_parameters(32, 1),
        "T11 packed": recurrent_parameters("lstm", 2, 16) + linear_parameters(16, 1),
    }
    assert found["T15"].evidence.mean("train_windows") == window_count(500, 20)


def test_a_cut_has_a_verdict_for_every_printed_epoch(found):
    course = found["T15"].trajectory
    assert course.epochs == tuple(range(1, 11))
    assert all(finding.outcome is not Outcome.NOT_RUN for finding in course.findings)
    assert all("2 of the 20 replicates" in finding.note for finding in course.findings)


def test_the_report_says_how_each_departs_and_how_to_make_it_again(results):
    text = (results / "reports" / "tutorials" / "report.md").read_text(encoding="utf-8")
    assert "## T15: sine of two cycles in float32" in text
    assert "departures split: none" in text
    assert "bench run suites/tutorials.yaml" in text
    pictures = re.findall(r"\(figures/([^)]+)\)", text)
    assert {"courses-t15.svg", "distributions-t10.svg", "overlay-t15-1.svg"} <= set(pictures)
    assert all((results / "reports" / "tutorials" / "figures" / name).is_file() for name in pictures)
