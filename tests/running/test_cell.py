"""One cell, from spec to rows: the numbers, the statuses, and the same rows whatever happens around it."""

import dataclasses
import json
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.cells import Cell
from bench.data import DATASETS
from bench.models import MODELS
from bench.protocol import prepare as prepared_module
from bench.running import cell as cell_module, rows as rows_module
from bench.running.cell import run_cell
from bench.spec import Entry, Split, Training, Tuning
from bench.store.schema import SCHEMAS, Status

VOLATILE = {"fit_s", "predict_s", "tuning_s", "peak_memory_bytes", "machine_reference_s", "started_at", "duration_s"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def entry(kinds, kind, **given):
    parameters = kinds[kind].parameters(**given).model_dump(mode="json")
    return Entry(id=kind, kind=kind, parameters=parameters, stated=tuple(sorted(given)))


def make(dataset="noisy-sine", model="rnn", *, data=None, settings=None, **changes):
    values = {
        "suite": "t",
        "dataset": entry(DATASETS, dataset, **(data or {})),
        "model": entry(MODELS, model, **(settings or {})),
        "sequence_length": 8,
        "horizon": 1,
        "seeds": 2,
        "seed": 0,
        "split": Split(validation=0.1, test=0.2),
        "training": Training(epochs=2),
        "tuning": None,
    }
    return Cell(**values | changes)


def rows_of(cell, table="runs"):
    return run_cell(cell)[table].to_pylist()


def stable(rows):
    return [
        {name: value for name, value in row.items() if name not in VOLATILE}
        for table in sorted(SCHEMAS)
        for row in rows[table].to_pylist()
    ]


class TestNumbers:
    def test_persistence_errors_equal_the_closed_form(self):
        cell = make(model="persistence")
        series = DATASETS["noisy-sine"].load(DATASETS["noisy-sine"].parameters(), 0).values[:, 0]
        expected = np.mean(np.diff(series)[-200:] ** 2)
        for row in rows_of(cell):
            assert row["status"] == "ok"
            assert row["mse"] == pytest.approx(expected, rel=1e-12)
            assert row["rmse"] == pytest.approx(np.sqrt(expected), rel=1e-12)
            assert row["persistence_mse"] == pytest.approx(expected, rel=1e-12)
            assert row["skill"] == pytest.approx(0, abs=1e-12)
            spread = np.ptp(series[:-200])
            assert row["error_scale"] == pytest.approx(spread)
            assert row["mse_scaled"] == pytest.approx(expected / spread**2, rel=1e-9)

    @pytest.mark.parametrize("horizon", [1, 3, 7])
    def test_persistence_over_a_horizon_repeats_the_last_input(self, horizon):
        rows = run_cell(make(model="persistence", horizon=horizon))
        series = DATASETS["noisy-sine"].load(DATASETS["noisy-sine"].parameters(), 0).values[:, 0]
        first = rows["predictions"].filter(rows["predictions"]["seed"].to_numpy() == 0).to_pylist()
        assert [row["index"] for row in first] == list(range(800, 1000))
        for row in first:
            assert row["step"] == (row["index"] - 800) % horizon + 1
            last = series[row["index"] - row["step"]]
            assert row["truth"] == series[row["index"]]
            assert row["persistence"] == last
            assert row["prediction"] == pytest.approx(last, rel=1e-12)

    def test_the_noise_floor_is_the_error_of_the_clean_signal(self):
        row = rows_of(make(model="persistence"))[0]
        t = np.arange(0, 100, 0.1)
        series = DATASETS["noisy-sine"].load(DATASETS["noisy-sine"].parameters(), 0).values[:, 0]
        assert row["noise_floor_mse"] == pytest.approx(np.mean((series - np.sin(t))[-200:] ** 2), rel=1e-9)

    def test_the_best_linear_forecast_is_that_of_the_window(self):
        # At step 3 of each window of one point: a sine of random phase with noise, from its value 1, 2, 3 steps ago.
        row = rows_of(make(model="persistence", sequence_length=1, horizon=3))[0]
        shared = [0.5 * np.cos(0.1 * (i % 3 + 1)) for i in range(200)]
        assert row["linear_floor_mse"] == pytest.approx(np.mean([0.51 - r**2 / 0.51 for r in shared]), rel=1e-8)

    def test_the_stored_predictions_give_the_stored_errors(self):
        rows = run_cell(make(horizon=3))
        predictions = rows["predictions"].to_pandas()
        for row in rows["runs"].to_pylist():
            mine = predictions[predictions["seed"] == row["seed"]]
            assert row["mse"] == pytest.approx(((mine["truth"] - mine["prediction"]) ** 2).mean(), rel=1e-12)
            assert row["mae"] == pytest.approx((mine["truth"] - mine["prediction"]).abs().mean(), rel=1e-12)

    def test_curves_hold_every_epoch_of_every_replicate(self):
        curves = rows_of(make(), "curves")
        assert [(row["seed"], row["epoch"]) for row in curves] == [(0, 1), (0, 2), (1, 1), (1, 2)]

    def test_a_budget_in_steps_has_a_row_of_curves_for_each_validation(self):
        cell = make(training=Training(steps=25, validate_every=10), tuning=Tuning(trials=2, batch=2, steps=8))
        rows = run_cell(cell)
        assert [(run["steps"], run["epochs"]) for run in rows["runs"].to_pylist()] == [(25, 3), (25, 3)]
        assert [(row["seed"], row["epoch"]) for row in rows["curves"].to_pylist()] == [
            (seed, number) for seed in (0, 1) for number in (1, 2, 3)
        ]
        assert [trial["epochs"] for trial in rows["trials"].to_pylist()] == [1, 1]  # eight steps end in one validation
        chosen = json.loads(rows["runs"]["hyperparameters"][0].as_py())
        assert (chosen["epochs"], chosen["steps"], chosen["validate_every"]) == (None, 25, 10)

    def test_steps_are_counted_whatever_the_budget_and_a_closed_form_has_none(self):
        assert [row["steps"] for row in rows_of(make())] == [22, 22]  # 692 windows in batches of 64, twice
        assert [row["steps"] for row in rows_of(make(model="linear-ar"))] == [0, 0]

    def test_a_deterministic_model_gives_one_fit_for_every_seed(self):
        rows = rows_of(make(model="linear-ar", seeds=3))
        assert [row["seed"] for row in rows] == [0, 1, 2]
        assert len({row["mse"] for row in rows}) == 1
        assert all(row["deterministic"] for row in rows)

    def test_teacher_forced_prediction_is_measured_against_one_step_persistence(self):
        settings = {"prediction": "teacher-forced"}
        rows = run_cell(make(model="encoder-decoder", settings=settings, horizon=4))
        predictions = rows["predictions"].to_pandas().query("seed == 0")
        truth, persistence = predictions["truth"].to_numpy(), predictions["persistence"].to_numpy()
        np.testing.assert_array_equal(persistence[1:], truth[:-1])

    def test_the_best_linear_forecast_sees_the_true_values_that_the_model_is_shown(self):
        """One step ahead from 8, 9, 10 and 11 points of a noisy sine, by the inverse of their covariance."""
        settings = {"prediction": "teacher-forced"}
        row = rows_of(make(model="encoder-decoder", settings=settings, horizon=4))[0]
        floors = []
        for points in range(8, 12):
            lags = np.abs(np.subtract.outer(np.arange(points), np.arange(points)))
            covariance = 0.5 * np.cos(0.1 * lags) + 0.01 * (lags == 0)
            shared = 0.5 * np.cos(0.1 * np.arange(1, points + 1))
            floors.append(0.51 - shared @ np.linalg.solve(covariance, shared))
        assert row["linear_floor_mse"] == pytest.approx(np.mean(floors), rel=1e-6)
        free = rows_of(make(model="encoder-decoder", horizon=4))[0]
        assert free["linear_floor_mse"] > row["linear_floor_mse"]

    def test_the_sums_of_every_test_sequence_give_the_stored_errors(self):
        split = Split(validation=50, test=150)
        rows = run_cell(make("denoise-sine", "gru", data={"count": 400}, sequence_length=100, split=split))
        sums = rows["sequences"].to_pandas()
        assert len(rows["predictions"]) == 2 * 100 * 100  # of 100 sequences of 100 steps
        for row in rows["runs"].to_pylist():
            own = sums[sums["seed"] == row["seed"]]
            assert own["index"].tolist() == list(range(250, 400))
            assert row["test_points"] == own["targets"].sum()
            for column, total in (("mse", "squared_error"), ("mae", "absolute_error")):
                assert row[column] == pytest.approx(own[total].sum() / own["targets"].sum(), rel=1e-12)
            persistence = own["persistence_squared_error"].sum() / own["targets"].sum()
            assert row["persistence_mse"] == pytest.approx(persistence, rel=1e-12)
            assert own["predicted_class"].isna().all()

    def test_the_sums_of_classes_give_accuracy_and_log_loss(self):
        rows = run_cell(make("digits", "lstm", sequence_length=8))
        sums = rows["sequences"].to_pandas()
        for row in rows["runs"].to_pylist():
            own = sums[sums["seed"] == row["seed"]]
            assert len(own) == row["test_points"]
            assert row["accuracy"] == (own["true_class"] == own["predicted_class"]).mean()
            assert row["log_loss"] == pytest.approx(own["log_loss"].mean(), rel=1e-12)
            assert row["mse"] == pytest.approx(own["squared_error"].sum() / own["targets"].sum(), rel=1e-12)

    def test_a_series_has_no_sums_of_sequences(self):
        assert rows_of(make(model="persistence"), "sequences") == []


class TestReproducibility:
    def test_a_cell_repeats_itself_to_the_bit(self):
        cell = make(tuning=Tuning(trials=3, batch=2))
        assert stable(run_cell(cell)) == stable(run_cell(cell))

    def test_what_ran_before_changes_nothing(self):
        cell = make()
        first = stable(run_cell(cell))
        torch.manual_seed(99)
        np.random.seed(99)  # noqa: NPY002 - somebody else's global state, on purpose
        run_cell(make(model="gru"))
        assert stable(run_cell(cell)) == first

    def test_another_seed_gives_other_numbers(self):
        one, other = rows_of(make(seed=0))[0], rows_of(make(seed=1))[0]
        assert one["data_sha256"] != other["data_sha256"]
        assert one["mse"] != other["mse"]

    @pytest.mark.parametrize("changes", [{}, {"fresh_data": True}, {"tuning": Tuning(trials=2, batch=2)}])
    @pytest.mark.parametrize("model", ["rnn", "lstm"])
    def test_fewer_seeds_are_the_first_of_more(self, model, changes):
        """Replicate 2 of 3 is replicate 2 of 10; sums of a larger bank may round otherwise."""
        few, many = (rows_of(make(model=model, seeds=seeds, **changes)) for seeds in (3, 10))
        for column in ("mse", "validation_mse_scaled", "data_seed", "best_epoch"):
            expected = [row[column] for row in many[:3]]
            assert [row[column] for row in few] == pytest.approx(expected, rel=1e-5)
        assert len({row["mse"] for row in many}) == 10


class TestProvenance:
    def test_a_row_says_what_was_run(self):
        cell = make(tuning=Tuning(trials=2, batch=2, epochs=1))
        row = rows_of(cell)[0]
        assert row["cell_id"] == cell.id
        assert json.loads(row["spec"]) == json.loads(cell.spec)
        chosen = json.loads(row["hyperparameters"])
        assert chosen["epochs"] == 2
        assert chosen["hidden_size"] in (8, 16, 32, 64)
        assert (row["trials"], row["train_windows"], row["validation_points"], row["test_points"]) == (2, 692, 100, 200)
        assert row["parameters"] > 0
        assert row["peak_memory_bytes"] > 50e6


class TestFailures:
    def test_a_member_that_diverges_leaves_a_row_with_advice(self):
        wild = Training(epochs=2, learning_rate=1e30, clip_norm=None)
        for row in rows_of(make(training=wild)):
            assert row["status"] == "diverged"
            assert row["mse"] is None
            assert "lower learning_rate" in row["reason"]

    def test_when_every_trial_diverges_the_cell_says_so(self, monkeypatch):
        monkeypatch.setattr(cell_module, "space", lambda kind, cell: {"learning_rate": 1})
        import bench.tuning.study as study_module

        def diverged(kind, bank, data, **options):
            from bench.training.fit import Trained
            from bench.training.members import Fit

            fits = [Fit(status=Status.DIVERGED) for _ in bank]
            return Trained(fits, lambda windows: None, [0] * len(bank), how="as one")

        monkeypatch.setattr(study_module, "train", diverged)
        rows = run_cell(make(tuning=Tuning(trials=2)))
        assert {row["status"] for row in rows["runs"].to_pylist()} == {"diverged"}
        assert "every trial" in rows["runs"].to_pylist()[0]["reason"]
        assert [row["state"] for row in rows["trials"].to_pylist()] == ["failed", "failed"]

    def test_a_passed_time_limit_keeps_the_finished_trials(self):
        cell = make(tuning=Tuning(trials=20_000, batch=2, epochs=1), time_limit_s=1.5)
        rows = run_cell(cell)
        assert {row["status"] for row in rows["runs"].to_pylist()} == {"timeout"}
        assert "raise time_limit_s" in rows["runs"].to_pylist()[0]["reason"]
        assert len(rows["trials"]) >= 2

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (MemoryError("no"), "out_of_memory"),
            (
                RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
                "out_of_memory",
            ),
            (RuntimeError("CUDA out of memory."), "out_of_memory"),
            (ZeroDivisionError("odd"), "failed"),
        ],
    )
    def test_what_goes_wrong_is_classified(self, monkeypatch, error, status):
        def boom(*args, **kwargs):
            raise error

        monkeypatch.setattr(cell_module, "train", boom)
        rows = rows_of(make(seeds=3))
        assert [row["status"] for row in rows] == [status] * 3
        assert "\n" not in rows[0]["reason"]

    def test_an_unforeseen_error_names_its_kind_and_place(self, monkeypatch):
        monkeypatch.setattr(cell_module, "train", lambda *args, **kwargs: 1 / 0)
        reason = rows_of(make())[0]["reason"]
        assert reason.startswith("ZeroDivisionError at test_cell.py:")

    def test_a_seed_that_its_column_cannot_hold_is_a_row_all_the_same(self, monkeypatch):
        kind = DATASETS["random"]

        def load(parameters, seed):
            series = kind.load(parameters, seed)
            return dataclasses.replace(series, provenance=dataclasses.replace(series.provenance, seed=10**20))

        monkeypatch.setitem(DATASETS, "random", dataclasses.replace(kind, load=load))
        rows = run_cell(make("random", "persistence"))
        assert rows["runs"]["status"].to_pylist() == ["failed"] * 2
        assert rows["runs"]["seed"].to_pylist() == [0, 1]
        assert all(reason.startswith("its rows cannot be stored: ") for reason in rows["runs"]["reason"].to_pylist())
        assert rows["predictions"].num_rows == 0

    def test_a_machine_that_does_not_tell_its_environment_leaves_a_row(self, monkeypatch):
        def silent(device):
            raise RuntimeError("no CUDA driver")

        monkeypatch.setattr(rows_module, "environment", silent)
        (row, _) = rows_of(make(model="persistence"))
        assert row["status"] == "failed"
        assert "no CUDA driver" in row["reason"]

    def test_a_series_too_short_is_invalid_data(self):
        rows = rows_of(make("random", data={"length": 20}, sequence_length=40))
        assert {row["status"] for row in rows} == {"invalid_data"}
        assert "sequence_length 40 + horizon 1 needs 41" in rows[0]["reason"]

    def test_data_that_changed_since_it_was_fingerprinted_is_refused(self):
        row = rows_of(make(data_sha256="0" * 64))[0]
        assert row["status"] == "invalid_data"
        assert "expected data with SHA-256 000" in row["reason"]


class TestCausality:
    """Perturb everything after time t: predictions up to t must not move."""

    @pytest.mark.parametrize(
        "model",
        sorted(n for n, kind in MODELS.items() if "forecast" in kind.tasks and not kind.missing(kind.parameters())),
    )
    def test_the_future_cannot_move_the_past(self, model, monkeypatch):
        kind = DATASETS["random"]
        original = kind.load(kind.parameters(length=160), 0)
        first_changed = 140  # in the test part, which begins at 128

        def spoiled(parameters, seed):
            values = original.values.copy()
            values[first_changed:] = 1000.0
            return type(original)(values, original.provenance)

        clean = run_cell(make("random", model, data={"length": 160}))
        changed_kind = type(kind)(kind.summary, kind.parameters, spoiled)
        monkeypatch.setattr(prepared_module, "dataset_kinds", lambda: {"random": changed_kind})
        spoiled_rows = run_cell(make("random", model, data={"length": 160}))
        for rows in (clean, spoiled_rows):
            assert {row["status"] for row in rows["runs"].to_pylist()} == {"ok"}
        before, after = (rows["predictions"].to_pandas() for rows in (clean, spoiled_rows))
        past = before["index"] <= first_changed
        assert past.sum() == 2 * 13
        np.testing.assert_array_equal(before["prediction"][past], after["prediction"][past])
        # The mean never moves, nor does the ARIMA of independent noise, whose orders are 0.
        assert not np.array_equal(before["prediction"], after["prediction"]) or model in ("mean", "auto-arima")


class TestAnswers:
    """What a model of others answers is looked at before it counts."""

    @staticmethod
    def _row(monkeypatch, change, **settings):
        """The first row of a mean that `change` has changed."""

        def build(parameters, shape):
            model = MODELS["mean"].build(parameters, shape)
            change(model)
            return model

        monkeypatch.setattr(cell_module, "model_kinds", lambda: {"mean": replace(MODELS["mean"], builder=build)})
        return rows_of(make(model="mean", **settings))[0]

    def test_complex_predictions_are_not_ok(self, monkeypatch):
        def change(model):
            predict = model.predict
            model.predict = lambda x: predict(x) * (1 + 1j)

        row = self._row(monkeypatch, change)
        assert (row["status"], row["mse"]) == ("failed", None)
        assert row["reason"].startswith("expected predictions that are real numbers, got complex128; correct")

    @pytest.mark.parametrize(
        ("count", "status"),
        [("many", "failed"), (-1, "failed"), (True, "failed"), (2.5, "failed"), (np.int64(3), "ok")],
    )
    def test_a_parameter_count_is_a_number_of_something(self, monkeypatch, count, status):
        row = self._row(monkeypatch, lambda model: setattr(model, "parameter_count", lambda: count))
        assert row["status"] == status
        assert row["parameters"] == (3 if status == "ok" else None)

    def test_a_model_that_wants_to_end_the_program_ends_its_cell(self, monkeypatch):
        def change(model):
            model.fit = lambda batches: sys.exit(3)

        row = self._row(monkeypatch, change)
        assert row["status"] == "crashed"
        assert row["reason"].startswith("SystemExit at test_cell.py:")
        assert "sys.exit(3) was called; that was raised by code that was given to bench" in row["reason"]

    def test_one_call_that_takes_longer_than_the_limit_is_not_ok(self, monkeypatch):
        def change(model):
            fit = model.fit
            model.fit = lambda batches: (time.sleep(1.0), fit(batches))

        assert self._row(monkeypatch, change, time_limit_s=0.5)["status"] == "timeout"

    def test_an_error_that_cannot_say_what_it_is_is_a_row(self, monkeypatch):
        class Mute(Exception):
            def __str__(self):
                raise ValueError

        def change(model):
            def fit(batches):
                raise Mute

            model.fit = fit

        assert "it cannot say what is wrong" in self._row(monkeypatch, change)["reason"]
