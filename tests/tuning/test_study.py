"""Tuning: the budget, the first trial, what it may see, and the journal that a dashboard opens."""

import json
import math
from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch

from bench.cells import Cell
from bench.errors import OutOfTime
from bench.models import MODELS
from bench.models.base import Choice, FloatRange, IntegerRange
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.spec import Entry, Split, Training, Tuning
from bench.store.schema import Status, table
from bench.training.fit import Fitting, train
from bench.training.members import Fit
from bench.tuning import search, study
from bench.tuning.candidates import containing, defaults, departures, resolve, space
from bench.tuning.journal import Journal, study_name
from bench.tuning.study import StudyLog, better_half, trial_row, tune
from bench.work_clock import work_s

LENGTH = 6


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    values = np.sin(np.arange(120) / 4)[:, None]
    cut = Parts(80, 100, 120)
    return TrainingData(train_windows(values, cut, LENGTH, 1), evaluation_windows(values, cut.validation, LENGTH, 1))


def cell(kind="rnn", stated=(), **tuning):
    settings = {"trials": 5, "batch": 2, "pruner": "none", **tuning}
    return Cell(
        suite="t",
        dataset=Entry(id="sine", kind="sine", parameters={}),
        model=Entry(id=kind, kind=kind, parameters=MODELS[kind].parameters().model_dump(), stated=stated),
        sequence_length=LENGTH,
        horizon=1,
        seeds=2,
        seed=0,
        split=Split(),
        training=Training(epochs=2, batch_size=32),
        tuning=Tuning(**settings),
    )


def timeless(trial):
    row = trial_row(trial)
    return {name: value for name, value in row.items() if name != "duration_s"}


@pytest.fixture(scope="module")
def tuned(data):
    return tune(MODELS["rnn"], cell(), data)


class TestCandidates:
    def test_what_the_suite_states_is_not_tuned(self):
        assert set(space(MODELS["rnn"], cell())) == {"hidden_size", "layers", "learning_rate"}
        assert set(space(MODELS["rnn"], cell(stated=("layers",)))) == {"hidden_size", "learning_rate"}

    def test_overrides_go_to_the_model_or_to_its_training(self):
        candidate = resolve(MODELS["rnn"], cell(), {"hidden_size": 64, "learning_rate": 0.5})
        assert candidate.parameters.hidden_size == 64
        assert candidate.training.learning_rate == 0.5
        assert candidate.training.epochs == 2

    @pytest.mark.parametrize("kind", [name for name, kind in MODELS.items() if kind.search])
    def test_the_defaults_lie_in_every_search_space(self, kind):
        one = cell(kind)
        assert set(defaults(MODELS[kind], one)) == set(MODELS[kind].search)

    @pytest.mark.parametrize(
        ("choices", "value", "widened"),
        [
            (FloatRange(1e-4, 1e-2, log=True), 0.05, FloatRange(1e-4, 0.05, log=True)),
            (FloatRange(1e-4, 1e-2, log=True), 1e-5, FloatRange(1e-5, 1e-2, log=True)),
            (FloatRange(1e-4, 1e-2, log=True), 1e-4, FloatRange(1e-4, 1e-2, log=True)),
            (FloatRange(1e-4, 1e-2, log=True), 0.0, None),
            (FloatRange(0.0, 0.5), None, None),
            (IntegerRange(1, 2), 3, IntegerRange(1, 3)),
            (IntegerRange(1, 2), 2.5, None),
            (Choice((16, 32)), 48, Choice((16, 32, 48))),
            (Choice((16, 32)), 32, Choice((16, 32))),
        ],
    )
    def test_a_range_is_widened_to_the_suites_own_value(self, choices, value, widened):
        assert containing(choices, value) == widened

    def test_a_value_out_of_range_is_said(self):
        fast = replace(cell(), training=Training(epochs=2, learning_rate=0.05))
        assert departures(MODELS["rnn"], fast) == [
            "learning_rate of rnn: the suite's 0.05 is outside of 0.0001 to 0.01; tuning searches 0.0001 to 0.05"
        ]
        assert departures(MODELS["rnn"], cell()) == []


class TestStudy:
    @pytest.mark.parametrize("learning_rate", [0.05, 1e-5])
    def test_the_first_trial_is_the_cells_own_also_out_of_range(self, data, learning_rate):
        own = replace(cell(trials=3), training=Training(epochs=2, batch_size=32, learning_rate=learning_rate))
        trials = tune(MODELS["rnn"], own, data).trials
        assert trials[0].overrides == {"hidden_size": 32, "layers": 1, "learning_rate": learning_rate}
        assert all(1e-5 <= trial.overrides["learning_rate"] <= 0.05 for trial in trials)

    def test_the_budget_is_spent_exactly(self, tuned):
        assert [trial.number for trial in tuned.trials] == [0, 1, 2, 3, 4]

    def test_the_first_trial_is_the_cells_own_values(self, tuned):
        assert tuned.trials[0].overrides == {"hidden_size": 32, "layers": 1, "learning_rate": 1e-3}

    def test_the_winner_has_the_smallest_validation_error(self, tuned):
        best = min(tuned.trials, key=lambda trial: trial.fit.validation_mse)
        assert tuned.best.parameters.hidden_size == best.overrides["hidden_size"]
        assert tuned.best.training.learning_rate == best.overrides["learning_rate"]
        assert tuned.best.training.epochs == 2

    def test_a_study_repeats_itself(self, tuned, data):
        again = tune(MODELS["rnn"], cell(), data)
        assert [t.overrides for t in again.trials] == [t.overrides for t in tuned.trials]
        assert [t.fit.validation_mses for t in again.trials] == [t.fit.validation_mses for t in tuned.trials]

    @pytest.mark.parametrize("pruner", ["hyperband", "halving", "median"])
    def test_pruned_trials_are_told_and_never_win_over_complete_ones(self, data, pruner):
        long = cell(trials=12, batch=4, epochs=9, pruner=pruner)
        result = tune(MODELS["rnn"], long, data)
        states = {trial.state for trial in result.trials}
        assert states == {"complete", "pruned"}, "twelve trials of nine epochs must prune some"
        assert all(trial.fit.epochs < 9 for trial in result.trials if trial.state == "pruned")
        complete = [t.fit.validation_mse for t in result.trials if t.state == "complete"]
        winner = next(t for t in result.trials if t.overrides["learning_rate"] == result.best.training.learning_rate)
        assert winner.fit.validation_mse == min(complete)

    def test_a_trials_epochs_are_those_of_tuning(self, data):
        result = tune(MODELS["rnn"], cell(epochs=1, trials=1), data)
        assert result.trials[0].fit.epochs == 1
        assert result.best.training.epochs == 2

    def test_a_trials_budget_may_be_in_steps(self, data):
        result = tune(MODELS["rnn"], cell(steps=7, trials=2), data)
        assert [trial.fit.steps for trial in result.trials] == [7, 7]
        assert (result.best.training.epochs, result.best.training.steps) == (2, None)

    @pytest.mark.parametrize(("pruner", "rounds"), [("hyperband", "_max_resource"), ("median", "_n_warmup_steps")])
    def test_pruners_count_rounds(self, pruner, rounds):
        in_steps = replace(cell(pruner=pruner), training=Training(steps=600, validate_every=20))
        expected = {"hyperband": 30, "median": 3}[pruner]
        assert getattr(search._pruner(in_steps, in_steps.tuning), rounds) == expected

    def test_a_study_in_steps_prunes_and_goes_on_as_if_it_never_had_ended(self, data):
        one = replace(
            cell(trials=12, batch=4, pruner="hyperband"), training=Training(steps=27, batch_size=32, validate_every=3)
        )
        whole = tune(MODELS["rnn"], one, data)
        assert {trial.state for trial in whole.trials} == {"complete", "pruned"}
        assert all(trial.fit.steps == 3 * trial.fit.epochs <= 27 for trial in whole.trials)
        earlier = table("trials", map(trial_row, whole.trials[:8])).to_pylist()
        again = tune(MODELS["rnn"], one, data, log=StudyLog(earlier=earlier))
        assert list(map(timeless, again.trials)) == list(map(timeless, whole.trials))

    def test_closed_forms_are_tuned_by_the_same_study(self, data):
        result = tune(MODELS["linear-ar"], cell("linear-ar"), data)
        assert len(result.trials) == 5
        assert math.isfinite(result.trials[-1].fit.validation_mse)

    @pytest.mark.parametrize(
        "settings",
        [
            {"pruner": "hyperband"},
            {"pruner": "median"},
            {"sampler": "random"},
            {"sampler": "qmc", "pruner": "halving"},
            {"sampler": "tpe", "pruner": "halving"},
        ],
    )
    def test_a_study_that_was_ended_goes_on_as_if_it_never_had(self, data, settings):
        one = cell(trials=12, batch=4, epochs=9, **settings)
        whole = tune(MODELS["rnn"], one, data)
        earlier = table("trials", map(trial_row, whole.trials[:8])).to_pylist()
        trained = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "train", lambda *args, **options: trained.append(args) or train(*args, **options))
            halve = study.fit_by_halving
            patch.setattr(study, "fit_by_halving", lambda *args, **rest: trained.append(args) or halve(*args, **rest))
            again = tune(MODELS["rnn"], one, data, log=StudyLog(earlier=earlier))
        assert sum(len(members) for _, members, _ in trained) == 4
        assert list(map(timeless, again.trials)) == list(map(timeless, whole.trials))
        assert again.best == whole.best
        assert again.tuning_s > sum(trial.fit.fit_s for trial in whole.trials[:8])

    def test_halving_ends_the_worse_half_at_each_rung_whatever_their_shapes(self, data):
        """The rule of Jamieson & Talwalkar (2016), followed by a loop over unpruned trials of the same values.

        The first trial, slow as it is here, is compared and never pruned.
        """
        one = cell(trials=13, batch=13, epochs=16, sampler="qmc", pruner="halving")
        one = replace(one, training=one.training.model_copy(update={"learning_rate": 1e-5}))
        halved = tune(MODELS["rnn"], one, data).trials
        whole = tune(MODELS["rnn"], replace(one, tuning=one.tuning.model_copy(update={"pruner": "none"})), data).trials
        assert [trial.overrides for trial in halved] == [trial.overrides for trial in whole]
        lasts, left = [16] * 13, list(range(13))
        for rung in (1, 2, 4, 8):
            left.sort(key=lambda number: min(whole[number].fit.validation_mses[:rung]))
            for number in left[(len(left) + 1) // 2 :]:
                lasts[number] = rung
            left = left[: (len(left) + 1) // 2]
        assert lasts[0] < 16
        lasts[0] = 16
        assert [trial.fit.epochs for trial in halved] == lasts
        assert [trial.state for trial in halved] == ["complete" if last == 16 else "pruned" for last in lasts]
        for trial, full in zip(halved, whole, strict=True):
            assert trial.fit.validation_mses == pytest.approx(full.fit.validation_mses[: trial.fit.epochs], rel=1e-4)

    def test_what_stopped_early_is_compared_and_keeps_its_place(self, data):
        fits = [Fit(validation_mse=error) for error in (0.3, 0.1, 0.2, 0.1, 0.05)]
        fits[4].status = Status.DIVERGED
        assert better_half(fits, [0, 1, 2, 3, 4]) == [1, 3]
        assert better_half(fits, [0, 2, 4]) == [2]
        assert better_half(fits, [4]) == []
        patient = replace(cell(trials=8, batch=8, epochs=40, sampler="qmc", pruner="halving"))
        stopping = replace(patient, training=patient.training.model_copy(update={"early_stopping": 1}))
        states = [trial.state for trial in tune(MODELS["rnn"], stopping, data).trials]
        assert 1 <= states.count("complete") < 8

    def test_all_trials_of_a_shape_share_a_bank(self, data):
        one = cell(trials=16, batch=16, epochs=4, sampler="qmc", pruner="halving")
        banks = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "Fitting", lambda bank: banks.append(len(bank)) or Fitting(bank))
            trials = tune(MODELS["rnn"], one, data).trials
        shapes = {(trial.overrides["layers"], trial.overrides["hidden_size"]) for trial in trials}
        assert len(banks) == len(shapes)
        assert sum(banks) == 16

    def test_trials_of_other_values_are_not_taken_for_the_studys_own(self, data):
        one = cell(trials=4)
        rows = [trial_row(trial) for trial in tune(MODELS["rnn"], one, data).trials]
        for row in rows:
            row["parameters"] = row["parameters"].replace("0.001", "0.002")
            row["validation_mse_scaled"] = 0.0
        again = tune(MODELS["rnn"], one, data, log=StudyLog(earlier=rows))
        assert all(trial.fit.validation_mse > 0 for trial in again.trials[:2])

    def test_finished_batches_survive_a_passed_deadline(self, data):
        batches = []
        with pytest.raises(OutOfTime):
            tune(MODELS["rnn"], cell(trials=400), data, deadline=work_s() + 0.7, log=StudyLog(batches.append))
        assert batches


class TestJournal:
    def rows(self, tuned):
        key = {"cell_id": "abc123", "suite": "t", "dataset": "sine", "model": "rnn", "sequence_length": 6, "horizon": 1}
        return table("trials", [{**key, **trial_row(trial)} for trial in tuned.trials])

    def load(self, path, name):
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        return optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend))

    def test_the_study_reads_back_as_it_was(self, tuned, tmp_path):
        rows = self.rows(tuned)
        path = tmp_path / "studies.journal"
        Journal(path).record(rows)
        Journal(path).record(rows)  # a cell that is run again replaces its study
        study = self.load(path, study_name(rows.to_pylist()[0]))
        assert len(study.trials) == 5
        assert study.best_value == min(trial.fit.validation_mse for trial in tuned.trials)
        assert [trial.params for trial in study.trials] == [trial.overrides for trial in tuned.trials]
        assert study.trials[1].intermediate_values == dict(enumerate(tuned.trials[1].fit.validation_mses, start=1))

    def test_a_line_half_written_by_a_killed_run_is_cut(self, tuned, tmp_path):
        rows = self.rows(tuned)
        path = tmp_path / "studies.journal"
        Journal(path).record(rows)
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"op_code": 4, "worker')
        Journal(path).record(rows)
        assert len(self.load(path, study_name(rows.to_pylist()[0])).trials) == 5

    def test_rows_hold_json_that_reads_back(self, tuned):
        row = self.rows(tuned).to_pylist()[2]
        assert json.loads(row["parameters"]) == tuned.trials[2].overrides
        assert set(json.loads(row["distributions"])) == set(tuned.trials[2].overrides)
