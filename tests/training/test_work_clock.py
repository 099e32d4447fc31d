"""Compilation counts in no time that is stored, and in no time limit: the clock stands still meanwhile."""

import time
from dataclasses import replace

import numpy as np
import pytest
from numba import njit
from numba.core import event

import bench.kernels.compiled  # noqa: F401 - it stops the clock while numba compiles
from bench import work_clock
from bench.models import MODELS
from bench.protocol.windows import Parts, TrainingData, evaluation_windows, train_windows
from bench.spec import Training
from bench.training.fit import train
from bench.training.members import Member
from bench.work_clock import work_s


class Compiling:
    """A closed form whose fit compiles a kernel; numba's own timer says for how long."""

    compiled_s = 0.0

    def fit(self, batches):
        with event.install_timer("numba:compile", self.add):
            njit(lambda x: np.sort(x)[::-1].cumsum())(np.arange(3.0))

    def add(self, seconds):
        self.compiled_s += seconds

    def predict(self, inputs):
        return np.zeros((len(inputs), 1, 1))

    def parameter_count(self):
        return 0


@pytest.fixture
def data():
    values, cut = np.arange(60.0)[:, None], Parts(40, 50, 60)
    return TrainingData(train_windows(values, cut, 4, 1), evaluation_windows(values, cut.validation, 4, 1))


def test_what_a_fit_compiles_is_not_in_its_seconds(data):
    model, kind = Compiling(), MODELS["persistence"]
    made = replace(kind, builder=lambda parameters, shape: model)
    began = time.perf_counter()
    trained = train(made, [Member(kind.parameters(), Training(), 5, ("replicate", 0))], data)
    wall_s = time.perf_counter() - began
    assert model.compiled_s > 0.01, "numba compiled a kernel"
    assert 0 < trained.fits[0].fit_s <= wall_s - model.compiled_s


def test_the_clock_stands_still_until_the_last_of_several_goes_on():
    work_clock.stop()
    still = work_s()
    with work_clock.stopped():
        assert work_s() == still
    assert work_s() == still
    work_clock.go_on()
    assert work_s() >= still


def test_it_goes_on_after_an_error():
    with pytest.raises(ZeroDivisionError), work_clock.stopped():
        1 / 0  # noqa: B018 - raises
    before = work_s()
    while work_s() == before:
        pass
