"""Cards from made-up rows whose verdicts are known."""

from __future__ import annotations

import json

import numpy as np

from bench.replication.findings import PublishedOutcome
from bench.replication.systems import Published


def test_every_printed_number_has_its_verdict(made):
    published = Published(
        train_loss={1: 2.0, 2: 0.1}, test_rmse=1.02, parameters=97, shapes={"h_n": (1, 32, 8), "outputs": (32, 20, 8)}
    )
    rows = made.Rows().cell(
        "S1",
        "rnn as published",
        curve={1: 2.0, 2: 1.0},
        parameters=97,
        shapes=json.dumps({"h_n": [1, 32, 8], "outputs": [32, 20, 9]}),
    )
    found = made.outcomes(made.one([made.system(published=published)], rows))
    assert found == {
        "train loss at epoch 1": PublishedOutcome.REPRODUCED,
        "train loss at epoch 2": PublishedOutcome.NOT_FROM_CODE,
        "test RMSE": PublishedOutcome.REPRODUCED,
        "parameters": PublishedOutcome.REPRODUCED,
        "shape of h_n": PublishedOutcome.REPRODUCED,
        "shape of outputs": PublishedOutcome.IMPOSSIBLE,
    }


def test_what_was_not_printed_is_given(made):
    found = made.outcomes(made.one([made.system()], made.Rows().cell("S1", "rnn as published")))
    assert found == {"test MSE": PublishedOutcome.NOT_STATED}


def test_what_was_not_run_is_said(made):
    card = made.one([made.system(published=Published(test_rmse=1.0))], made.Rows())
    assert card.outcomes == [PublishedOutcome.NOT_RUN]


def test_first_target_and_prediction_are_those_of_the_smallest_index(made):
    published = Published(first_target=0.5, first_prediction=0.4)
    truth = np.linspace(0.5, 0.9, 9)
    rows = made.Rows().cell("S1", "rnn as published").prediction("S1", "rnn as published", truth, truth - 0.1)
    found = made.outcomes(made.one([made.system(published=published)], rows))
    assert found["first target"] is PublishedOutcome.REPRODUCED
    assert found["prediction of the first target"] is PublishedOutcome.REPRODUCED


def test_systems_of_one_first_word_share_a_card(made):
    first, second = made.system("S1"), made.system("S1 variant")
    rows = made.Rows().cell("S1", "rnn as published").cell("S1 variant", "rnn as published").cell("S1", "rnn")
    card = made.one([first, second], rows)
    assert [run.system for run in card.runs] == ["S1", "S1 variant"]
    assert [cell.model for cell in card.protocol] == ["rnn"]
