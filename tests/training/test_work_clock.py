"""Compilation counts in no time that is stored, and in no time limit: the clock stands still meanwhile."""

import importlib
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from numba.core import event

import bench.kernels.compiled  # noqa: F401 - it stops the clock while numba compiles
from bench import work_clock
from bench.cells import Cell
from bench.data import DATASETS
from bench.models import MODELS
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.running.cell import run_cell
from bench.spec import Entry, Split, Training, Tuning
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


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Makes a module whose import takes 100 s of a clock that nothing else moves."""
    now = SimpleNamespace(s=0.0)
    monkeypatch.setitem(sys.modules, "hands", now)
    monkeypatch.setattr(work_clock, "time", SimpleNamespace(perf_counter=lambda: now.s))
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, text="import hands\nhands.s += 100\n"):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)

    yield make
    for name in [name for name in sys.modules if name.startswith("slow_")]:
        del sys.modules[name]


def test_what_a_module_takes_to_be_imported_is_counted_only_without(slow):
    slow("slow_inner")
    slow("slow_outer", "import hands\nimport slow_inner\nhands.s += 100\n")
    slow("slow_later")
    finders, began = list(sys.meta_path), work_s()
    with work_clock.untimed_imports():
        outer = importlib.import_module("slow_outer")
        assert work_s() == began
        sys.modules["hands"].s += 1
    assert work_s() == began + 1
    importlib.import_module("slow_later")
    assert work_s() == began + 101
    assert sys.meta_path == finders
    loader = type(importlib.import_module("bench").__loader__)
    assert {type(each) for each in (outer.__loader__, outer.__spec__.loader)} == {loader}


def test_a_module_that_cannot_be_imported_is_refused_as_ever(slow):
    slow("slow_broken", "import hands\nhands.s += 100\n1 / 0\n")
    began = work_s()
    with work_clock.untimed_imports():
        with pytest.raises(ZeroDivisionError):
            importlib.import_module("slow_broken")
        with pytest.raises(ModuleNotFoundError, match="No module named 'slow_absent'"):
            importlib.import_module("slow_absent")
    assert work_s() == began


class Importing:
    """A closed form that imports what it needs when it is fitted."""

    def fit(self, batches):
        importlib.import_module("slow_engine")

    def predict(self, inputs):
        return np.zeros((len(inputs), 1, 1))

    def parameter_count(self):
        return 0


def test_the_first_cell_of_a_process_takes_what_it_takes_later(slow, monkeypatch):
    slow("slow_engine")
    parameters = MODELS["linear-ar"].parameters()
    model = Entry(id="mine", kind="linear-ar", parameters=parameters.model_dump(mode="json"))
    kind = replace(MODELS["linear-ar"], builder=lambda parameters, shape: Importing())
    monkeypatch.setattr("bench.running.cell.model_kinds", lambda: {"linear-ar": kind})
    wave = Entry(id="wave", kind="sine", parameters=DATASETS["sine"].parameters(length=80).model_dump(mode="json"))
    cell = Cell(
        suite="s",
        dataset=wave,
        model=model,
        sequence_length=4,
        horizon=1,
        seeds=1,
        seed=0,
        split=Split(),
        training=Training(),
        tuning=Tuning(trials=2),
        time_limit_s=60.0,
    )
    columns = ("status", "tuning_s", "fit_s")
    first, second = (run_cell(cell)["runs"].select(columns).to_pylist() for _ in range(2))
    assert sys.modules["hands"].s == 100
    assert first == second == [{"status": "ok", "tuning_s": 0.0, "fit_s": 0.0}]


def test_it_goes_on_after_an_error():
    with pytest.raises(ZeroDivisionError), work_clock.stopped():
        1 / 0  # noqa: B018 - raises
    before = work_s()
    while work_s() == before:
        pass
