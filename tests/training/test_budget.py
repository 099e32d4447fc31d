"""A budget in steps: what a plain torch loop over the same batches gives, alone or in company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench.models import MODELS
from bench.models.base import ModelKind, Shape
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.spec import AsPublished, Training, Tuning
from bench.training.bank import Bank
from bench.training.batches import Batches, Epochs
from bench.training.fit import fit
from bench.training.members import Member, group

LENGTH = 8
SHAPE = Shape(LENGTH, 1, 1)
STEPS = Training(steps=23, validate_every=5, batch_size=16, learning_rate=0.01, early_stopping=False)
"""Of 92 train windows, hence 6 batches in an epoch: rounds end within epochs, and the last one has 3 steps."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    values = np.sin(np.arange(160) / 5)[:, None] + np.random.default_rng(0).normal(0, 0.1, (160, 1))
    cut = Parts(100, 130, 160)
    return TrainingData(train_windows(values, cut, LENGTH, 1), evaluation_windows(values, cut.validation, LENGTH, 1))


def member(number, settings=STEPS, **parameters):
    return Member(MODELS["gru"].parameters(hidden_size=6, **parameters), settings, 5, ("replicate", number))


def bank_of(members, data):
    return Bank(MODELS["gru"], SHAPE, members, data=data)


def torch_scheduler(adam, name, steps):
    if name == "one-cycle":
        rate = adam.param_groups[0]["lr"]
        return torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps, cycle_momentum=False)
    if name == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    return torch.optim.lr_scheduler.ConstantLR(adam, 1.0)


def plain_torch_loop(one, data):
    """Training loss and validation error of each round, and the module, written out: one list of batches, cut up."""
    settings = one.training
    with torch.random.fork_rng():
        torch.manual_seed(one.integer("initialisation"))
        module = MODELS["gru"].build(one.parameters, SHAPE)
    x, y, x_validation, y_validation = (
        torch.tensor(np.array(part(slice(None))), dtype=torch.float32)
        for examples in (data.train, data.validation)
        for part in (examples.inputs, examples.targets)
    )
    order, batches = one.generator("order"), []
    while len(batches) < settings.steps:
        batches += torch.from_numpy(order.permutation(len(x))).split(settings.batch_size)
    adam = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    scheduler = torch_scheduler(adam, settings.schedule, settings.steps)
    losses, errors, done = [], [], []
    for step, which in enumerate(batches[: settings.steps], start=1):
        loss = ((module(x[which]) - y[which]) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
        adam.step()
        scheduler.step()
        done.append((loss.item() * len(which), len(which)))
        if step % settings.validate_every == 0 or step == settings.steps:
            total, seen = np.sum(done, axis=0)
            losses.append(total / seen)
            with torch.no_grad():
                errors.append(((module(x_validation) - y_validation) ** 2).mean().item())
            done = []
    return losses, errors


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
@pytest.mark.parametrize("how", ["as one", "one by one"])
def test_a_budget_in_steps_is_a_plain_torch_loop_over_as_many_batches(schedule, how, data):
    one = member(1, STEPS.model_copy(update={"schedule": schedule}))
    losses, errors = plain_torch_loop(one, data)
    plain = PlainGRU("a module of torch's", MODELS["gru"].parameters, "tests:none")
    kind = MODELS["gru"] if how == "as one" else plain
    bank = Bank(kind, SHAPE, [one, member(2, one.training)], data=data)
    result = fit(bank)[0]
    assert bank.how == how
    assert (result.steps, result.epochs, len(losses)) == (23, 5, 5)
    np.testing.assert_allclose(result.train_losses, losses, rtol=2e-5)
    np.testing.assert_allclose(result.validation_mses, errors, rtol=2e-5)


def test_as_many_steps_as_epochs_have_give_the_very_same(data):
    epochs = Training(epochs=4, batch_size=16, learning_rate=0.01)
    steps = Training(steps=24, validate_every=6, batch_size=16, learning_rate=0.01)
    banks = [bank_of([member(0, settings), member(1, settings)], data) for settings in (epochs, steps)]
    one, other = map(fit, banks)
    for ours, theirs in zip(one, other, strict=True):
        assert (ours.train_losses, ours.validation_mses) == (theirs.train_losses, theirs.validation_mses)
        assert (ours.steps, ours.epochs, ours.best_epoch) == (24, 4, theirs.best_epoch)
    np.testing.assert_array_equal(*(bank.predict(data.validation) for bank in banks))


def test_the_weights_kept_are_those_of_the_best_round_and_patience_counts_rounds(data):
    settings = STEPS.model_copy(update={"steps": 400, "learning_rate": 0.5, "early_stopping": 4})
    bank = bank_of([member(0, settings)], data)
    (result,) = fit(bank)
    assert result.epochs == result.best_epoch + 4 < 80
    assert result.steps == 5 * result.epochs
    kept = np.mean((bank.predict(data.validation)[0] - data.validation.truth()) ** 2)
    assert kept == pytest.approx(result.validation_mse, rel=1e-12)


@pytest.mark.parametrize("options", [{}, {"carries_state": True}])
def test_a_member_that_leaves_within_an_epoch_changes_nothing_for_the_others(options, data):
    together = fit(
        bank_of([member(k, **options) for k in range(3)], data), observer=lambda k, number, _: (k, number) == (1, 2)
    )
    assert [result.steps for result in together] == [23, 10, 23], "ten steps end within the second epoch"
    for k in (0, 2):
        (alone,) = fit(bank_of([member(k, **options)], data))
        np.testing.assert_allclose(together[k].train_losses, alone.train_losses, rtol=1e-6)


def test_state_is_carried_through_an_epoch_whatever_rounds_it_has(data):
    """Rounds of one step or of a whole epoch: a batch begins with the state that the one before ended in."""
    fits = [
        fit(bank_of([member(0, STEPS.model_copy(update={"validate_every": every}), carries_state=True)], data))[0]
        for every in (1, 23)
    ]
    assert (fits[0].epochs, fits[1].epochs) == (23, 1)
    assert fits[0].validation_mses[-1] == fits[1].validation_mses[-1]
    (without,) = fit(bank_of([member(0, STEPS)], data))
    assert without.validation_mses[-1] != fits[0].validation_mses[-1]


@pytest.mark.parametrize(
    ("training", "as_published", "sizes"),
    [
        ({"batch_size": 4}, {}, [4, 4, 2, 4, 4, 2, 4]),
        ({"batch_size": 4}, {"last_batch": "dropped"}, [4, 4, 4, 4, 4, 4, 4]),
        ({"batch_size": "all"}, {}, [10] * 7),
        ({"batch_size": 4, "windows_per_epoch": 5}, {}, [4, 1, 4, 1, 4, 1, 4]),
        ({"batch_size": 64}, {"last_batch": "dropped"}, [10] * 7),
    ],
)
def test_batches_follow_epoch_after_epoch(training, as_published, sizes):
    epochs = Epochs(10, Training(**training), AsPublished(**as_published))
    batches = Batches(epochs, [np.random.default_rng(k) for k in range(3)])
    begins, taken = [], []
    for _ in sizes:
        begins.append(batches.begin_an_epoch)
        taken.append(batches.take([0, 2]))
    assert [batch.shape for batch in taken] == [(2, size) for size in sizes]
    assert begins == [place % batches.per_epoch == 0 for place in range(7)]
    random = np.random.default_rng(2)
    orders = [epochs.order(random) for _ in range(7)]
    expected = [which[0] for order in orders for which in epochs.batches(order[None])]
    for batch, own in zip(taken, expected, strict=False):
        np.testing.assert_array_equal(batch[1], own)


@pytest.mark.parametrize(
    ("settings", "every", "rounds"),
    [
        (Training(), None, 100),
        (Training(steps=600), 12, 50),
        (Training(steps=601), 13, 47),
        (Training(steps=30), 1, 30),
        (Training(steps=600, validate_every=40), 40, 15),
        (Training(steps=601, validate_every=40), 40, 16),
        (Tuning(steps=20).trial(Training(steps=600, validate_every=40)), 20, 1),
        (Tuning(steps=100).trial(Training(epochs=9)), 2, 50),
        (Tuning(epochs=7).trial(Training(steps=600, validate_every=40)), None, 7),
        (Tuning().trial(Training(steps=600)), 12, 50),
    ],
)
def test_rounds_of_a_budget(settings, every, rounds):
    assert (settings.round_steps, settings.rounds) == (every, rounds)


class PlainGRU(ModelKind):
    """A kind whose module is torch's own GRU, which nothing can stack, with the weights of bench's."""

    def build(self, parameters, shape):
        return Torch(MODELS["gru"].build(parameters, shape), parameters.hidden_size)


class Torch(nn.Module):
    def __init__(self, ours, hidden):
        super().__init__()
        self.layers, self.head = nn.GRU(1, hidden, batch_first=True), nn.Linear(hidden, 1)
        for mine, theirs in zip(self.parameters(), ours.parameters(), strict=True):
            mine.data.copy_(theirs.data)

    def forward(self, x):
        return self.head(self.layers(x)[0][:, -1:])


def test_members_of_one_bank_share_budget_and_schedule():
    other = [replace(member(0), training=STEPS.model_copy(update=update)) for update in CHANGES]
    assert group([member(0), *other]) == [[0, 1], [2], [3], [4]]


CHANGES = [{"learning_rate": 0.5}, {"steps": 24}, {"validate_every": 4}, {"schedule": "cosine"}]
