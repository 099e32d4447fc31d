"""What the printed code must give, against `torch.nn` and plain loops."""

import numpy as np
import pytest

from bench.protocol.windows import divided, train_windows
from bench.replication.facts import GATES, gates, linear_parameters, recurrent_parameters
from bench.spec import AsPublished, Split

torch_nn = pytest.importorskip("torch.nn")
LAYERS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (2, 1), (3, 2)])
def test_parameters_are_those_of_torch(cell, layers, directions):
    module = getattr(torch_nn, LAYERS[cell])(3, 7, num_layers=layers, bidirectional=directions == 2)
    assert recurrent_parameters(cell, 3, 7, layers=layers, directions=directions) == sum(
        each.numel() for each in module.parameters()
    )


def test_a_linear_map_is_that_of_torch():
    assert linear_parameters(16, 1) == sum(each.numel() for each in torch_nn.Linear(16, 1).parameters())


def test_the_printed_288_and_17_are_those_of_one_bias():
    assert recurrent_parameters("rnn", 1, 16, biases=1) == 288
    assert linear_parameters(16, 1) == 17


@pytest.mark.parametrize("cell", GATES)
def test_gates_are_counted_from_parameters(cell):
    total = recurrent_parameters(cell, 2, 9) + linear_parameters(9, 4)
    assert gates(total, 2, 9, 4) == GATES[cell]


def window_count(points, sequence_length, horizon=1, windows="all"):
    """Train windows of so many points where nothing is held out, as the printed code does."""
    departures = AsPublished(split="none", validation="none", windows=windows)
    cut = divided(points, Split(), departures, sequence_length)
    return len(train_windows(np.zeros((points, 1)), cut, sequence_length, horizon))


@pytest.mark.parametrize(("length", "horizon"), [(5, 2), (30, 1), (7, 3)])
def test_windows_are_those_that_numpy_slides(length, horizon):
    points = np.arange(60)
    whole = np.lib.stride_tricks.sliding_window_view(points, length + horizon)
    assert window_count(60, length, horizon) == len(whole)


def test_the_printed_loop_loses_one():
    printed = list(range(800 - 30 - 1))
    assert window_count(800, 30, windows="minus-one") == len(printed)


def test_the_printed_1944_windows_of_5_and_2_are_those_of_2000_less_50_points():
    assert window_count(2000 - 50, 5, 2) == 1944


def test_the_printed_first_target_is_no_value_of_its_formula():
    series = np.sin(np.linspace(0, 4 * np.pi, 500)).astype(np.float32)
    assert f"{series[20]:.4f}" == "0.4826"  # the first after a window of 20
    assert "0.8749" not in {f"{value:.4f}" for value in series}
