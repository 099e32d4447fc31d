"""Recurrent models beyond the forecast from a last state, against `torch.nn`'s layers and plain loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.errors import InputError
from bench.models import MODELS
from bench.models.base import Shape
from bench.models.recurrent import Recurrent

torch.set_num_threads(1)

CELLS = ["rnn", "lstm", "gru"]
each_cell = pytest.mark.parametrize("cell", CELLS)
each_depth = pytest.mark.parametrize("layers", [1, 2])
STEPS, CHANNELS, VALUES, HIDDEN, BATCH = 7, 2, 3, 5, 4
DENOISE = Shape(STEPS, 1, CHANNELS, "denoise", VALUES, every_step=True)
EVERY_STEP = Shape(STEPS, 1, CHANNELS, outputs=VALUES, every_step=True)
LAST = Shape(STEPS, 1, CHANNELS, outputs=VALUES)
CLASSIFY = Shape(STEPS, 1, CHANNELS, "classify", VALUES)
VARIABLE = Shape(STEPS, 1, CHANNELS, outputs=VALUES, variable=True)


def built(cell: str, shape: Shape, *, seed: int = 0, **parameters: Any) -> Recurrent:
    kind = MODELS[cell]
    torch.manual_seed(seed)
    model = kind.build(kind.parameters(hidden_size=HIDDEN, **parameters), shape)
    assert isinstance(model, Recurrent)
    return model.double()


def theirs(model: Recurrent, cell: str, **options: Any) -> tuple[nn.RNNBase, nn.Linear]:
    """The layers and the head of `torch.nn` with the weights of `model`."""
    kinds: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    layers = kinds[cell](CHANNELS, HIDDEN, batch_first=True, **options).double()
    layers.load_state_dict(model.layers.state_dict())
    head = nn.Linear(model.head.in_features, model.head.out_features).double()
    head.load_state_dict(model.head.state_dict())
    return layers, head


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(output: Tensor, *modules: nn.Module) -> list[Tensor]:
    """Of a sum that weighs every number of the output differently."""
    weights = [weight for module in modules for weight in module.parameters()]
    return list(torch.autograd.grad((output * random(*output.shape, seed=9)).sum(), weights))


def check_same(model: Recurrent, output: Tensor, expected: Tensor, *modules: nn.Module) -> None:
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-12)
    for mine, other in zip(gradients(output, model), gradients(expected, *modules), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)


def stacked(models: Sequence[Recurrent]) -> Recurrent:
    """One module with the weights of all, ``[K, …]``."""
    together = deepcopy(models[0])
    for name, weight in list(together.named_parameters()):
        owner, _, own = name.rpartition(".")
        both = torch.stack([dict(model.named_parameters())[name].detach() for model in models])
        together.get_submodule(owner)._parameters[own] = nn.Parameter(both)
        assert weight.shape == both.shape[1:]
    return together


@each_cell
@each_depth
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("activation", ["none", "tanh"])
def test_every_step_is_mapped(cell: str, layers: int, both: bool, activation: str) -> None:
    model = built(cell, DENOISE, layers=layers, bidirectional=both, activation=activation)
    their_layers, their_head = theirs(model, cell, num_layers=layers, bidirectional=both)
    x = random(BATCH, STEPS, CHANNELS)
    expected = their_head(their_layers(x)[0])
    expected = expected.tanh() if activation == "tanh" else expected
    assert expected.shape == (BATCH, STEPS, VALUES)
    check_same(model, model(x), expected, their_layers, their_head)


@each_cell
def test_a_forecast_at_every_step_is_a_forecast_from_each_beginning(cell: str) -> None:
    model = built(cell, EVERY_STEP)
    x = random(BATCH, STEPS, CHANNELS)
    output = model(x)
    for step in range(STEPS):
        torch.testing.assert_close(output[:, step], model(x[:, : step + 1])[:, -1])


@each_cell
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
def test_a_class_gets_a_logit_from_the_last_state(cell: str, both: bool) -> None:
    model = built(cell, CLASSIFY, bidirectional=both)
    their_layers, their_head = theirs(model, cell, bidirectional=both)
    x = random(BATCH, STEPS, CHANNELS)
    state = their_layers(x)[1]
    last = torch.cat(tuple(state[0] if cell == "lstm" else state), dim=-1)
    check_same(model, model(x), their_head(last)[:, None], their_layers, their_head)
    assert model(x).shape == (BATCH, 1, VALUES)


@each_cell
@each_depth
def test_windows_that_end_early_are_read_as_packed_sequences(cell: str, layers: int) -> None:
    model = built(cell, VARIABLE, layers=layers)
    their_layers, their_head = theirs(model, cell, num_layers=layers)
    lengths = torch.tensor([3, STEPS, 1, 5])
    x = random(BATCH, STEPS, CHANNELS)
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    state = their_layers(packed)[1]
    last = (state[0] if cell == "lstm" else state)[-1]
    padded = x.masked_fill(torch.arange(STEPS)[:, None] >= lengths[:, None, None], torch.nan)
    check_same(model, model(padded), their_head(last)[:, None], their_layers, their_head)


@pytest.mark.parametrize("given", ["bidirectional", "carries_state"])
def test_what_needs_windows_of_one_length_says_so(given: str) -> None:
    with pytest.raises(InputError, match=f"^expected windows of one length, since {given} is true"):
        built("lstm", VARIABLE, **{given: True})


def test_a_backward_direction_has_seen_the_next_value() -> None:
    with pytest.raises(InputError, match="each step has seen the next, got some at every step"):
        built("lstm", EVERY_STEP, bidirectional=True)


def cut_by_hand(cell: str, layers: nn.RNNBase, x: Tensor, k: int) -> Tensor:
    """All states, walked step by step; the state is detached where `k` steps, or a multiple, are left."""
    state: Any = None
    outputs = []
    for step in range(x.shape[1]):
        if state is not None and (x.shape[1] - step) % k == 0:
            state = tuple(part.detach() for part in state) if cell == "lstm" else state.detach()
        output, state = layers(x[:, step : step + 1], state)
        outputs.append(output)
    return torch.cat(outputs, dim=1)


@each_cell
@each_depth
@pytest.mark.parametrize("k", [1, 3, 7, 20])
@pytest.mark.parametrize("shape", [LAST, EVERY_STEP], ids=["last step", "every step"])
def test_no_gradient_flows_through_more_than_k_steps(cell: str, layers: int, k: int, shape: Shape) -> None:
    model, whole = (built(cell, shape, layers=layers, truncate=cut) for cut in (k, None))
    their_layers, their_head = theirs(model, cell, num_layers=layers)
    x = random(BATCH, STEPS, CHANNELS)
    torch.testing.assert_close(model(x), whole(x), rtol=1e-12, atol=1e-14)
    states = cut_by_hand(cell, their_layers, x, k)
    expected = their_head(states) if shape.every_step else their_head(states[:, -1:])
    check_same(model, model(x), expected, their_layers, their_head)
    if k >= STEPS:
        check_same(model, model(x), whole(x), whole)


def test_a_cut_shows_in_what_the_gradient_reaches() -> None:
    model = built("gru", LAST, truncate=3)
    x = random(BATCH, STEPS, CHANNELS).requires_grad_()
    (reached,) = torch.autograd.grad(model(x).sum(), x)
    assert (reached[:, :-3] == 0).all()
    assert (reached[:, -3:] != 0).all()


@each_cell
@each_depth
@pytest.mark.parametrize("shape", [LAST, EVERY_STEP], ids=["last step", "every step"])
def test_state_is_carried_from_batch_to_batch(cell: str, layers: int, shape: Shape) -> None:
    model = built(cell, shape, layers=layers, carries_state=True).train()
    their_layers, their_head = theirs(model, cell, num_layers=layers)
    series = random(BATCH, 3 * STEPS, CHANNELS)
    state: Any = None
    for number, window in enumerate(series.split(STEPS, dim=1)):
        rows = BATCH - (number == 2)  # the last batch has fewer
        if state is not None:
            parts = state if cell == "lstm" else (state,)
            parts = tuple(part.detach()[:, :rows].contiguous() for part in parts)
            state = parts if cell == "lstm" else parts[0]
        states, state = their_layers(window[:rows], state)
        expected = their_head(states if shape.every_step else states[:, -1:])
        check_same(model, model(window[:rows]), expected, their_layers, their_head)
    fresh = built(cell, shape, layers=layers)
    first = series[:, :STEPS]
    torch.testing.assert_close(model.eval()(first), fresh(first))  # a prediction starts from zero
    model.train()
    assert not torch.allclose(model(first[: BATCH - 1]), fresh(first[: BATCH - 1]))
    model.reset_state()
    torch.testing.assert_close(model(first), fresh(first))


@each_cell
@each_depth
@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        (DENOISE, {"activation": "tanh"}),
        (DENOISE, {"bidirectional": True}),
        (CLASSIFY, {}),
        (VARIABLE, {}),
        (EVERY_STEP, {"truncate": 3}),
        (LAST, {"truncate": 3}),
        (LAST, {"carries_state": True}),
        (LAST, {"carries_state": True, "truncate": 3}),
        (EVERY_STEP, {"layer": "keras"}),
        (LAST, {"layer": "keras"}),
    ],
    ids=lambda value: value.task if isinstance(value, Shape) else str(value),
)
def test_members_together_are_members_alone(cell: str, layers: int, shape: Shape, parameters: dict[str, Any]) -> None:
    models = [built(cell, shape, seed=seed, layers=layers, **parameters).train() for seed in range(3)]
    together = stacked(models).train()
    x = random(3, BATCH, STEPS, CHANNELS)
    if shape.variable:
        x[:, 1, 4:] = torch.nan
        x[2, 3, 2:] = torch.nan
    for _ in range(2):  # the second batch goes on where states are carried
        output = together(x)
        found = gradients(output, together)
        for k, model in enumerate(models):
            alone = model(x[k])
            torch.testing.assert_close(output[k], alone, rtol=1e-12, atol=1e-14)
            weigh = random(*output.shape, seed=9)[k]
            own = torch.autograd.grad((alone * weigh).sum(), list(model.parameters()))
            for all_members, mine in zip(found, own, strict=True):
                torch.testing.assert_close(all_members[k], mine, rtol=1e-9, atol=1e-11)
    shared = together.eval()(x[:1])
    torch.testing.assert_close(shared[1], models[1].eval()(x[0]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "parameters", "valid"),
    [
        (LAST, {}, True),
        (LAST, {"truncate": STEPS}, True),
        (LAST, {"truncate": STEPS - 1}, False),
        (LAST, {"carries_state": True}, False),
        (LAST, {"activation": "tanh"}, True),
        (LAST, {"layer": "keras"}, False),
        (LAST, {"layers": 2}, True),
        (LAST, {"bidirectional": True}, True),
        (VARIABLE, {}, False),
        (CLASSIFY, {}, False),
        (EVERY_STEP, {}, True),
        (DENOISE, {}, True),
        (DENOISE, {"activation": "tanh"}, True),
    ],
)
def test_autograd_is_left_out_where_the_kernels_compute_the_same(
    shape: Shape, parameters: dict[str, Any], valid: bool
) -> None:
    assert built("gru", shape, **parameters).without_autograd is valid


@each_cell
@each_depth
@pytest.mark.parametrize(
    ("shape", "both"), [(LAST, False), (EVERY_STEP, False), (DENOISE, False), (LAST, True), (DENOISE, True)]
)
def test_without_autograd_the_gradients_are_the_same(cell: str, layers: int, shape: Shape, both: bool) -> None:
    together = stacked([built(cell, shape, seed=seed, layers=layers, bidirectional=both) for seed in range(2)])
    x, y = random(2, BATCH, STEPS, CHANNELS), random(2, BATCH, *shape.targets)
    flat = torch.cat([weight.detach().reshape(-1) for weight in together.parameters()])
    losses, gradients = together.losses_and_gradients(x, y, "mse", flat)
    expected = (together(x) - y).square().flatten(1).mean(1)
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=1e-12)
    truth = torch.autograd.grad(expected.sum(), list(together.parameters()))
    torch.testing.assert_close(gradients, torch.cat([each.reshape(-1) for each in truth]), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (LAST, "expected targets of the window's own 2 channels, got 3 other values"),
        (Shape(5, 1, 2, variable=True), "expected windows of one length"),
        (Shape(5, 1, 2, every_step=True), "expected targets after the window alone"),
    ],
)
def test_an_encoder_decoder_writes_what_it_reads(shape: Shape, said: str) -> None:
    kind = MODELS["encoder-decoder"]
    with pytest.raises(InputError, match=said):
        kind.build(kind.parameters(), shape)
