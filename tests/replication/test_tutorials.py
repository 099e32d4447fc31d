"""The suite of published systems: complete, with the numbers as printed; and a cut of it, end to end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bench.cells import expand
from bench.data import DATASETS
from bench.models import MODELS
from bench.replication.cards import cards
from bench.replication.evidence_rows import Tables
from bench.replication.facts import RAISES, linear_parameters, recurrent_parameters
from bench.replication.findings import PublishedOutcome
from bench.replication.suite_files import load
from bench.replication.systems import is_marked, parsed, systems_of
from bench.reporting.source import read
from bench.stats.claims import ClaimOutcome

FILE = Path(__file__).parents[2] / "suites" / "tutorials.yaml"
DATA = Path(__file__).parents[3] / "shared" / "data"
CUT = ("T10", "T15", "T11 bidirectional", "T11 packed", "T01", "T06 recall", "T07 keras", "T12", "T13")
CLOSES = ("T04", "T04 last-step", "T14")
"""They are read from files."""

SMALL = [{"id": "rnn", "kind": "rnn", "hidden_size": 8}]
SMALLER: dict[str, dict[str, Any]] = {
    "T01": {"epochs": 10},
    "T06 recall": {
        "epochs": 2,
        "datasets": [{"id": "after", "kind": "recall", "length": 200, "lag": 2}],
        "models": [{"id": kind, "kind": kind, "hidden_size": 8} for kind in ("rnn", "gru", "lstm")],
    },
    "T07 keras": {"epochs": 2, "datasets": ["digits"], "sequence_lengths": [8], "split": {"validation": 300}},
    "T12": {"epochs": 2, "datasets": [{"kind": "denoise-sine", "count": 700}], "split": {"test": 100}},
    "T13": {"epochs": 1},
    "T04": {"epochs": 2, "models": SMALL},
    "T04 last-step": {"epochs": 2, "models": SMALL},
    "T14": {
        "epochs": 1,
        "datasets": ["TSLA"],
        "models": [{"id": "plain", "kind": "encoder-decoder", "cell": "gru", "hidden_size": 4}],
    },
}
"""What is cut of a system next to its replicates; of the course, the epochs that are left."""


def cut(text: str, names: Sequence[str]) -> dict[str, Any]:
    """The suite `text` with those systems, two replicates of each, none of those cut under the protocol."""
    suite = YAML(typ="safe", pure=True).load(text)
    suite = json.loads(json.dumps(suite))  # what the file shares, each has of its own
    suite["systems"] = [system for system in suite["systems"] if system["id"] in names]
    suite["exclude"] = [rule for rule in suite["exclude"] if rule["dataset"] in names]
    for system in suite["systems"]:
        system["settings"]["seeds"] = 2
        if system["id"] in SMALLER:
            _make_smaller(system, **SMALLER[system["id"]])
        else:
            system["protocol"] = {**system.get("protocol", {}), "seeds": 2}
    return suite


def _make_smaller(system: dict[str, Any], *, epochs: int, split: dict[str, int] | None = None, **changes: Any) -> None:
    system.update(changes, protocol=False)
    system["settings"].setdefault("training", {})["epochs"] = epochs
    if split:
        system["settings"]["split"] = split
    printed = system.get("published", {})
    if "points" in printed:
        printed["points"] = {name: points for name, points in printed["points"].items() if name in system["datasets"]}
    if "train_loss" in printed:
        printed["train_loss"] = {key: loss for key, loss in printed["train_loss"].items() if int(key) <= epochs}


@pytest.fixture(scope="module")
def suite():
    return load(FILE, datasets=DATASETS, models=MODELS)


def test_no_system_is_missing(suite):
    assert sorted({system.id.split()[0] for system in suite.systems}) == [f"T{number:02}" for number in range(1, 16)]


def course(*losses, epochs=range(10, 101, 10)):
    return {"train_loss": dict(zip(epochs, losses, strict=True))}


SHAPES = {"shapes": {"outputs": ("N", "T", "H"), "h_n": ("layers · directions", "N", "H")}}
PRINTED = {
    "T01": {
        **course(0.0342, 0.0150, 0.0128, 0.0115, 0.0109, 0.0104, 0.0098, 0.0095, 0.0094, 0.0092),
        "test_rmse": 0.1128,
    },
    "T02": {
        **course(0.1170, 0.1109, 0.1104, 0.1101, 0.1096, 0.1091, 0.1088, 0.1087, 0.1086, 0.1084),
        "test_rmse": 1.0634,
    },
    "T03": {
        **course(0.0225, 0.0100, 0.0105, 0.0079, 0.0078, 0.0075, 0.0072, 0.0071, 0.0070, 0.0069),
        "test_rmse": 0.1276,
    },
    "T04": course(0.0365, 0.0260, 0.0210, 0.0151, 0.0141, 0.0138, 0.0135, 0.0134, 0.0134, 0.0134),
    "T05": course(0.0417, 0.0979, 0.0161, 0.0079, 0.0049, 0.0020, 0.0011, 0.0005, 0.0003, 0.0002),
    "T07": {"accuracy": (0.97, 0.98)},
    "T07 keras": {"accuracy": (0.95, 0.98), "shapes": {"last_state": ("None", 128)}},
    "T09": course(0.3604, 0.0542, 0.0207, 0.0102, 0.0065, epochs=range(10, 51, 10)),
    "T10": {
        "parameters": (288, 17),
        "shapes": {"all_inputs": (480, 20, 1), "all_targets": (480, 1), "last_state": ("None", 16)},
    },
    **{f"T11 {name}": SHAPES for name in ("dropout", "clipped", "truncated", "packed", "carried")},
    "T11 stacked": {**SHAPES, "raises": ("nn.Sequential(nn.RNN, nn.Linear)",)},
    "T11 bidirectional": {"shapes": {**SHAPES["shapes"], "outputs": ("N", "T", "directions · H")}},
    "T12": {"test_l1": 0.04158925637602806},
    "T13": {"shapes": {"train_inputs": (1944, 5, 1), "train_targets": (1944, 2, 1)}},
    "T14": {"points": {"TSLA": 2227, "GOOGL": 3702, "DJI": 8636}},
    "T15": {
        **course(
            *(0.321847, 0.198432, 0.104219, 0.051763, 0.023481, 0.010954, 0.005312, 0.002841, 0.001673, 0.001102),
            epochs=range(1, 11),
        ),
        "first_target": 0.8749,
        "first_prediction": 0.8714,
    },
}
"""Copied from the documents, not from the suite."""


def test_every_printed_number_is_there_and_as_printed(suite):
    words = {"statements", "claims"}
    found = {system.id: system.published.model_dump(exclude_defaults=True, exclude=words) for system in suite.systems}
    assert {name: printed for name, printed in found.items() if printed} == PRINTED


def test_every_claim_is_there(suite):
    found = {claim.text: (claim.test, claim.models) for system in suite.systems for claim in system.published.claims}
    assert found == {
        "prediction is very poor": ("rests-on", ()),
        "complete failure at a sudden drop": ("sudden-drop", ()),
        "training time RNN < GRU < LSTM": ("training-time", ("rnn", "gru", "lstm")),
        "gates 0 / 2 / 3": ("gates", ("rnn", "gru", "lstm")),
        "GRU competitive with LSTM": ("no-worse", ("gru", "lstm")),
        "GRU comparable with LSTM in some tasks": ("comparable-in-some", ("gru", "lstm")),
        "RNN short-term only, where an LSTM remembers": ("short-memory", ("rnn", "lstm")),
        "RNN short-term only, where a GRU remembers": ("short-memory", ("rnn", "gru")),
        "should match very closely … with a little delay": ("delayed", ()),
        "steadily decreasing loss": ("falling-loss", ()),
        "no signs of overfitting": ("no-overfitting", ()),
        "prediction works pretty well": ("beats-persistence", ()),
        "doubles parameters and output size": ("doubled", ()),
        "very close": ("beats-persistence", ()),
    }
    beyond = {claim.beyond for system in suite.systems for claim in system.published.claims}
    assert beyond == {None, 20}


def test_every_statement_that_no_number_decides_says_why(suite):
    found = {statement.text for system in suite.systems for statement in system.published.statements}
    assert found == {
        "nine rows of GOOG",
        "example windows of the series 1 … 8",
        "output shape (16, 1)",
        "shape (4, 17, 1)",
        "7 columns, and the first rows of each file",
        "dropped from .32 to .001",
    }


def test_what_prints_no_result_runs_as_described(suite):
    described = {system.id.split()[0] for system in suite.systems if system.mark == " as described"}
    assert described == {"T04", "T06", "T08", "T14"}  # of T04, the variant of the last step alone
    assert next(system for system in suite.systems if system.id == "T04").mark == " as published"


def test_programs_run_in_the_precision_and_with_the_optimiser_that_were_published(suite):
    cells = {cell.dataset.id: cell for cell in expand(suite) if is_marked(cell.model.id)}
    single = {name for name, cell in cells.items() if cell.dataset.parameters.get("precision") == "float32"}
    assert single == {"T08", "T15"}
    epsilon = {name: cell.training.epsilon for name, cell in cells.items() if cell.training.epsilon != 1e-8}
    assert epsilon == {"T07 keras": 1e-7, "T10": 1e-7}
    assert cells["T11 dropout"].model.parameters["dropout"] == 0.1


def test_replicates_suffice_for_a_verdict(suite):
    for cell in expand(suite):
        if is_marked(cell.model.id):
            assert cell.seeds >= (3 if cell.dataset.kind == "mnist" else 20)


def test_leaks_and_slips_are_named(suite):
    found = {cell.dataset.id: set(cell.as_published.departures) for cell in expand(suite) if is_marked(cell.model.id)}
    leaks = {"scaler: series", "windows: minus-one", "validation: none", "order: in-order"}
    assert found["T01"] == found["T02"] == leaks
    assert found["T04"] == {*leaks, "split: apart", "targets: same-at-every-step"}
    assert found["T04 last-step"] == {*leaks, "split: apart"}
    assert found["T13"] == {"validation: none", "order: in-order", "last_batch: dropped"}
    assert "split: none" in found["T15"]
    assert not found["T06 adding-40"]  # its claims are tested under the protocol


def test_closes_meet_every_encoder_decoder(suite):
    found = {cell.model.id for cell in expand(suite) if cell.dataset.id == "T14 DJI" and is_marked(cell.model.id)}
    assert len(found) == 2 * 3 * 2  # cells × plain, stacked, bidirectional × free-running, teacher-forced


def closes():
    """The folder that holds the closes of A and TSLA; `None` where none does."""
    given = os.environ.get("BENCH_DATA")
    folders = [Path(name) for name in given.split(os.pathsep)] if given else [DATA]
    files = ("A_data.csv", "TSLA.csv")
    return next((folder for folder in folders if all([*folder.rglob(name)] for name in files)), None)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two replicates of a system of every kind, run by the program itself, with their report."""
    folder = tmp_path_factory.mktemp("tutorials")
    data = closes()
    names = (*CUT, *CLOSES) if data else CUT
    (folder / "tutorials.yaml").write_text(json.dumps(cut(FILE.read_text(encoding="utf-8"), names)), encoding="utf-8")
    command = [sys.executable, "-m", "bench", "run", "tutorials.yaml", "--progress=none"]
    environment = {**os.environ, **({"BENCH_DATA": str(data)} if data else {})}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return folder


def cards_of(results):
    folder = results / "results" / "tutorials"
    source = read(folder, parsed)
    return cards(systems_of(source.suite), Tables(source.rows))


def card_of(results, name):
    return next(card for card in cards_of(results) if card.id == name)


@pytest.fixture(scope="module")
def found(results):
    return {run.dataset: run for card in cards_of(results) for run in card.runs if run.evidence}


def outcome(run, quantity):
    return next(finding for finding in run.all_findings if finding.quantity == quantity)


def test_a_cut_gives_the_deterministic_facts(found):
    assert outcome(found["T10"], "parameters").outcome is PublishedOutcome.REPRODUCED
    assert outcome(found["T10"], "parameters").exact == "288 + 17"
    assert outcome(found["T15"], "first target").exact == "0.4826"
    assert outcome(found["T15"], "first target").outcome is PublishedOutcome.IMPOSSIBLE
    for name in ("T11 bidirectional", "T11 packed"):
        assert outcome(found[name], "shape of outputs").outcome is PublishedOutcome.REPRODUCED
        assert outcome(found[name], "shape of h_n").outcome is PublishedOutcome.REPRODUCED
        assert outcome(found[name], "shape of h_n").published == "[layers · directions, N, H]"
    assert outcome(found["T11 bidirectional"], "shape of outputs").exact == "(32, 20, 32)"
    for name in ("inputs", "targets"):
        assert outcome(found["T13"], f"shape of train_{name}").outcome is PublishedOutcome.REPRODUCED


def test_a_cut_gives_the_shapes_of_all_windows_and_of_the_last_state(found):
    for name in ("shape of all_inputs", "shape of all_targets", "shape of last_state"):
        assert outcome(found["T10"], name).outcome is PublishedOutcome.REPRODUCED
    assert outcome(found["T10"], "shape of last_state").published == "[None, 16]"
    assert outcome(found["T07 keras"], "shape of last_state").exact == "(64, 128)"


def test_a_second_direction_doubles_the_layers(results):
    claim = next(claim for claim in card_of(results, "T11").claims if claim.text.startswith("doubles"))
    assert claim.outcome is ClaimOutcome.HOLDS
    assert claim.cases[0][2] == "parameters of the layers 304 and 608, output size 16 and 32"


def test_counts_are_those_of_the_formulas(found):
    parameters = {name: run.evidence.mean("parameters") for name, run in found.items()}
    expected = {
        "T10": recurrent_parameters("rnn", 1, 16, biases=1) + linear_parameters(16, 1),
        "T15": recurrent_parameters("rnn", 1, 32) + linear_parameters(32, 1),
        "T11 bidirectional": recurrent_parameters("rnn", 1, 16, directions=2) + linear_parameters(32, 1),
        "T11 packed": recurrent_parameters("lstm", 2, 16) + linear_parameters(16, 1),
        "T01": recurrent_parameters("rnn", 1, 32, layers=2) + linear_parameters(32, 1),
        "T07 keras": recurrent_parameters("lstm", 8, 128, biases=1) + linear_parameters(128, 10),
        "T12": recurrent_parameters("gru", 1, 30) + linear_parameters(30, 1),
        "T13": 2 * recurrent_parameters("lstm", 1, 15) + linear_parameters(15, 1),
    }
    assert {name: parameters[name] for name in expected} == expected
    assert found["T15"].evidence.mean("train_windows") == 500 - 20


def test_a_cut_has_a_verdict_for_every_printed_epoch(found):
    course = found["T15"].trajectory
    assert course.epochs == tuple(range(1, 11))
    assert all(finding.outcome is not PublishedOutcome.NOT_RUN for finding in course.findings)
    assert all("2 of the 20 replicates" in finding.note for finding in course.findings)


def test_a_cut_has_a_verdict_of_every_kind(found):
    judged = {PublishedOutcome.REPRODUCED, PublishedOutcome.BETTER, PublishedOutcome.WORSE, PublishedOutcome.IMPOSSIBLE}
    for name, quantity in (("T01", "test RMSE"), ("T07 keras", "test accuracy"), ("T12", "test L1")):
        finding = outcome(found[name], quantity)
        assert finding.outcome in judged
        assert len(finding.ours.values) == 2
    assert found["T12"].evidence.task == "denoise"
    assert found["T07 keras"].evidence.task == "classify"
    assert "scaler: series" in found["T01"].departures
    assert "layer: keras" in found["T07 keras"].departures


def test_a_cut_decides_claims(results):
    card = card_of(results, "T06")
    held = {claim.text: claim.outcome for claim in card.claims}
    assert held["gates 0 / 2 / 3"] is ClaimOutcome.HOLDS
    assert held["training time RNN < GRU < LSTM"] is ClaimOutcome.NOT_MEASURED  # nothing was probed
    assert held["GRU competitive with LSTM"] is not ClaimOutcome.NOT_MEASURED


def test_a_cut_of_closes(results):
    if closes() is None:
        pytest.skip("the closes of A and TSLA are in no folder of BENCH_DATA")
    failure = card_of(results, "T04").claims[0]
    assert "asking every step for one value multiplies the RMSE by" in failure.sentence
    assert card_of(results, "T04").claims[1].outcome is ClaimOutcome.INCONCLUSIVE
    points = outcome(card_of(results, "T14").runs[0], "points of the series")
    assert (points.published, points.exact, points.outcome) == ("2227", "2227", PublishedOutcome.REPRODUCED)
    close, late = card_of(results, "T14").claims
    assert len(close.cases) == len(late.cases) == 1
    assert late.outcome is not ClaimOutcome.NOT_MEASURED  # closeness is: two replicates show nothing


def test_the_report_says_how_each_departs_and_how_to_make_it_again(results):
    text = (results / "reports" / "tutorials" / "report.md").read_text(encoding="utf-8")
    assert "## T15: sine of two cycles in float32" in text
    assert "departures split: none" in text
    assert "bench run suites/tutorials.yaml" in text
    pictures = re.findall(r"\(figures/([^)]+)\)", text)
    assert {"courses-t15.svg", "distributions-t10.svg", "overlay-t15-1.svg"} <= set(pictures)
    assert all((results / "reports" / "tutorials" / "figures" / name).is_file() for name in pictures)


def test_the_files_of_closes_have_seven_columns_and_the_printed_first_rows():
    """Of each of the three: the header, and the first day with its close."""
    if closes() is None:
        pytest.skip("the closes are in no folder of BENCH_DATA")
    first = {"TSLA": ("2010-06-29", 23.889999), "GOOGL": ("2004-08-19", 50.220219), "DJI": ("1985-01-29", 1292.619995)}
    for name, (day, close) in first.items():
        path = next(closes().rglob(f"{name}.csv"), None) or next(DATA.rglob(f"{name}.csv"))
        header, row = (line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[:2])
        assert header == ["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"]
        assert (row[0], float(row[4])) == (day, close)


def test_a_line_that_is_said_to_raise_raises_so():
    nn = pytest.importorskip("torch.nn")
    torch = pytest.importorskip("torch")
    network = nn.Sequential(nn.RNN(1, 16, batch_first=True), nn.Linear(16, 1))
    with pytest.raises(TypeError) as caught:
        network(torch.zeros(4, 20, 1))
    assert RAISES["nn.Sequential(nn.RNN, nn.Linear)"] == f"TypeError: {caught.value}"
