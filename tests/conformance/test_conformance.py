"""``bench conform``, ``bench new`` and `bench.testing`: each fault is named by its check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from bench.conformance.child import HISTORY_NAMES, NAMES, Examination, examine
from bench.conformance.history_checks import HISTORY_CHECKS
from bench.conformance.requirements import CHECKS, CheckFailed, ExaminedModule
from bench.errors import InputError
from bench.models.own_forecaster import forecaster_kind
from bench.models.own_module import module_kind
from bench.registry import is_address
from bench.testing import ForecasterConformance, ModuleConformance

torch = pytest.importorskip("torch")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import broken  # noqa: E402
import broken_forecasters  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def subject(name: str, **given: object) -> ExaminedModule:
    return ExaminedModule(name, module_kind(name, getattr(broken, name), ""), given, sequence_length=6)


class TestASoundModule(ModuleConformance):
    module = broken.Copies
    parameters: ClassVar = {"gain": 0.5}


class TestOneThatIsTrainedOneByOne(ModuleConformance):
    module = broken.BatchNorm
    sequence_length = 8
    channels = (1,)


class TestASoundForecaster(ForecasterConformance):
    forecaster = broken_forecasters.Sound
    parameters: ClassVar = {"bias": 0.5}


class TestAForecasterOfOneChannel(ForecasterConformance):
    forecaster = broken_forecasters.OneChannel


def test_every_check_of_a_forecaster_has_a_test_to_inherit_and_a_name():
    tests = {name.removeprefix("test_") for name in vars(ForecasterConformance) if name.startswith("test_")}
    assert tests == HISTORY_CHECKS.keys() - {"time"}  # which requires nothing
    assert tuple(HISTORY_CHECKS) == HISTORY_NAMES[1:]


def of_history(name: str, **given: object) -> ExaminedModule:
    return ExaminedModule(name, forecaster_kind(name, getattr(broken_forecasters, name), ""), given)


HISTORY_FAULTS = [
    ("FailsShapes", "shapes", r"shapes: expected forecasts \[8, 2, 1\] of 8 origins, got \[8, 1\]"),
    ("Raises", "shapes", "no fit today"),
    ("FailsSeeds", "seeds", "forecasts differ by .* between two fits with one seed"),
    ("SaysItDrawsNothing", "seeds", "another seed gives other forecasts, and it states stochastic = False"),
    ("FailsNumbers", "numbers", "zeros: .*expected finite forecasts, got NaN or infinity"),
    ("FailsCausality", "causality", "other values from point 202 on change its forecast from point 202"),
    ("FailsLate", "causality", "change its forecast from point 214"),
    ("FailsByTheMeanOfAll", "causality", "it peeks at values after the origin"),
    ("FailsByMemory", "causality", "the same call again gives forecasts that differ by 1; let predict change nothing"),
]


@pytest.mark.parametrize(("name", "check", "said"), HISTORY_FAULTS)
def test_a_fault_of_a_forecaster_fails_its_check(name, check, said):
    with np.errstate(all="ignore"), pytest.raises((CheckFailed, InputError, ValueError), match=said):
        HISTORY_CHECKS[check](of_history(name))
    assert HISTORY_CHECKS[check](of_history("Sound"))


def test_what_a_forecaster_cannot_do_is_not_tried_and_said():
    assert HISTORY_CHECKS["shapes"](of_history("OneChannel")) == (
        "[N, H, D] for T=12, H=2, C=1; T=24, H=2, C=1; not tried, as it does not state them: T=12, H=3, C=1; "
        "T=12, H=2, C=2"
    )


def test_a_forecaster_is_checked_in_a_process_of_its_own():
    names = [(each.name, each.passed) for each in examine(Examination(f"{HERE / 'broken_forecasters.py'}:Sound", {}))]
    assert names == [(name, True) for name in HISTORY_NAMES]
    *_, last = examine(Examination(f"{HERE / 'broken_forecasters.py'}:Ends", {}))
    assert (last.name, last.words, last.left) == ("shapes", "its process ended (exit code 7)", HISTORY_NAMES[2:])


def test_every_check_has_a_test_to_inherit_and_a_name():
    tests = {name.removeprefix("test_") for name in vars(ModuleConformance) if name.startswith("test_")}
    assert tests == CHECKS.keys() - {"time"}  # which requires nothing
    assert tuple(CHECKS) == NAMES[1:]


FAULTS = [
    ("FailsShapes", "shapes", r"T=6, H=2, C=1: FailsShapes: shapes: expected outputs \[2, 2, 1\] .* got \[2, 1\]"),
    ("FailsBatch", "batch", "it peeks at the other windows"),
    ("FailsBatch", "causality", "other values from point .* moved .* predictions"),
    ("FailsSeeds", "seeds", "weight differs between two modules of one seed"),
    ("NeverFinite", "numbers", "standard normal inputs give NaN or infinity"),
    ("FailsNumbers", "numbers", "zeros give NaN or infinity"),
    ("FailsGradients", "gradients", "no gradient reaches the outputs"),
    ("FailsTraining", "training", "it learns nothing"),
]


@pytest.mark.parametrize(("name", "check", "said"), FAULTS)
def test_a_fault_fails_its_check_and_a_sound_module_passes_it(name, check, said):
    with pytest.raises((CheckFailed, InputError), match=said):
        CHECKS[check](subject(name))
    assert CHECKS[check](subject("Copies"))


@pytest.mark.parametrize("check", ["batch", "seeds"])
def test_nan_is_no_sign_of_peeking_or_of_chance(check):
    assert CHECKS[check](subject("NeverFinite"))


def test_a_bank_that_computes_something_else_fails():
    from bench.conformance import requirements

    class Wrong(requirements.Fused):
        def step(self, x, y):
            return super().step(x, y) + 0.1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requirements, "Fused", Wrong)
        with pytest.raises(CheckFailed, match="as one, by vmap the losses are"):
            CHECKS["bank"](subject("Copies"))
    assert CHECKS["bank"](ExaminedModule("BatchNorm", module_kind("BatchNorm", broken.BatchNorm, ""), {})) == (
        "members are trained one by one: training changes its buffer norm.running_mean"
    )


def test_unknown_parameters_are_refused():
    with pytest.raises(CheckFailed, match="gian: Extra inputs are not permitted; it takes gain"):
        CHECKS["shapes"](subject("Copies", gian=2))


@pytest.mark.parametrize(
    ("name", "failed", "said"),
    [("Hangs", "gradients", "no answer within 6 s"), ("Ends", "shapes", "its process ended (exit code 7)")],
)
def test_what_hangs_or_ends_its_process_is_named(name, failed, said):
    *_, last = examine(Examination(f"{HERE / 'broken.py'}:{name}", {}, limit_s=6))
    assert (last.name, last.passed) == (failed, False)
    assert last.words.startswith(said)


@pytest.mark.parametrize(
    ("address", "whether"), [("./a.py:B", True), ("a.b:C", True), ("lstm", False), ("a.py", False)]
)
def test_an_address_is_told_from_a_name(address, whether):
    assert is_address(address) is whether


def ended(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_what_is_new_passes_as_it_is_generated(tmp_path):
    made = ended("bench", "new", "model", "my_net", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_net.py", "my_net.yaml", "test_my_net.py"]
    again = ended("bench", "new", "model", "my_net", folder=tmp_path)
    assert (again.returncode, "my_net.py is there already" in again.stderr) == (2, True)
    tests = ended("pytest", "-q", "-p", "no:cacheprovider", "test_my_net.py", folder=tmp_path)
    assert tests.returncode == 0, tests.stdout
    assert "8 passed" in tests.stdout
    conform = ended("bench", "conform", "./my_net.py:MyNet", "--set", "hidden_size=4", folder=tmp_path)
    assert conform.returncode == 0, conform.stdout + conform.stderr
    lines = [line.split()[:2] for line in conform.stdout.splitlines() if line.startswith(("ok", "FAILED"))]
    assert lines == [["ok", name] for name in NAMES]
    planned = ended("bench", "run", "my_net.yaml", "--allow-plugin", "--dry-run", folder=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "noisy-sine × my_net, L=24, h=1" in planned.stdout
    refused = ended("bench", "run", "my_net.yaml", "--dry-run", folder=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--allow-plugin" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "model", "My-Net"), "expected the name of a module, in lower-case letters"),
        (("new", "model", "class"), "got 'class', which is a word of Python's own; name it my_class, say"),
        (("new", "model", "random"), "got 'random', which is a module of Python's own; name it my_random, say"),
        (("new", "model", "torch"), "got 'torch', which is an installed package; name it my_torch, say"),
        (("new", "model", "net", "--folder", "nowhere"), "nowhere: expected a folder"),
        (("conform", "mynet"), "expected FILE:CLASS, such as ./mynet.py:MyNet, got 'mynet'"),
        (("conform", "./a.py:B", "--set", "width"), "--set width: expected NAME=VALUE"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, arguments, said):
    found = ended("bench", *arguments, folder=tmp_path)
    assert found.returncode == 2
    assert said in found.stderr
    assert found.stderr.count("\n") == 1
