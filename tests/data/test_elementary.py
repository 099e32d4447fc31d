"""exp, sin and cos against mpmath, and data that are the same on machines of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy as np
import pytest

from bench.data import elementary

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(20)
ARGUMENTS = {
    "exp": [RANDOM.uniform(-700, 709.7, 3000), RANDOM.normal(0, 0.1, 3000), np.linspace(-1e-300, 1e-300, 11)],
    "sin": [RANDOM.uniform(-1e4, 1e4, 3000), np.arange(3000) * 0.1, RANDOM.uniform(-1e14, 1e14, 2000)],
    "cos": [RANDOM.uniform(-1e4, 1e4, 3000), np.pi / 2 * np.arange(3000), RANDOM.uniform(-1e-9, 1e-9, 500)],
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_values_are_correctly_rounded(name: str) -> None:
    """mpmath's are, at 300 bits, before they are rounded once."""
    x = np.concatenate(ARGUMENTS[name])
    with mpmath.workprec(300):
        truth = np.array([float(getattr(mpmath, name)(mpmath.mpf(float(value)))) for value in x])
    np.testing.assert_array_equal(getattr(elementary, name)(x), truth)


def test_the_ends_of_exp() -> None:
    x = np.array([0.0, 709.782712893384, 709.7827128933841, 1e300, np.inf, -745.0, -746.0, -np.inf])
    expected = [1.0, 1.797693134862273e308, np.inf, np.inf, np.inf, 5e-324, 0.0, 0.0]
    np.testing.assert_allclose(elementary.exp(x), expected, rtol=1e-13)


def test_shapes_are_kept_beyond_one_chunk() -> None:
    x = RANDOM.normal(size=(3, 5000))
    np.testing.assert_allclose(elementary.sin(x), np.sin(x), rtol=3e-16)
    assert elementary.cos(np.empty((0, 2))).shape == (0, 2)


def test_angles_without_a_fraction_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected angles within ±1\.1259e\+15, got 1e\+16"):
        elementary.cos(np.array([0.0, 1e16]))


def _digests(variables: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, HERE / "digests_of_data.py"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _numpy_of_old_processors() -> dict[str, str]:
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(np._core._multiarray_umath.__cpu_dispatch__)}  # type: ignore[attr-defined]


MACHINES: dict[str, Callable[[], dict[str, str]]] = {
    "this one": dict,
    "no wide vectors in NumPy": _numpy_of_old_processors,
    "nor in the C library": lambda: {
        **_numpy_of_old_processors(),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX",
    },
    "no wide vectors in numba": lambda: {"NUMBA_CPU_NAME": "x86-64-v2"},
}


@pytest.mark.parametrize("machine", MACHINES)
def test_generated_data_are_the_same_on_every_machine(machine: str) -> None:
    """The stored digests are those of processors with AVX-512 and of others alike: one value for all of them."""
    assert _digests(MACHINES[machine]()) == json.loads((HERE / "digests.json").read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="the machine that is shown to differ is one with glibc")
def test_the_switches_work() -> None:
    """What NumPy's own sine gives does depend on them, or the test above would show nothing."""
    script = "import numpy as np, hashlib; print(hashlib.sha256(np.exp(np.arange(-9, 9, 1e-3)).tobytes()).hexdigest())"
    found = set()
    for variables in ({}, _numpy_of_old_processors()):
        environment = {**os.environ, **variables}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    assert len(found) == 2 or not (features.get("X86_V4") or features.get("AVX512_SKX"))
