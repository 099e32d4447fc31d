"""A bank as batched products, one graph a step on a GPU: the same as torch's layers and as the compiled kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.models import MODELS
from bench.models.base import Shape
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.spec import Training
from bench.training.bank import Bank
from bench.training.fit import fit
from bench.training.members import Member
from bench.training.recorded import Recorded
from bench.training.steppers import Fused

SHAPE = Shape(9, 2, 3)
SETTINGS = Training(epochs=3, batch_size=16, learning_rate=0.01)
TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
OPTIONS = [{}, {"layers": 2, "bidirectional": True}]


def members(kind: str, count: int = 4, settings: Training = SETTINGS, **parameters: object) -> list[Member]:
    chosen = MODELS[kind].parameters(hidden_size=6, **parameters)
    rates = [settings.learning_rate * (1 + k) for k in range(count)]
    own = [settings.model_copy(update={"learning_rate": rate}) for rate in rates]
    return [Member(chosen, each, 0, ("replicate", k)) for k, each in enumerate(own)]


def modules_of(kind: str, count: int = 4, **parameters: object) -> list[nn.Module]:
    torch.manual_seed(0)
    return [MODELS[kind].build(members(kind, **parameters)[0].parameters, SHAPE) for _ in range(count)]


def stepper_of(kind: str, device: str, **parameters: object) -> Fused:
    return Fused(modules_of(kind, **parameters), members(kind, **parameters), torch.device(device))


def batch(rows: int, seed: int, device: str, count: int = 4) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, rows, SHAPE.sequence_length, SHAPE.channels, generator=draws).to(device),
        torch.randn(count, rows, *SHAPE.targets, generator=draws).to(device),
    )


def by_torch(module: nn.Module, kind: str, x: Tensor, y: Tensor, options: dict[str, object]) -> tuple[Tensor, Tensor]:
    """The loss of one member and its gradients, one after another, by torch's own layer."""
    layer = TORCH[kind](
        SHAPE.channels,
        6,
        num_layers=int(options.get("layers", 1)),
        bidirectional=bool(options.get("bidirectional")),
        batch_first=True,
    )
    layer.load_state_dict(module.layers.state_dict())
    layer, head = layer.to(x.device), module.head.to(x.device)
    hidden = layer(x)[1]
    hidden = hidden[0] if kind == "lstm" else hidden
    last = hidden[-(1 + layer.bidirectional) :].transpose(0, 1).flatten(1)
    loss = nn.functional.mse_loss(head(last).unflatten(1, SHAPE.targets), y)
    gradients = torch.autograd.grad(loss, [*layer.parameters(), *head.parameters()])
    return loss, torch.cat([each.flatten() for each in gradients])


def of_member(stepper: Fused, gradients: Tensor, k: int) -> Tensor:
    """Those of member `k`, one parameter after another."""
    weights = stepper.adam.weights
    parts = torch.split(gradients, (weights.sizes * weights.members).tolist())
    return torch.cat([part.view(weights.members, -1)[k] for part in parts])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_losses_and_gradients_are_those_of_torch(kind: str, options: dict[str, object], device: str) -> None:
    """With a full batch, one of other rows, and the first again with other values: what was recorded reads new ones."""
    stepper = stepper_of(kind, device, **options)
    for rows, seed in ((16, 1), (5, 2), (16, 3)):
        x, y = batch(rows, seed, device)
        losses, gradients = stepper.losses_and_gradients(x, y)
        for k, module in enumerate(modules_of(kind, **options)):
            loss, expected = by_torch(module, kind, x[k], y[k], options)
            torch.testing.assert_close(losses[k], loss, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(of_member(stepper, gradients, k), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "encoder-decoder"])
def test_steps_are_those_of_the_compiled_kernels(kind: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five steps, after the third without one of the members: what was recorded reads new weights."""
    ours, kernels = stepper_of(kind, device), stepper_of(kind, "cpu")
    for number in range(5):
        live = [0, 1, 3] if number > 2 else [0, 1, 2, 3]
        x, y = batch(8, number, "cpu", len(live))
        ours.select(live)
        kernels.select(live)
        mine = ours.step(x.to(device), y.to(device))
        with monkeypatch.context() as patch:
            patch.setenv("BENCH_KERNELS", "numba")
            theirs = kernels.step(x, y)
        torch.testing.assert_close(mine.cpu(), theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.adam.weights.flat.cpu(), kernels.adam.weights.flat, rtol=1e-4, atol=1e-4)


def test_what_is_given_of_a_step_stays_when_the_next_is_made(device: str) -> None:
    stepper = stepper_of("gru", device)
    first = stepper.step(*batch(8, 0, device))
    before = first.clone()
    stepper.step(*batch(8, 1, device))
    assert torch.equal(first, before)


def test_a_bank_trains_stops_and_predicts_as_the_compiled_kernels_do(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches that are not full, and members that leave early."""
    values = np.sin(np.arange(300)[:, None] / [5, 7, 9]) + np.random.default_rng(0).normal(0, 0.1, (300, 3))
    cut = Parts(200, 250, 300)
    train = train_windows(values, cut, SHAPE.sequence_length, SHAPE.horizon)
    data = TrainingData(train, evaluation_windows(values, cut.validation, SHAPE.sequence_length, SHAPE.horizon))
    settings = SETTINGS.model_copy(update={"epochs": 8, "early_stopping": 1})
    fits, predictions = [], []
    for place, kernels in ((device, "auto" if device == "cuda" else "reference"), ("cpu", "numba")):
        monkeypatch.setenv("BENCH_KERNELS", kernels)
        bank = Bank(MODELS["lstm"], SHAPE, members("lstm", settings=settings), data=data, device=place)
        fits.append(fit(bank))
        predictions.append(bank.predict(data.validation))
    assert len(train) % settings.batch_size
    for ours, theirs in zip(*fits, strict=True):
        np.testing.assert_allclose(ours.train_losses, theirs.train_losses, rtol=2e-4)
        assert ours.best_epoch == theirs.best_epoch
    np.testing.assert_allclose(*predictions, atol=2e-4)


def test_dropout_is_drawn_anew_in_each_step(device: str) -> None:
    """What a graph would not do."""
    stepper = stepper_of("lstm", device, layers=2, dropout=0.5)
    x, y = batch(8, 0, device)
    first = stepper.losses_and_gradients(x, y)[0].clone()
    assert not torch.equal(first, stepper.losses_and_gradients(x, y)[0])


def test_what_is_recorded_reads_its_inputs_and_weights_anew(device: str) -> None:
    weights = torch.ones(3, device=device)
    recorded = Recorded(lambda x: (x * weights, x.sum()), torch.device(device))
    for number in range(1, 4):
        x = torch.arange(number, number + 3.0, device=device)
        product, total = recorded(x)
        assert product.tolist() == (x * number).tolist()
        assert total.item() == x.sum().item()
        weights.add_(1)
    assert recorded(torch.ones(2, 3, device=device))[0].tolist() == [[4.0] * 3] * 2
