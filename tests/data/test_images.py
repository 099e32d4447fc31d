"""Digits by rows: scikit-learn's, and MNIST."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from bench.data import DATASETS, images as digits_module
from bench.data.base import Sequences
from bench.data.images import Digits, Mnist, one_hot
from bench.data.pinned import PINNED, Pinned
from bench.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def digits() -> Sequences:
    loaded = DATASETS["digits"].load(Digits(), 0)
    assert isinstance(loaded, Sequences)
    return loaded


def test_digits_are_the_images_by_rows(digits: Sequences) -> None:
    truth = load_digits()
    assert digits.inputs.shape == (1797, 8, 8)
    assert DATASETS["digits"].steps is not None
    assert DATASETS["digits"].steps(Digits()) == 8
    np.testing.assert_array_equal(digits.inputs * 16, truth.images)
    np.testing.assert_array_equal(digits.targets[:, 0].argmax(axis=1), truth.target)
    assert np.unique(digits.targets).tolist() == [0, 1]
    assert (digits.targets.sum(axis=2) == 1).all()
    assert (digits.task, digits.best, digits.test) == ("classify", None, None)


def test_the_order_of_the_file_asks_for_new_writers(digits: Sequences) -> None:
    """A nearest-neighbour classifier, that knows a writer's hand again, loses by it."""
    x, y = digits.inputs.reshape(1797, -1), digits.targets[:, 0].argmax(axis=1)

    def accuracy(order: np.ndarray) -> float:
        model = KNeighborsClassifier(3).fit(x[order[:1437]], y[order[:1437]])
        return float(model.score(x[order[1437:]], y[order[1437:]]))

    in_order = accuracy(np.arange(1797))
    shuffled = [accuracy(np.random.default_rng(seed).permutation(1797)) for seed in range(5)]
    assert in_order < 0.97
    assert min(shuffled) > 0.98


def test_other_digits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits_module, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"expected content of SHA-256 0{64}, got 87ff0c9e.*; install another version"):
        DATASETS["digits"].load(Digits(), 0)


def test_one_hot_refuses_what_is_no_class() -> None:
    with pytest.raises(DataError, match="files: expected labels from 0 to 2, got 3 for example 2; replace it"):
        one_hot(np.array([0, 3, 1], np.uint8), 3, source="files")


def _idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes())


def _pin(folder: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, np.ndarray]) -> None:
    """Small files in place of the published ones."""
    for name, array in arrays.items():
        content, file = _idx(array), PINNED[name].file
        (folder / file).write_bytes(content)
        monkeypatch.setitem(PINNED, name, Pinned(file, "", hashlib.sha256(content).hexdigest()))
    monkeypatch.setenv("BENCH_DATA", str(folder))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {
        "mnist-train-images": random.integers(256, size=(5, 28, 28), dtype=np.uint8),
        "mnist-train-labels": np.array([3, 1, 4, 1, 5], np.uint8),
        "mnist-test-images": random.integers(256, size=(2, 28, 28), dtype=np.uint8),
        "mnist-test-labels": np.array([9, 2], np.uint8),
    }
    _pin(tmp_path, monkeypatch, arrays)
    return arrays


@pytest.mark.parametrize("normalise", ["0-1", "standard"])
def test_mnist_puts_the_published_test_part_last(small: dict[str, np.ndarray], normalise: str) -> None:
    import torch

    sequences = DATASETS["mnist"].load(Mnist(normalise=normalise), 0)
    pixels = np.concatenate([small["mnist-train-images"], small["mnist-test-images"]])
    scaled = torch.from_numpy(pixels).to(torch.float32).div(255)  # as torchvision's ToTensor
    if normalise == "standard":
        scaled = scaled.sub(torch.tensor(0.1307)).div(torch.tensor(0.3081))  # as its Normalize
    np.testing.assert_array_equal(sequences.inputs, scaled.numpy())
    assert sequences.targets[:, 0].argmax(axis=1).tolist() == [3, 1, 4, 1, 5, 9, 2]
    assert sequences.test == 2
    assert sequences.provenance.sha256 == DATASETS["mnist"].fingerprint(Mnist(normalise=normalise))


def test_as_many_labels_as_images(
    small: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pin(tmp_path, monkeypatch, {"mnist-test-labels": np.zeros(3, np.uint8)})
    with pytest.raises(DataError, match=r"t10k-images.*expected 3 images of 28 × 28, .* got \[2, 28, 28\]"):
        DATASETS["mnist"].load(Mnist(), 0)


def test_the_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    if "BENCH_DATA" not in os.environ:
        if not SHARED.is_dir():
            pytest.skip("needs the published files: name their folder in BENCH_DATA")
        monkeypatch.setenv("BENCH_DATA", str(SHARED))
    tracemalloc.start()
    sequences = DATASETS["mnist"].load(Mnist(normalise="standard"), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sequences.inputs.shape == (70_000, 28, 28)
    assert sequences.test == 10_000
    labels = sequences.targets[:, 0].argmax(axis=1)
    # The published table of classes, and the first labels of either part.
    assert np.bincount(labels[:60_000]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert labels[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    train = sequences.inputs[:60_000]
    assert abs(float(train.mean(dtype=np.float64))) < 2e-4  # .1307 and .3081 are its mean and deviation, rounded
    assert float(train.std(dtype=np.float64)) == pytest.approx(1, abs=2e-4)
    assert peak < sequences.inputs.nbytes + 1.1 * 70_000 * 784  # float32 once, next to the bytes of the files
