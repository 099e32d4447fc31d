"""Each departure from the protocol, against a plain loop: in windows, scaling and training; and the other tasks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from bench.cells import Cell
from bench.data import DATASETS
from bench.errors import DataError
from bench.models import MODELS
from bench.protocol.examples import Selection, TrainingData, shape_of
from bench.protocol.prepare import load_data, prepare
from bench.protocol.windows import Scaler, check_length, divided, evaluation_windows, train_windows
from bench.running.cell import run_cell
from bench.spec import AsPublished, Entry, Split, Training
from bench.training.batches import Epochs, TensorWindows, targets_ahead
from bench.training.fit import train
from bench.training.members import Member


def prepare_data(cell):
    return prepare(cell, load_data(cell))


def make(dataset, model, *, data=None, length=20, **changes):
    def entry(kinds, kind, given):
        complete = kinds[kind].parameters.model_validate(given or {})
        return Entry(id=kind, kind=kind, parameters=complete.model_dump(mode="json"), stated=tuple(given or ()))

    settings = {
        "sequence_length": length,
        "horizon": 1,
        "seeds": 2,
        "seed": 0,
        "split": Split(),
        "training": Training(epochs=2),
        "tuning": None,
    }
    parameters = {"hidden_size": 4} if MODELS[model].gradient else {}
    return Cell("s", entry(DATASETS, dataset, data), entry(MODELS, model, parameters), **{**settings, **changes})


class TestWindows:
    def test_of_the_first_published_system(self):
        """Train part 800, windows len - L - 1 of each part, the test part begins one sequence length earlier."""
        values, length = np.arange(1000.0), 30
        train, test = values[:800], values[800 - length :]
        expected = [part[i + length] for part in (train, test) for i in range(len(part) - length - 1)]
        departures = AsPublished(windows="minus-one", validation="none")
        cut = check_length(1000, Split(test=0.2), length, 1, as_published=departures)
        first = train_windows(values[:, None], cut, length, 1)
        second = evaluation_windows(values[:, None], cut.test, length, 1)
        assert (len(first), len(second)) == (800 - 31, 230 - 31)
        np.testing.assert_array_equal(np.concatenate([first.truth(), second.truth()])[:, 0], expected)

    def test_parts_that_no_window_reaches_out_of(self):
        """Closes of 1259 days, 80 % train, windows len - L - 1 of each part on its own."""
        values, length = np.arange(1259.0), 100
        train, test = values[:1007], values[1007:]
        expected = [[part[i + length] for i in range(len(part) - length - 1)] for part in (train, test)]
        departures = AsPublished(split="apart", windows="minus-one", validation="none")
        cut = check_length(1259, Split(test=0.2), length, 1, as_published=departures)
        first = train_windows(values[:, None], cut, length, 1)
        second = evaluation_windows(values[:, None], cut.test, length, 1)
        np.testing.assert_array_equal(first.truth()[:, 0], expected[0])
        np.testing.assert_array_equal(second.truth()[:, 0], expected[1])
        assert (len(first), len(second)) == (906, 151)
        with pytest.raises(DataError, match=r"test has 9 points, but one window .* needs 11 of its own"):
            check_length(90, Split(test=9), 10, 1, as_published=AsPublished(split="apart", validation="none"))

    def test_windows_cut_into_parts_in_order(self):
        """All windows first, then 80 % of them."""
        values, length = np.sin(np.linspace(0, 100, 500)), 20
        y = [values[i + length] for i in range(len(values) - length)]
        split = int(0.8 * len(y))
        cut = divided(500, Split(test=0.2), AsPublished(split="windows", validation="none"), length)
        series = values[:, None]
        np.testing.assert_array_equal(train_windows(series, cut, length, 1).truth()[:, 0], y[:split])
        np.testing.assert_array_equal(evaluation_windows(series, cut.test, length, 1).truth()[:, 0], y[split:])

    def test_nothing_held_out(self):
        values = np.arange(50.0)[:, None]
        cut = divided(50, Split(), AsPublished(split="none", validation="none"), 10)
        every = np.arange(10.0, 50.0)
        for windows in (train_windows(values, cut, 10, 1), evaluation_windows(values, cut.test, 10, 1)):
            np.testing.assert_array_equal(windows.truth()[:, 0], every)
        assert cut.validation.stop <= cut.validation.start

    def test_of_the_encoder_decoder(self):
        """2000 points, the last 50 held out, 5 in and 2 out: (1944, 5, 1) and (1944, 2, 1)."""
        cut = divided(2000, Split(test=50), AsPublished(validation="none"), 5)
        windows = train_windows(np.zeros((2000, 1)), cut, 5, 2)
        assert windows.inputs(slice(None)).shape == (1944, 5, 1)
        assert windows.targets(slice(None)).shape == (1944, 2, 1)


def test_a_scaler_may_see_the_test_part():
    kept, leaky = (
        prepare_data(make("gbm", "rnn", data={"length": 300}, as_published=AsPublished(scaler=which)))
        for which in ("train", "series")
    )
    values = leaky.source.values
    assert leaky.data.train.values.min() == 0
    assert leaky.data.train.values.max() == 1
    np.testing.assert_allclose(leaky.inverse(leaky.data.train.values), values)
    assert not np.array_equal(kept.data.train.values, leaky.data.train.values)


def test_a_scaler_may_see_the_test_part_of_sequences():
    few = {"data": {"count": 40}, "length": 100, "split": Split(test=0.85, validation=0.05)}
    kept, leaky = (
        prepare_data(make("denoise-sine", "rnn", **few, as_published=AsPublished(scaler=which)))
        for which in ("train", "series")
    )
    part = kept.data.train.places
    own = kept.data.train.all_inputs[part.start : part.stop]
    every = leaky.data.train.all_inputs
    np.testing.assert_allclose([own.min(), own.max(), every.min(), every.max()], [0, 1, 0, 1], atol=1e-6)
    assert not np.array_equal(kept.data.train.all_inputs, every)


@pytest.mark.parametrize(("kind", "low", "high"), [("minmax", 0.0, 1.0), ("symmetric", -1.0, 1.0), ("none", -3.0, 5.0)])
def test_scalers(kind, low, high):
    values = np.array([[-3.0], [1.0], [5.0]])
    scaled = Scaler.fit(kind, values).transform(values)
    np.testing.assert_allclose(scaled[:, 0], [low, (low + high) / 2, high])


class TestTargets:
    @pytest.mark.parametrize(("same", "offset"), [(False, None), (True, 0)])
    def test_of_every_step(self, same, offset):
        values = np.arange(40.0)[:, None]
        cut = divided(40, Split(validation=5, test=5), AsPublished(), 6)
        train_part = train_windows(values, cut, 6, 1)
        departures = AsPublished(targets="same-at-every-step" if same else "own")
        data = TrainingData(train_part, None, departures)
        shape = shape_of(data, Training(supervision="last" if same else "every-step"))
        assert shape.every_step
        assert shape.targets == (6, 1)
        tensors = TensorWindows(train_part, torch.from_numpy(values).float(), targets_ahead(shape, departures))
        x, y = tensors.batch(np.array([0, 3]))
        following = x + 1 if offset is None else x[:, -1:] + 1 + torch.zeros_like(x)
        torch.testing.assert_close(y, following)

    def test_the_last_step_is_the_forecast(self):
        cell = make("noisy-sine", "rnn", training=Training(epochs=1, supervision="every-step"))
        prepared = prepare_data(cell)
        member = Member(MODELS["rnn"].parameters(hidden_size=4), cell.training, 0, ("replicate", 0))
        trained = train(MODELS["rnn"], [member], prepared.data)
        assert trained.predict(prepared.test).shape == (1, len(prepared.test), 1)


class TestEpochs:
    def test_in_order_and_all_at_once(self):
        generator = np.random.default_rng(0)
        epochs = Epochs(10, Training(batch_size="all"), AsPublished(order="in-order"))
        order = epochs.order(generator)[None]
        (batch,) = epochs.batches(order)
        np.testing.assert_array_equal(batch, np.arange(10)[None])

    @pytest.mark.parametrize(("last", "sizes"), [("kept", [4, 4, 2]), ("dropped", [4, 4])])
    def test_a_last_batch_that_is_not_full(self, last, sizes):
        epochs = Epochs(10, Training(batch_size=4), AsPublished(last_batch=last))
        order = epochs.order(np.random.default_rng(0))[None]
        assert sorted(order[0]) == list(range(10))
        assert [batch.shape[1] for batch in epochs.batches(order)] == sizes

    @pytest.mark.parametrize(("count", "stride", "size"), [(100, 5, 4), (97, 10, 3), (50, 7, 64), (9, 10, 4)])
    def test_carried_state_meets_the_window_that_follows(self, count, stride, size):
        epochs = Epochs(count, Training(batch_size=size), AsPublished(), stride)
        batches = list(epochs.batches(epochs.order(np.random.default_rng(0))[None]))
        assert {batch.shape for batch in batches} == {batches[0].shape}
        for one, following in pairwise(batches):
            np.testing.assert_array_equal(following, one + stride)
        seen = np.concatenate(batches, axis=1)[0]
        assert len(set(seen)) == len(seen)
        assert seen.max() < count
        assert len(seen) >= -(-count // stride) - size


class TestFit:
    @pytest.mark.parametrize("how", ["none", "watched"])
    def test_the_last_weights_are_kept(self, how):
        """Against a plain loop of torch: full batches in order, Adam, no validation."""
        cell = make(
            "noisy-sine",
            "gru",
            length=8,
            data={"length": 60},
            training=Training(epochs=5, batch_size="all", learning_rate=0.1, clip_norm=None, early_stopping=1),
            as_published=AsPublished(validation=how, order="in-order"),
        )
        prepared = prepare_data(cell)
        member = Member(MODELS["gru"].parameters(hidden_size=4), cell.training, 0, ("replicate", 0))
        trained = train(MODELS["gru"], [member], prepared.data)
        (fit,) = trained.fits
        assert fit.epochs == fit.best_epoch == 5
        assert np.isnan(fit.validation_mses).all() == (how == "none")

        torch.manual_seed(member.integer("initialisation"))
        layer, head = torch.nn.GRU(1, 4, batch_first=True), torch.nn.Linear(4, 1)
        optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.1)
        x, y = (torch.tensor(part.copy(), dtype=torch.float32) for part in (
            prepared.data.train.inputs(slice(None)), prepared.data.train.targets(slice(None))))  # fmt: skip
        losses = []
        for _ in range(5):
            loss = torch.nn.functional.mse_loss(head(layer(x)[0][:, -1])[:, None], y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        np.testing.assert_allclose(fit.train_losses, losses, rtol=2e-4)
        test = torch.tensor(prepared.test.inputs(slice(None)).copy(), dtype=torch.float32)
        expected = head(layer(test)[0][:, -1]).detach().numpy()
        np.testing.assert_allclose(trained.predict(prepared.test)[0], expected, atol=1e-4)


def test_rows_are_marked():
    rows = run_cell(make("noisy-sine", "rnn", as_published=AsPublished(scaler="series", order="in-order")))["runs"]
    assert set(rows["departures"].to_pylist()) == {"scaler: series, order: in-order"}
    assert set(run_cell(make("noisy-sine", "rnn"))["runs"]["departures"].to_pylist()) == {None}


def test_each_replicate_may_have_data_of_its_own():
    rows = run_cell(make("random", "rnn", fresh_data=True, seeds=3))["runs"].to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert len({row["data_sha256"] for row in rows}) == len({row["data_seed"] for row in rows}) == 3
    shared = run_cell(make("random", "rnn", seeds=3))["runs"].to_pylist()
    assert len({row["data_sha256"] for row in shared}) == 1
    # One bank of one member, and one of three: on some processors their sums are taken in another order.
    assert rows[0]["mse"] == pytest.approx(shared[0]["mse"], rel=1e-6)


class TestOtherTasks:
    def test_classes_against_a_plain_count(self):
        cell = make("digits", "lstm", length=8, training=Training(epochs=3, learning_rate=0.02))
        rows = run_cell(cell)
        for row in rows["runs"].to_pylist():
            assert (row["status"], row["task"]) == ("ok", "classify")
            assert row["accuracy"] > 0.2  # of 10 classes
            assert row["directional_accuracy"] is None
            shown = rows["predictions"].filter(np.asarray(rows["predictions"]["seed"]) == row["seed"])
            p = np.asarray(shown["prediction"]).reshape(-1, 10)
            np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
            assert len(p) == 100

    def test_errors_of_classes_are_those_of_scikit_learn(self):
        from sklearn.metrics import accuracy_score, log_loss

        prepared = prepare_data(make("digits", "mean", length=8))
        compared = prepared.compared(False)
        truth = prepared.test.truth()
        p = np.random.default_rng(0).dirichlet(np.ones(10), size=len(truth))
        found = compared.errors(p)
        labels = truth.argmax(axis=1)
        assert found["accuracy"] == accuracy_score(labels, p.argmax(axis=1))
        assert found["log_loss"] == pytest.approx(log_loss(labels, p, labels=range(10)))
        assert found["mse"] == pytest.approx(np.mean((p - truth) ** 2))
        shares = np.bincount(prepared.data.train.truth().argmax(axis=1), minlength=10) / len(prepared.data.train)
        assert found["persistence_mse"] == pytest.approx(np.mean((shares - truth) ** 2))

    def test_denoising_is_measured_against_the_noisy_value_and_the_bayes_estimate(self):
        cell = make("denoise-sine", "gru", length=100, data={"count": 60}, training=Training(epochs=1))
        prepared = prepare_data(cell)
        compared = prepared.compared(False)
        found = compared.errors(compared.persistence)
        assert found["mse"] == found["persistence_mse"] == pytest.approx(0.35**2 / 3, rel=0.1)
        assert 0 < found["noise_floor_mse"] < found["mse"] / 10
        assert isinstance(prepared.test, Selection)
        assert {row["status"] for row in run_cell(cell)["runs"].to_pylist()} == {"ok"}

    def test_scaling_goes_there_and_back(self):
        prepared = prepare_data(make("denoise-sine", "gru", length=100, data={"count": 60}))
        truth = prepared.inverse(prepared.test.truth())
        np.testing.assert_allclose(truth, prepared.compared(False).truth, atol=1e-6)


def test_a_model_that_cannot_do_the_task_is_refused(tmp_path):
    from bench.errors import SuiteError
    from bench.suite.load import load

    path = tmp_path / "x.yaml"
    path.write_text("name: x\ndatasets: [digits]\nmodels: [drift]\nsequence_lengths: [8]\n")
    with pytest.raises(SuiteError, match="drift: digits asks to classify, and drift can only forecast"):
        load(path, datasets=DATASETS, models=MODELS)
    path.write_text("name: x\ndatasets: [digits]\nmodels: [mean]\nsequence_lengths: [9]\n")
    with pytest.raises(SuiteError, match="expected sequence_length 8 and horizon 1"):
        load(path, datasets=DATASETS, models=MODELS)


def test_a_series_of_nothing_but_windows_is_too_short():
    with pytest.raises(DataError, match="one window of sequence_length 5"):
        check_length(12, Split(validation=2, test=4), 5, 1, as_published=AsPublished(windows="minus-one"))
