"""Members stepped as one get what they get one by one, from torch's own layers and optimiser."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench.models import MODELS
from bench.models.base import ModelKind, Parameters, Shape
from bench.models.encoder_decoder import EncoderDecoder
from bench.models.recurrent import Recurrent
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.spec import Training
from bench.store.schema import Status
from bench.training import bank, bank as bank_module, steppers
from bench.training.bank import Bank
from bench.training.fit import fit, train
from bench.training.members import Member

LENGTH, HORIZON = 7, 3
SHAPE = Shape(LENGTH, HORIZON, 1)
SETTINGS = Training(epochs=3, batch_size=16, learning_rate=0.01, weight_decay=0.01)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    values = np.sin(np.arange(150) / 5)[:, None] + np.random.default_rng(0).normal(0, 0.1, (150, 1))
    cut = Parts(95, 120, 150)
    return TrainingData(
        train_windows(values, cut, LENGTH, HORIZON), evaluation_windows(values, cut.validation, LENGTH, HORIZON)
    )


TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class PlainRecurrent(nn.Module):
    """`Recurrent` written with torch's own layers, which nothing can stack."""

    def __init__(self, kind, parameters, shape):
        super().__init__()
        self.layers = TORCH[kind](
            shape.channels,
            parameters.hidden_size,
            num_layers=parameters.layers,
            bidirectional=parameters.bidirectional,
            batch_first=True,
        )
        self.directions = 1 + parameters.bidirectional
        self.head = nn.Linear(self.directions * parameters.hidden_size, shape.horizon * shape.channels)
        self.outputs = (shape.horizon, shape.channels)

    def forward(self, x):
        _, state = self.layers(x)
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(torch.cat(list(hidden[-self.directions :]), dim=1)).unflatten(1, self.outputs)


class PlainKind(ModelKind):
    """A kind that builds what it is given a function for."""

    def build(self, parameters, shape):
        return PLAIN[self.builder](parameters, shape)


PLAIN = {
    **{name: lambda parameters, shape, name=name: PlainRecurrent(name, parameters, shape) for name in TORCH},
    "mlp": lambda parameters, shape: Perceptron(shape),
}


class Perceptron(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(shape.sequence_length, 6), nn.Tanh(), nn.Linear(6, HORIZON))

    def forward(self, x):
        return self.layers(x)[..., None]


class Branching(nn.Linear):
    """Looks at its values, which cannot be done for several members at once."""

    def __init__(self):
        super().__init__(1, 1)

    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


def members(kind, settings=SETTINGS, count=3, **parameters):
    chosen = MODELS[kind].parameters(hidden_size=5, **parameters)
    rates = (settings.learning_rate, settings.learning_rate * 2, settings.learning_rate / 2)
    return [
        Member(chosen, settings.model_copy(update={"learning_rate": rates[k % 3]}), 0, ("replicate", k))
        for k in range(count)
    ]


def both(kind, data, settings=SETTINGS, **parameters):
    """The same members as one and one by one, with torch's layers."""
    one = members(kind, settings, **parameters)
    fused = Bank(MODELS[kind], SHAPE, one, data=data)
    looped = Bank(PlainKind("plain", Parameters, kind), SHAPE, one, data=data)
    assert (fused.how, looped.how) == ("as one", "one by one")
    return fused, looped


@pytest.mark.parametrize("options", [{}, {"layers": 2}, {"bidirectional": True}, {"layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_fused_bank_equals_torch_one_by_one(kind, options, data):
    fused, looped = both(kind, data, **options)
    for ours, theirs in zip(fit(fused), fit(looped), strict=True):
        np.testing.assert_allclose(ours.train_losses, theirs.train_losses, rtol=2e-4)
        np.testing.assert_allclose(ours.validation_mses, theirs.validation_mses, rtol=2e-4)
        assert ours.best_epoch == theirs.best_epoch
    np.testing.assert_allclose(fused.predict(data.validation), looped.predict(data.validation), atol=2e-4)


@pytest.mark.parametrize("changes", [{"loss": "mae"}, {"loss": "huber"}, {"clip_norm": None}, {"clip_norm": 0.01}])
def test_losses_and_clipping_are_those_of_torch(changes, data):
    fused, looped = both("gru", data, SETTINGS.model_copy(update=changes))
    for ours, theirs in zip(fit(fused), fit(looped), strict=True):
        np.testing.assert_allclose(ours.train_losses, theirs.train_losses, rtol=2e-4)


def test_members_that_stop_early_leave_the_bank_and_the_others_go_on(data):
    settings = SETTINGS.model_copy(update={"epochs": 60, "learning_rate": 0.1, "early_stopping": 3})
    fused = fit(Bank(MODELS["rnn"], SHAPE, members("rnn", settings), data=data))
    assert len({result.epochs for result in fused}) > 1, "three rates must stop at different epochs"
    for one, result in zip(members("rnn", settings), fused, strict=True):
        (alone,) = fit(Bank(MODELS["rnn"], SHAPE, [one], data=data))
        assert alone.epochs == result.epochs
        assert alone.train_losses == result.train_losses


def test_a_member_that_diverges_spoils_no_other(data):
    wild = SETTINGS.model_copy(update={"learning_rate": 1e30, "clip_norm": None})
    one = members("lstm")
    spoiled = [one[0], replace(one[1], training=wild), one[2]]
    bank = Bank(MODELS["lstm"], SHAPE, spoiled, data=data)
    fits = fit(bank)
    clean = Bank(MODELS["lstm"], SHAPE, one, data=data)
    expected = fit(clean)
    assert [result.status for result in fits] == [Status.OK, Status.DIVERGED, Status.OK]
    predictions = bank.predict(data.validation), clean.predict(data.validation)
    for k in (0, 2):
        assert fits[k].train_losses == expected[k].train_losses
        np.testing.assert_array_equal(predictions[0][k], predictions[1][k])


@pytest.mark.parametrize("kind", ["lstm", "encoder-decoder"])
def test_dropout_of_a_member_does_not_depend_on_its_company(kind, data):
    one = members(kind, layers=2, dropout=0.4)
    together = fit(Bank(MODELS[kind], SHAPE, one, data=data))
    for member, result in zip(one, together, strict=True):
        (alone,) = fit(Bank(MODELS[kind], SHAPE, [member], data=data))
        assert alone.train_losses == result.train_losses
    without = fit(Bank(MODELS[kind], SHAPE, members(kind, layers=2), data=data))
    assert without[0].train_losses != together[0].train_losses


@pytest.mark.parametrize("prediction", ["free-running", "teacher-forced"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "layers": 2, "cell": "gru"}])
def test_a_stacked_encoder_decoder_is_its_members(options, prediction, data):
    one = members("encoder-decoder", prediction=prediction, **options)
    bank = Bank(MODELS["encoder-decoder"], SHAPE, one, data=data)
    together = fit(bank)
    predictions = bank.predict(data.validation)
    for k, member in enumerate(one):
        alone = Bank(MODELS["encoder-decoder"], SHAPE, [member], data=data)
        assert fit(alone)[0].train_losses == together[k].train_losses
        np.testing.assert_allclose(alone.predict(data.validation)[0], predictions[k], atol=1e-6)


@pytest.mark.parametrize("own_passes", [False, True])
def test_a_strange_module_is_stepped_as_one_by_vmap(own_passes, data, monkeypatch):
    monkeypatch.setattr(steppers, "OWN_PASS_BYTES", 0 if own_passes else 2**30)
    kind = PlainKind("a strange module", Parameters, "mlp")
    one = members("rnn")
    bank = Bank(kind, SHAPE, one, data=data)
    assert bank.how == "as one, by vmap"
    fits = fit(bank)
    assert bank.how == ("as one, one pass each" if own_passes else "as one, by vmap")
    for k, member in enumerate(one):
        with torch.random.fork_rng():
            torch.manual_seed(member.integer("initialisation"))
            module = Perceptron(SHAPE)
        training = member.training
        adam = torch.optim.Adam(module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
        order = member.generator("order").permutation(len(data.train))
        total = 0.0
        for start in range(0, len(order), training.batch_size):
            which = order[start : start + training.batch_size]
            x, y = (torch.tensor(part(which), dtype=torch.float32) for part in (data.train.inputs, data.train.targets))
            loss = ((module(x) - y) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), training.clip_norm)
            adam.step()
            total += loss.item() * len(which)
        assert fits[k].train_losses[0] == pytest.approx(total / len(order), rel=1e-5)


PLAIN_TORCH = [
    name
    for name, kind in MODELS.items()
    if kind.gradient and "forecast" in kind.tasks and name not in (*TORCH, "encoder-decoder")
]


VMAPPED = {"mingru", "minlstm", "slstm", "lru", "s4d", "selective-ssm"}
"""The kinds that take one member's weights at a time, and are called for all by torch.vmap."""


def way(kind, *, own_passes=False):
    if own_passes:
        return "as one, one pass each"
    return "as one, by vmap" if kind in VMAPPED else "as one"


@pytest.mark.parametrize("kind", PLAIN_TORCH)
def test_a_kind_of_plain_torch_is_stepped_as_one_and_equals_its_members_alone(kind, monkeypatch):
    values = np.sin(np.arange(150)[:, None] / [5, 3]) + np.random.default_rng(0).normal(0, 0.1, (150, 2))
    cut = Parts(95, 120, 150)
    data = TrainingData(
        train_windows(values, cut, LENGTH, HORIZON), evaluation_windows(values, cut.validation, LENGTH, HORIZON)
    )
    sizes = {"hidden_size": 6, "layers": 2}
    parameters = MODELS[kind].parameters(
        **{k: v for k, v in sizes.items() if k in MODELS[kind].parameters.model_fields}
    )
    one = [replace(member, parameters=parameters) for member in members("rnn")]
    shape = Shape(LENGTH, HORIZON, 2)
    together = Bank(MODELS[kind], shape, one, data=data)
    monkeypatch.setattr(bank_module, "why_not", lambda module, shape: "one by one, to compare")
    alone = Bank(MODELS[kind], shape, one, data=data)
    assert (together.how, alone.how) == (way(kind), "one by one")
    for ours, theirs in zip(fit(together), fit(alone), strict=True):
        np.testing.assert_allclose(ours.train_losses, theirs.train_losses, rtol=2e-4)
        np.testing.assert_allclose(ours.validation_mses, theirs.validation_mses, rtol=2e-4)
    np.testing.assert_allclose(together.predict(data.validation), alone.predict(data.validation), atol=2e-4)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Sequential(nn.LSTM(1, 2)), "0 is a torch.nn.LSTM"),
        (nn.Sequential(nn.Linear(1, 2), nn.Dropout(0.5)), "1 is a dropout"),
        (nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(SHAPE.sequence_length)), "changes its buffer 1.running_mean"),
        (nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2)), "a step of it fails (running_mean should contain"),
        (nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1).requires_grad_(False)), "weights that are not to be trained"),
        (nn.Sequential(*[nn.Linear(1, 1)] * 2), "it uses a weight in two places"),
        (Branching(), "torch.vmap refuses it (vmap: It looks like you"),
    ],
)
def test_what_cannot_be_stacked_is_trained_one_by_one_and_the_log_says_why(module, reason, data, caplog):
    stepper = bank_module._stepper([module], SHAPE, members("rnn", count=1), device=torch.device("cpu"))
    assert stepper.how == "one by one"
    assert "is trained member by member" in caplog.text
    assert reason in caplog.text


def test_a_bank_too_large_for_memory_is_split_and_gives_the_same(data, monkeypatch):
    one = members("lstm", count=5)
    whole = train(MODELS["lstm"], one, data)
    module = MODELS["lstm"].build(one[0].parameters, SHAPE)
    needed = bank.members_at_once(module, SHAPE, SETTINGS.batch_size, torch.device("cpu"))
    assert needed > 1000
    free = bank._free_bytes(torch.device("cpu"))
    monkeypatch.setattr(bank, "_free_bytes", lambda device: free * 2.5 / needed)
    assert bank.members_at_once(module, SHAPE, SETTINGS.batch_size, torch.device("cpu")) == 2
    seen = []
    split = train(MODELS["lstm"], one, data, observer=lambda k, epoch, error: bool(seen.append(k)))
    assert sorted(set(seen)) == [0, 1, 2, 3, 4]
    assert [f.train_losses for f in split.fits] == [f.train_losses for f in whole.fits]
    np.testing.assert_allclose(split.predict(data.validation), whole.predict(data.validation), atol=1e-6)


def test_windows_of_more_than_one_channel_are_gathered_as_they_are():
    from bench.training.batches import TensorWindows

    values = np.random.default_rng(3).normal(size=(60, 2))
    windows = train_windows(values, Parts(50, 55, 60), 6, 2)
    which = np.array([[0, 5, 9], [40, 3, 3]])
    x, y = TensorWindows(windows, torch.tensor(values)).batch(which)
    for row in range(2):
        np.testing.assert_array_equal(x[row], windows.inputs(which[row]))
        np.testing.assert_array_equal(y[row], windows.targets(which[row]))


GRADIENT = [name for name, kind in MODELS.items() if kind.gradient and "forecast" in kind.tasks]
OWN_PASSES = [name for name in GRADIENT if name not in ("rnn", "lstm", "gru", "encoder-decoder")]


def narrow(kind, **parameters):
    """Three small members of one kind, each with a learning rate of its own."""
    fields = MODELS[kind].parameters.model_fields
    width = {"hidden_size": 6} if "hidden_size" in fields else {}
    chosen = MODELS[kind].parameters(**width, **parameters)
    return [replace(one, parameters=chosen) for one in members("rnn")]


def check_same_fits(one, other, data):
    for ours, theirs in zip(fit(one), fit(other), strict=True):
        np.testing.assert_allclose(ours.train_losses, theirs.train_losses, rtol=2e-4)
        np.testing.assert_allclose(ours.validation_mses, theirs.validation_mses, rtol=2e-4)
    np.testing.assert_allclose(one.predict(data.validation), other.predict(data.validation), atol=2e-4)


@pytest.mark.parametrize("kind", GRADIENT)
def test_every_kind_is_stepped_as_one_and_equals_its_modules_one_by_one(kind, data, monkeypatch):
    together = Bank(MODELS[kind], SHAPE, narrow(kind), data=data)
    monkeypatch.setattr(bank_module, "why_not", lambda module, shape: "to compare")
    looped = Bank(MODELS[kind], SHAPE, narrow(kind), data=data)
    assert (together.how, looped.how) == (way(kind), "one by one")
    check_same_fits(together, looped, data)


@pytest.mark.parametrize("own_passes", [False, True])
@pytest.mark.parametrize("kind", OWN_PASSES)
def test_a_member_of_every_kind_gets_in_company_what_it_gets_alone(kind, own_passes, data, monkeypatch):
    monkeypatch.setattr(steppers, "OWN_PASS_BYTES", 0 if own_passes else 2**30)
    options = {"dropout": 0.3} if "dropout" in MODELS[kind].parameters.model_fields else {}
    bank = Bank(MODELS[kind], SHAPE, narrow(kind, **options), data=data)
    fits, predictions = fit(bank), bank.predict(data.validation)
    assert bank.how == way(kind, own_passes=own_passes)
    for k, member in enumerate(narrow(kind, **options)):
        alone = Bank(MODELS[kind], SHAPE, [member], data=data)
        np.testing.assert_allclose(fit(alone)[0].train_losses, fits[k].train_losses, rtol=1e-5)
        np.testing.assert_allclose(alone.predict(data.validation)[0], predictions[k], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", OWN_PASSES)
def test_long_passes_are_taken_one_by_one_to_the_same_end(kind, data, monkeypatch):
    options = {"dropout": 0.3} if "dropout" in MODELS[kind].parameters.model_fields else {}
    monkeypatch.setattr(steppers, "OWN_PASS_BYTES", 0)
    own = Bank(MODELS[kind], SHAPE, narrow(kind, **options), data=data)
    shared = Bank(MODELS[kind], SHAPE, narrow(kind, **options), data=data)
    shared.stepper._own_pass = False
    check_same_fits(own, shared, data)
    assert (own.how, shared.how) == (way(kind, own_passes=True), way(kind))


def test_members_with_own_passes_leave_the_bank_when_they_stop(data, monkeypatch):
    monkeypatch.setattr(steppers, "OWN_PASS_BYTES", 0)
    settings = SETTINGS.model_copy(update={"epochs": 60, "learning_rate": 0.1, "early_stopping": 3})
    one = [replace(member, parameters=MODELS["mlp"].parameters(dropout=0.2)) for member in members("rnn", settings)]
    together = fit(Bank(MODELS["mlp"], SHAPE, one, data=data))
    assert len({result.epochs for result in together}) > 1, "three rates must stop at different epochs"
    for member, result in zip(one, together, strict=True):
        (alone,) = fit(Bank(MODELS["mlp"], SHAPE, [member], data=data))
        assert alone.epochs == result.epochs
        np.testing.assert_allclose(alone.train_losses, result.train_losses, rtol=1e-4)


def test_only_long_passes_on_a_processor_are_taken_one_by_one():
    """A Transformer over 100 steps keeps some 40 MiB for 64 windows, an MLP a tenth of one."""
    for kind, own in (("transformer", True), ("mlp", False), ("lstm", False)):
        shape, parameters = Shape(100, 1, 1), MODELS[kind].parameters(hidden_size=32)
        one = [Member(parameters, Training(batch_size=64), 0, ("replicate", k)) for k in range(2)]
        modules = [MODELS[kind].build(parameters, shape) for _ in one]
        stepper = steppers.Fused(modules, one, torch.device("cpu"))
        stepper.step(torch.randn(2, 64, 100, 1), torch.randn(2, 64, 1, 1))
        assert stepper.how == ("as one, one pass each" if own else "as one")


@pytest.mark.parametrize("build", [Recurrent, EncoderDecoder])
def test_models_of_this_package_can_be_stacked(build):
    assert build.stackable
