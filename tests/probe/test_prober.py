"""One workload in this process: what is timed, what it is called, and what follows from it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch

from bench.models import MODELS
from bench.models.base import Shape
from bench.probe import prober
from bench.probe.flops import FORMULAS
from bench.probe.prober import CallTimer, Network, Prober, derived, subject, synchroniser
from bench.probe.workload import Answer, Question, Workload
from bench.running.supervised import Worker

SHAPE = Shape(5, 2, 1)
TIMED = {"latency_s", "windows_per_s", "fit_s", "machine_reference_s"}


def workload(kind: str, *, shape: Shape = SHAPE, **parameters: Any) -> Workload:
    return Workload(kind, json.dumps(parameters), shape, 16, 100, 10, 3, 2)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one call: what is found is the same, its noise is not."""
    monkeypatch.setattr(prober, "WARM_S", 0.0)
    monkeypatch.setattr(prober, "BLOCK_S", 0.0)


@pytest.mark.parametrize(
    ("kind", "parameters", "implementation"),
    [
        ("lstm", {"hidden_size": 3}, "torch.nn.LSTM"),
        ("encoder-decoder", {"hidden_size": 3, "cell": "gru", "prediction": "teacher-forced"}, "torch.nn.GRU"),
    ],
)
def test_a_network_is_timed_with_the_layers_of_torch_and_its_bank_apart(
    quick: None, kind: str, parameters: dict[str, Any], implementation: str
) -> None:
    prober = Prober(workload(kind, **parameters), "cpu")
    facts = prober.facts
    built = MODELS[kind].build(MODELS[kind].parameters(**parameters), SHAPE)
    assert (facts.implementation, facts.bank) == (implementation, "bank of 2, as one")
    assert facts.values["parameters"] == sum(weight.numel() for weight in built.parameters())
    flops = FORMULAS[kind](MODELS[kind].parameters(**parameters), SHAPE)
    assert flops.step is not None
    assert (facts.values["forward_flops"], facts.values["step_flops"]) == (flops.forward, 16 * flops.step)
    assert facts.environment["threads"] == torch.get_num_threads()
    sample = prober.sample()
    assert sample.keys() == TIMED | {"step_s", "epoch_s", "bank_step_s"}
    assert all(value > 0 for value in sample.values())


def test_a_closed_form_is_fitted_and_has_no_steps(quick: None) -> None:
    prober = Prober(workload("linear-ar"), "cpu")
    assert prober.facts.implementation == "bench.models.linear.LinearAR"
    assert (prober.facts.values["parameters"], prober.facts.values["forward_flops"]) == (12, 20)
    assert prober.sample().keys() == TIMED


def test_a_forecaster_is_fitted_once_and_forecasts_from_the_whole_history(quick: None) -> None:
    prober = Prober(workload("theta"), "cpu")
    assert prober.facts.implementation == "bench.models.classical.Theta"
    assert prober.facts.values["parameters"] == 2
    assert "forward_flops" not in prober.facts.values
    sample = prober.sample()
    assert sample.keys() == TIMED
    assert all(value > 0 for value in sample.values())


def test_an_epoch_is_its_steps_and_its_validation_and_a_fit_is_its_epochs() -> None:
    sample = {"step_s": 0.5, "windows_per_s": 20.0}
    assert derived(workload("rnn"), sample) == {"epoch_s": 7 * 0.5 + 10 / 20, "fit_s": 3 * (7 * 0.5 + 10 / 20)}
    assert derived(workload("mean"), {"windows_per_s": 20.0}) == {}
    in_steps = dataclasses.replace(workload("rnn"), steps=12)  # with three validations
    assert derived(in_steps, sample) == {"epoch_s": 7 * 0.5 + 10 / 20, "fit_s": 12 * 0.5 + 3 * 10 / 20}
    assert json.loads(in_steps.to_json()) == {**json.loads(workload("rnn").to_json()), "steps": 12}
    assert "steps" not in json.loads(workload("rnn").to_json()), "stored probes of such a budget stay comparable"


def test_a_step_is_that_of_adam_on_the_mean_squared_error() -> None:
    torch.manual_seed(0)
    network = subject(MODELS["gru"], workload("gru", hidden_size=3), "cpu")
    assert isinstance(network, Network)
    before = [weight.detach().clone() for weight in network.module.parameters()]
    x, y = network._train
    assert (x.shape, y.shape) == ((16, 5, 1), (16, 2, 1))
    loss = torch.mean((network.module(x) - y) ** 2)
    gradients = torch.autograd.grad(loss, list(network.module.parameters()))
    network.step()
    for old, new, gradient in zip(before, network.module.parameters(), gradients, strict=True):
        first = 1e-3 * gradient / (gradient.abs() + 1e-8)  # Adam's first step: m / sqrt(v) is the sign
        torch.testing.assert_close(new.detach(), old - first, rtol=1e-4, atol=1e-6)


def test_a_batch_is_no_larger_than_the_train_part() -> None:
    few = Workload("rnn", '{"hidden_size":2}', SHAPE, 64, 9, 1, 1, 1)
    network = subject(MODELS["rnn"], few, "cpu")
    assert isinstance(network, Network)
    assert len(network._train[0]) == 9


def test_a_sample_is_the_mean_over_a_block_and_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = 0.0, 0

    def call() -> None:
        nonlocal now
        now += 0.004

    def synchronise() -> None:
        nonlocal now, waits
        now += 0.002  # the device is still at work when the last call returns
        waits += 1

    monkeypatch.setattr(prober.time, "perf_counter", lambda: now)
    timer = CallTimer(call, synchronise)
    assert timer.calls == round(prober.BLOCK_S / 0.008)  # in warm-up each call waits twice
    waits = 0
    assert timer.sample() == pytest.approx(0.004 + 0.002 / timer.calls)
    assert waits == 4  # about the block, and about the call before it that is not timed


def test_only_a_gpu_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    for device in ("cpu", "cuda", "cuda:1"):
        synchroniser(device)()
    assert waited == ["cuda", "cuda:1"]


def test_peak_memory_is_that_of_the_model_in_a_fresh_process() -> None:
    large = Workload("rnn", '{"hidden_size":1400}', Shape(1, 1, 1), 1, 1, 1, 1, 1)
    worker: Worker[Question, Answer] = Worker("bench.probe.prober:answer", "cpu")
    try:
        facts: Any = worker.call(Question(large, "facts"))
    finally:
        worker.kill()
        worker.join()
    weights = 4 * facts.values["parameters"]  # bytes; then gradients and Adam's two moments
    assert weights > 7e6
    assert 4 * weights <= facts.values["peak_memory_bytes"] < 6 * weights + 32e6
