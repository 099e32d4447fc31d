"""The bank and its fit: every member gets what a plain torch loop gives it, alone or in company."""

import math
import weakref
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import OutOfTime
from bench.models import MODELS
from bench.models.base import ModelKind, Parameters, Shape
from bench.models.parameters import RecurrentParameters
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.spec import Training
from bench.store.schema import Status
from bench.training.bank import Bank
from bench.training.fit import fit, train
from bench.training.members import BANKS, Member, group
from bench.training.steppers import kept_bytes
from bench.work_clock import work_s

LENGTH, HORIZON = 8, 2
SHAPE = Shape(LENGTH, HORIZON, 1)
SETTINGS = Training(epochs=3, batch_size=16, learning_rate=0.01)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    values = np.sin(np.arange(160) / 5)[:, None] + np.random.default_rng(0).normal(0, 0.1, (160, 1))
    cut = Parts(100, 130, 160)
    return TrainingData(
        train_windows(values, cut, LENGTH, HORIZON), evaluation_windows(values, cut.validation, LENGTH, HORIZON)
    )


def member(number, settings=SETTINGS, **parameters):
    return Member(RecurrentParameters(hidden_size=6, **parameters), settings, 5, ("replicate", number))


def bank_of(members, data, kind="lstm", **options):
    return Bank(MODELS[kind], SHAPE, members, data=data, **options)


def plain_torch_loop(kind, one, data):
    """The same training, written out: module, Adam, shuffled windows, gradient clipping."""
    with torch.random.fork_rng():
        torch.manual_seed(one.integer("initialisation"))
        module = kind.build(one.parameters, SHAPE)
    settings = one.training
    adam = torch.optim.Adam(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    x = torch.tensor(data.train.inputs(slice(None)).copy(), dtype=torch.float32)
    y = torch.tensor(data.train.targets(slice(None)), dtype=torch.float32)
    order = one.generator("order")
    losses = []
    for _ in range(settings.epochs):
        shuffled = torch.from_numpy(order.permutation(len(x)))
        total = 0.0
        for which in shuffled.split(settings.batch_size):
            loss = ((module(x[which]) - y[which]) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
            adam.step()
            total += loss.item() * len(which)
        losses.append(total / len(x))
    return module, losses


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_member_gets_what_a_plain_torch_loop_gives_it(kind, data):
    parameters = MODELS[kind].parameters(hidden_size=6)
    one = Member(parameters, SETTINGS.model_copy(update={"weight_decay": 0.01}), 5, ("replicate", 1))
    module, losses = plain_torch_loop(MODELS[kind], one, data)
    bank = Bank(MODELS[kind], SHAPE, [one], data=data)
    (result,) = fit(bank)
    np.testing.assert_allclose(result.train_losses, losses, rtol=1e-5)
    assert result.best_epoch == SETTINGS.epochs, "this comparison needs the last epoch to be the best"
    with torch.no_grad():
        x = torch.tensor(data.validation.inputs(slice(None)).copy(), dtype=torch.float32)
        expected = data.validation.assemble(module(x).numpy())
    np.testing.assert_allclose(bank.predict(data.validation)[0], expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"layers": 2, "dropout": 0.3}, {"bidirectional": True}])
def test_a_bank_gives_each_member_what_it_gets_alone(options, data):
    members = [member(number, **options) for number in range(3)]
    together = bank_of(members, data)
    fits = fit(together)
    predictions = together.predict(data.validation)
    for k, one in enumerate(members):
        alone = bank_of([one], data)
        (result,) = fit(alone)
        assert result.train_losses == fits[k].train_losses
        np.testing.assert_array_equal(alone.predict(data.validation)[0], predictions[k])


def test_members_differ_and_the_same_member_repeats_itself(data):
    first, again = (bank_of([member(0)], data).predict(data.validation) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, bank_of([member(1)], data).predict(data.validation))


def test_training_leaves_torchs_global_generator_alone(data):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit(bank_of([member(0, layers=2, dropout=0.5)], data))
    assert torch.equal(before, torch.get_rng_state())


def test_the_weights_kept_are_those_of_the_best_validation_epoch(data):
    settings = SETTINGS.model_copy(update={"epochs": 40, "learning_rate": 0.3, "early_stopping": False})
    bank = bank_of([member(0, settings)], data)
    (result,) = fit(bank)
    assert result.best_epoch < 40, "a rate of 0.3 must make the last epoch worse than the best"
    assert result.validation_mse == min(result.validation_mses) == result.validation_mses[result.best_epoch - 1]
    kept = np.mean((bank.predict(data.validation)[0] - data.validation.truth()) ** 2)
    assert kept == pytest.approx(result.validation_mse, rel=1e-12)


def test_early_stopping_ends_a_member_after_its_patience(data):
    settings = SETTINGS.model_copy(update={"epochs": 200, "learning_rate": 0.3, "early_stopping": 4})
    (result,) = fit(bank_of([member(0, settings)], data))
    assert result.epochs == result.best_epoch + 4 < 200


def test_a_member_that_diverges_is_recorded_and_its_bank_goes_on(data):
    wild = SETTINGS.model_copy(update={"learning_rate": 1e30, "clip_norm": None})
    diverged, calm = fit(bank_of([member(0, wild), member(1)], data))
    assert diverged.status is Status.DIVERGED
    assert diverged.reason.startswith("diverged by step 6: ")
    assert "lower learning_rate" in diverged.reason
    (alone,) = fit(bank_of([member(1)], data))
    assert calm.status is Status.OK
    assert calm.train_losses == alone.train_losses


def test_clipping_bounds_the_step_and_null_leaves_it(data):
    losses = {}
    for clip in (1e-3, 1e9, None):
        settings = SETTINGS.model_copy(update={"clip_norm": clip, "epochs": 1})
        losses[clip] = fit(bank_of([member(0, settings)], data))[0].train_losses
    assert losses[1e9] == losses[None]
    assert losses[1e-3] != losses[None]


def test_an_observer_ends_only_the_member_it_names(data):
    first, second = fit(bank_of([member(0), member(1)], data), observer=lambda k, epoch, _: (k, epoch) == (0, 2))
    assert (first.pruned, first.epochs) == (True, 2)
    assert (second.pruned, second.epochs) == (False, 3)


def test_a_passed_deadline_raises(data):
    with pytest.raises(OutOfTime):
        fit(bank_of([member(0)], data, deadline=work_s() - 1))


def test_windows_per_epoch_draws_that_many_afresh(data):
    settings = SETTINGS.model_copy(update={"windows_per_epoch": 16, "batch_size": 16, "epochs": 2})
    bank = bank_of([member(0, settings)], data)
    seen = []
    original = bank._train.batch
    bank._train.batch = lambda which: seen.append(sorted(which[0])) or original(which)
    fit(bank)
    assert [len(which) for which in seen] == [16, 16]
    assert len(set(seen[0])) == 16
    assert seen[0] != seen[1]


def test_pairs_of_models_see_the_train_windows_in_one_order():
    assert (member(3).generator("order").permutation(50) == member(3).generator("order").permutation(50)).all()
    other_model = replace(member(3), parameters=RecurrentParameters(hidden_size=9))
    assert (member(3).generator("order").permutation(50) == other_model.generator("order").permutation(50)).all()


def test_members_of_one_shape_and_settings_share_a_bank():
    faster = SETTINGS.model_copy(update={"learning_rate": 0.5})
    longer = SETTINGS.model_copy(update={"epochs": 9})
    members = [member(0), member(1, faster), member(2, longer), member(3), member(4, layers=2)]
    assert group(members) == [[0, 1, 3], [2], [4]]


def test_a_teacher_forced_model_never_sees_targets_when_it_predicts(data):
    kind = MODELS["encoder-decoder"]
    one = Member(kind.parameters(hidden_size=4), SETTINGS, 0, ("replicate", 0))
    bank = Bank(kind, SHAPE, [one], data=data)
    fit(bank)
    hidden = deepcopy(data.validation)
    spoiled = hidden.values.copy()
    spoiled[130:] = 99.0
    truth = bank.predict(data.validation)
    windows = replace(data.validation, values=spoiled)
    np.testing.assert_array_equal(bank.predict(windows), truth)


FORECASTERS = sorted(
    name for name, kind in MODELS.items() if "forecast" in kind.tasks and not kind.missing(kind.parameters())
)


@pytest.mark.parametrize("kind", FORECASTERS)
def test_windows_over_another_series_are_predicted_from_that_series(kind, data):
    """The series moved back by one point, seen from one place, is the series itself seen from the next place."""
    one = Member(MODELS[kind].parameters(), SETTINGS, 0, ("replicate", 0))
    trained = train(MODELS[kind], [one], data)
    here = data.validation
    moved = replace(here, values=np.roll(here.values, -1, axis=0))
    next_place = replace(here, places=range(here.places.start + 1, here.places.stop + 1, HORIZON), end=here.end + 1)
    without_the_first = 1e-4 if MODELS[kind].forecaster else 0  # which reads the history from its beginning
    np.testing.assert_allclose(trained.predict(moved), trained.predict(next_place), rtol=0, atol=without_the_first)


class Flat(ModelKind):
    """A kind whose module forgets the horizon."""

    def build(self, parameters, shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(shape.sequence_length, 3))


def test_a_model_of_the_wrong_output_shape_is_named(data):
    kind = Flat("wrong on purpose", Parameters, "tests:none")
    with pytest.raises(ValueError, match=r"returned \[16, 3\]; expected \[B, U, D\] = \[16, 2, 1\]"):
        fit(Bank(kind, SHAPE, [member(0)], data=data))


@pytest.mark.parametrize("kind", FORECASTERS)
def test_every_kind_trains_and_predicts_every_target(kind, data):
    members = [Member(MODELS[kind].parameters(), SETTINGS, 0, ("replicate", 0))]
    trained = train(MODELS[kind], members, data)
    predictions = trained.predict(data.validation)
    assert predictions.shape == (1, 30, 1)
    assert np.isfinite(predictions).all()
    error = np.mean((predictions[0] - data.validation.truth()) ** 2)
    assert trained.fits[0].validation_mse == pytest.approx(error, rel=1e-6)
    assert math.isfinite(trained.fits[0].fit_s)


@pytest.fixture
def sizes():
    """The members of each bank, in the order in which they begin."""
    seen = []
    token = BANKS.set(seen.append)
    yield seen
    BANKS.reset(token)


def _at_most(monkeypatch, members):
    """Let memory run out in a step of a larger bank."""
    step = Bank.train_round

    def train_round(bank, live):
        if len(bank) > members:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return step(bank, live)

    monkeypatch.setattr(Bank, "train_round", train_round)


def test_a_bank_out_of_memory_is_trained_in_halves_with_the_same_results(data, monkeypatch, sizes):
    members = [member(number) for number in range(5)]
    whole = train(MODELS["lstm"], members, data)
    assert sizes == [5]
    _at_most(monkeypatch, 2)
    halved = train(MODELS["lstm"], members, data)
    assert sizes == [5, 5, 3, 2, 2, 1]
    np.testing.assert_allclose(halved.predict(data.validation), whole.predict(data.validation), rtol=0, atol=1e-6)
    for one, other in zip(halved.fits, whole.fits, strict=True):
        np.testing.assert_allclose(one.train_losses, other.train_losses, rtol=1e-6)


def test_a_member_alone_out_of_memory_is_an_error(data, monkeypatch, sizes):
    _at_most(monkeypatch, 0)
    with pytest.raises(RuntimeError, match="out of memory"):
        train(MODELS["lstm"], [member(number) for number in range(2)], data)
    assert sizes == [2, 1]


def test_what_autograd_would_keep_is_counted_and_let_go():
    inputs, made = torch.ones(5, requires_grad=True), []

    def call() -> None:
        output = inputs.tanh()  # saves its own output
        made.append(weakref.ref(output))

    assert kept_bytes(call) == 5 * 4
    assert [each() for each in made] == [None]
