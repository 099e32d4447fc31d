"""What no system can have been printed with, claimed or departed by; ``«`` marks the place of the problem."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data import DATASETS
from bench.errors import SuiteError
from bench.models import MODELS
from bench.replication.suite_files import load

TEXT = """\
name: s
references: [mean]
training: {epochs: 5}
tuning: false
systems:
  - id: S01
    title: a system
    datasets: [DATASET]
    models: [MODELS]
    sequence_lengths: [10]
    settings: SETTINGS
    published: {PUBLISHED}
"""
USUAL = {
    "DATASET": "{kind: sine, length: 200}",
    "MODELS": "{kind: rnn, hidden_size: 4}",
    "SETTINGS": "{as_published: {validation: none}}",
    "PUBLISHED": "train_loss: {1: 0.5, 5: 0.1}",
}
ADDING = "{kind: adding, count: 50, length: 10}"
DIGITS = {"DATASET": "digits", "sequence_lengths: [10]": "sequence_lengths: [8]"}

WRONG = {
    "epoch of a longer training": (
        {"PUBLISHED": "train_loss: {1: 0.5, «50: 0.1}"},
        "train_loss: expected an epoch ≤ 5, since it is trained no longer, got 50; raise epochs in its settings, or "
        "leave this one out",
    ),
    "loss of an epoch, of a training in steps": (
        {"SETTINGS": "{training: {steps: 50}, as_published: {validation: none}}", "PUBLISHED": "train_loss: {«5: 0.1}"},
        "train_loss: expected a budget in epochs, which the losses are printed for, got one in steps; set epochs in "
        "its settings",
    ),
    "epoch 0": ({"PUBLISHED": "train_loss: {«0: 0.1}"}, "train_loss: expected an epoch, a whole number ≥ 1, got 0"),
    "epoch ten": (
        {"PUBLISHED": "train_loss: {«ten: 0.1}"},
        "train_loss: expected an epoch, a whole number ≥ 1, got ten",
    ),
    "negative loss": ({"PUBLISHED": "train_loss: {5: «-0.1}"}, "train_loss 5: expected a number ≥ 0, got -0.1"),
    "negative RMSE": ({"PUBLISHED": "test_rmse: «-1"}, "test_rmse: expected a number ≥ 0 or null, got -1"),
    "accuracy of a forecast": (
        {"PUBLISHED": "«accuracy: [0.9, 0.95]"},
        "accuracy: expected data to classify, got sine, which asks to forecast; leave accuracy out",
    ),
    "RMSE of classes": (
        {**DIGITS, "PUBLISHED": "«test_rmse: 0.1"},
        "test_rmse: expected data to forecast or denoise, got digits, which asks to classify; leave test_rmse out",
    ),
    "accuracy turned round": (
        {**DIGITS, "PUBLISHED": "accuracy: «[0.98, 0.5]"},
        "accuracy: expected the lower end first, got 0.98 and 0.5; turn them round",
    ),
    "accuracy in percent": (
        {**DIGITS, "PUBLISHED": "accuracy: «[97, 98]"},
        "accuracy: expected shares from 0 to 1, got 97 and 98; divide what is in percent by 100",
    ),
    "claim without models": (
        {"PUBLISHED": "claims: [«{text: x, test: training-time}]"},
        "training-time: expected 2 or more kinds of models, each once, got 0; fix models",
    ),
    "claim that needs no models": (
        {"PUBLISHED": "claims: [«{text: x, test: delayed, models: [rnn]}]"},
        "delayed: expected no kinds of models, each once, got 1; fix models",
    ),
    "claim on other models": (
        {"PUBLISHED": "claims: [«{text: x, test: no-worse, models: [gru, rnn]}]"},
        "no-worse: expected the kinds gru, rnn in one system of its card, with equal hidden_size and layers, got rnn; "
        "add models, or leave the claim out",
    ),
    "claim on models of other sizes": (
        {
            "MODELS": "{kind: rnn, hidden_size: 4}, {kind: gru, hidden_size: 5}",
            "PUBLISHED": "claims: [«{text: x, test: no-worse, models: [gru, rnn]}]",
        },
        "no-worse: expected the kinds gru, rnn in one system of its card, with equal hidden_size and layers, got rnn, "
        "gru; add models, or leave the claim out",
    ),
    "rests on what was not run": (
        {"PUBLISHED": "claims: [«{text: x, test: rests-on}]"},
        "rests-on: expected systems of its card as published with targets: own and with targets: same-at-every-step, "
        "got own; add the other, or leave the claim out",
    ),
    "drop of what is no series": (
        {"DATASET": ADDING, "PUBLISHED": "claims: [«{text: x, test: sudden-drop}]"},
        "sudden-drop: expected series to forecast, got adding, which is many short sequences; leave the claim out",
    ),
    "delay of what is generated": (
        {"PUBLISHED": "claims: [«{text: x, test: delayed}]"},
        "delayed: expected a series that was observed, got data that is generated; leave the claim out",
    ),
    "unknown shape": (
        {"PUBLISHED": "shapes: {«output: [1, 2, 3]}"},
        "shapes: unknown key 'output'; did you mean 'outputs'? (known: all_inputs, all_targets, h_n, last_state, "
        "outputs, train_inputs, train_targets)",
    ),
    "points of other data": (
        {"PUBLISHED": "«points: {DJI: 8636}"},
        "points: expected one for each of its datasets, sine, got DJI; fix it",
    ),
    "a course that was not printed": (
        {"PUBLISHED": "claims: [«{text: x, test: falling-loss}]"},
        "falling-loss: expected train_loss of its system, which decides it, got none; add it, or leave the claim out",
    ),
    "one direction": (
        {"PUBLISHED": "claims: [«{text: x, test: doubled}]"},
        "doubled: expected a bidirectional model in its system, got none; leave the claim out",
    ),
    "shape of no layers": (
        {"MODELS": "persistence", "PUBLISHED": "shapes: {«h_n: [1, 2, 3]}"},
        "h_n: expected a model that has layers, got persistence; leave h_n out",
    ),
    "parts of other parameters": (
        {"MODELS": "encoder-decoder", "PUBLISHED": "«parameters: [288, 17]"},
        "parameters: expected one number, since only of rnn, gru, lstm those of the recurrent layers and of the linear "
        "map are known apart, got 2 for encoder-decoder; give their sum",
    ),
    "tuning as published": (
        {"SETTINGS": "{«tuning: {trials: 2}}"},
        "tuning: expected none, since what runs as published has the settings that were published; set it in protocol, "
        "or leave it out",
    ),
    "windows of sequences": (
        {"DATASET": ADDING, "SETTINGS": "{as_published: {«windows: minus-one}}"},
        "windows: expected a series, since minus-one is about the windows of one, got adding, which is many short "
        "sequences; leave windows out",
    ),
    "sequences cut by windows": (
        {"DATASET": ADDING, "SETTINGS": "{as_published: {«split: windows}}"},
        "split: expected a series, since windows is about the windows of one, got adding, which is many short "
        "sequences; leave split out",
    ),
    "every step of a class": (
        {**DIGITS, "SETTINGS": "{as_published: {«targets: same-at-every-step}}"},
        "targets: expected data to forecast, got digits, which asks to classify; leave targets out",
    ),
    "a scaler that is none": (
        {"SETTINGS": "{training: {scaler: none}, as_published: {«scaler: series}}"},
        "scaler: expected a scaler that is fitted, since as_published says scaler: series, got training scaler: none; "
        "leave series out, or set another scaler",
    ),
    "a validation part of nothing": (
        {"SETTINGS": "{as_published: {split: none, «validation: watched}}"},
        "validation: expected none, since split: none leaves no part for it, got watched; set validation: none",
    ),
    "an id that is a mark": (
        {"MODELS": "{id: «rnn as published, kind: rnn}"},
        "rnn as published: expected an id that does not end in ' as published' or ' as described', which mark what "
        "runs as published or described; "
        "rename it",
    ),
}


def problems(folder, changes):
    text = TEXT
    for name, default in {**USUAL, **changes}.items():
        text = text.replace(name, changes.get(name, default))
    place = text.find("«")
    path = folder / "x.yaml"
    path.write_text(text.replace("«", ""), encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        load(path, datasets=DATASETS, models=MODELS)
    column = place - text.rfind("\n", 0, place)
    return (text[:place].count("\n") + 1, column), [
        (each.line, each.column, each.message) for each in caught.value.problems
    ]


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be(name, tmp_path):
    changes, message = WRONG[name]
    place, found = problems(tmp_path, changes)
    assert found == [(*place, message)]


MISFITS = {
    "an answer at every step of a decoder": (
        ("sine", "encoder-decoder", "{supervision: every-step}"),
        "expected targets after the window alone, got some at each of its steps",
    ),
    "a next step that was seen": (
        ("sine", "{kind: gru, bidirectional: true}", "{supervision: every-step}"),
        "expected targets after the window alone, since bidirectional is true",
    ),
    "packed, both ways": (
        ("{kind: adding, length: 10, shortest: 5}", "{kind: lstm, bidirectional: true}", "{}"),
        "expected windows of one length, since bidirectional is true",
    ),
    "packed, state carried": (
        ("{kind: adding, length: 10, shortest: 5}", "{kind: lstm, carries_state: true}", "{}"),
        "expected windows of one length, since carries_state is true",
    ),
    "packed, a matrix of one width": (
        ("{kind: adding, length: 10, shortest: 5}", "linear-ar", "{}"),
        "expected windows of one length, got some that end early",
    ),
    **{
        f"a sum that {kind} has not seen": (
            ("{kind: adding, length: 10}", kind, "{}"),
            "expected targets of the window's own 2 channels, got 1 other values",
        )
        for kind in ("persistence", "drift", "seasonal-naive", "encoder-decoder")
    },
    "sums on the way": (
        ("{kind: adding, length: 10}", "rnn", "{supervision: every-step}"),
        "expected one target after the end, since no other is known of the sequences of adding",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_no_cell_can_do_is_said_before_it_runs(name, tmp_path):
    (dataset, model, training), message = MISFITS[name]
    text = f"name: s\ntuning: false\nsequence_lengths: [10]\ntraining: {training}\ndatasets: [{dataset}]\n"
    (tmp_path / "x.yaml").write_text(f"{text}models:\n- {model}\n")
    with pytest.raises(SuiteError) as caught:
        load(tmp_path / "x.yaml", datasets=DATASETS, models=MODELS)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (7, 3)
    assert message in problem.message


@pytest.mark.parametrize("name", ["adding", "denoise-sine", "digits"])
@pytest.mark.parametrize("changes", [{}, {"shortest": 5}], ids=["", "shortest"])
def test_what_is_declared_of_sequences_is_what_they_are(name, changes):
    kind = DATASETS[name]
    if changes and "shortest" not in kind.parameters.model_fields:
        pytest.skip("has one length")
    parameters = kind.parameters(**changes)
    found = kind.load(parameters, 0)
    values = found.inputs.shape[2], found.targets.shape[2]
    assert (kind.values or (values[0], values[0])) == values
    assert bool(kind.variable and kind.variable(parameters)) == bool(np.isnan(found.inputs).any())


def test_no_system_at_all(tmp_path):
    (tmp_path / "x.yaml").write_text("name: s\nsystems: []\n")
    with pytest.raises(SuiteError) as caught:
        load(tmp_path / "x.yaml", datasets=DATASETS, models=MODELS)
    assert str(caught.value).endswith(
        "x.yaml:2:10: systems: expected a list of at least 1, each a mapping, got an empty list"
    )
