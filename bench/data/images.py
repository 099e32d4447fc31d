"""Handwritten digits by rows: scikit-learn's 8 × 8 (needs no network) and MNIST's 28 × 28 pixels.

The rows of an image are the steps of a sequence, its class is the target. MNIST comes in four idx files: a big-endian
header of sizes, then bytes; compressed by gzip. See Y. LeCun, C. Cortes & C. Burges, "The MNIST database of handwritten
digits", section "File formats".
"""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.array_types import FloatArray32
from bench.data.base import DatasetKind, Parameters, Provenance, Sequences
from bench.data.pinned import PINNED, locate
from bench.errors import DataError


def one_hot(labels: NDArray[np.uint8], classes: int, *, source: str) -> FloatArray32:
    """``[N, 1, classes]``, 1 at the class of each example and 0 elsewhere.

    Raises
    ------
    DataError
        A label is no class; the message names `source` and the first at fault.
    """
    if (wrong := labels >= classes).any():
        place = int(np.argmax(wrong))
        raise DataError(
            f"{source}: expected labels from 0 to {classes - 1}, got {labels[place]} for example {place + 1}; "
            "replace it"
        )
    targets = np.zeros((len(labels), 1, classes), np.float32)
    targets[np.arange(len(labels)), 0, labels] = 1
    return targets


_UNSIGNED_BYTES = 8


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of the file at `path`, in its shape.

    Raises
    ------
    DataError
        It is no gzip file, has another magic number, or holds more or less than its sizes say.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a gzip file that can be read, got: {error}; replace it") from error
    expected = _UNSIGNED_BYTES << 8 | dimensions
    start = 4 * (1 + dimensions)
    header = np.frombuffer(content[:start], ">u4", count=min(len(content), start) // 4)
    if len(header) <= dimensions or header[0] != expected:
        magic = int(header[0]) if len(header) else "nothing"
        raise DataError(
            f"{path}: expected the magic number {expected} and {dimensions} sizes, as idx files of unsigned bytes "
            f"begin, got {magic}; replace it"
        )
    sizes = [int(size) for size in header[1:]]
    if len(content) - start != math.prod(sizes):
        raise DataError(
            f"{path}: expected {' × '.join(map(str, sizes))} = {math.prod(sizes)} bytes after the header, got "
            f"{len(content) - start}; replace it"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the pixels, then the labels, as unsigned bytes."""

_DIGITS_SIDE, _BRIGHTEST, _DIGITS_CLASSES = 8, 16, 10
_DIGITS_SOURCE = (
    "sklearn.datasets.load_digits (E. Alpaydin & C. Kaynak, Optical Recognition of Handwritten Digits, UCI)"
)


class Digits(Parameters):
    """Parameters of `digits`: none."""


def load_sklearn_digits(_parameters: Digits, _seed: int) -> Sequences:
    """1797 images as 8 steps of 8 pixels, divided by 16 into [0, 1], in the order of the file.

    In the file one writer follows another, so that the last part was largely written by other hands than the first:
    a split in order requests digits of new writers.

    Raises
    ------
    DataError
        The installed scikit-learn holds other digits.
    """
    from sklearn.datasets import load_digits  # slow, and no other dataset needs it

    content = load_digits()
    pixels, labels = content.images.astype(np.uint8), content.target.astype(np.uint8)
    if (sha256 := hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()) != SHA256:
        raise DataError(
            f"{_DIGITS_SOURCE}: expected content of SHA-256 {SHA256}, got {sha256}; install another version of "
            "scikit-learn"
        )
    return Sequences(
        inputs=pixels.reshape(-1, _DIGITS_SIDE, _DIGITS_SIDE).astype(np.float32) / np.float32(_BRIGHTEST),
        targets=one_hot(labels, _DIGITS_CLASSES, source=_DIGITS_SOURCE),
        task="classify",
        provenance=Provenance(source=f"{_DIGITS_SOURCE}, rows as steps, divided by {_BRIGHTEST}", sha256=sha256),
    )


DIGITS = DatasetKind(
    "handwritten digits of 8 × 8 pixels, rows as steps",
    Digits,
    load_sklearn_digits,
    fingerprint=lambda _parameters: SHA256,
    task="classify",
    steps=lambda _parameters: _DIGITS_SIDE,
    values=(_DIGITS_SIDE, _DIGITS_CLASSES),
)


_MNIST_SIDE, _MNIST_CLASSES = 28, 10
_BLOCK = 1000  # images
_MEAN, _DEVIATION = np.float32(0.1307), np.float32(0.3081)  # of the train part, as published
_PARTS = ("train", "test")
_FILES = tuple(f"mnist-{part}-{what}" for part in _PARTS for what in ("images", "labels"))
_MNIST_SOURCE = f"{PINNED[_FILES[0]].address} and three files next to it, rows as steps"


class Mnist(Parameters):
    """Parameters of `mnist`."""

    normalise: Literal["0-1", "standard"] = Field(
        "0-1", description="Pixels / 255; or (pixels / 255 - 0.1307) / 0.3081, the published mean and deviation."
    )


def load_mnist(parameters: Mnist, _seed: int) -> Sequences:
    """60 000 images to learn from and, at the end, the 10 000 of the published test part.

    Raises
    ------
    DataError
        A file is not what it should be.
    DataUnavailable
        A file is neither given, nor cached, nor reachable.
    """
    images = [read_idx(locate(f"mnist-{part}-images"), 3) for part in _PARTS]
    labels = [read_idx(locate(f"mnist-{part}-labels"), 1) for part in _PARTS]
    for part, pixels, classes in zip(_PARTS, images, labels, strict=True):
        if len(pixels) != len(classes) or pixels.shape[1:] != (_MNIST_SIDE, _MNIST_SIDE):
            raise DataError(
                f"{PINNED[f'mnist-{part}-images'].file}: expected {len(classes)} images of "
                f"{_MNIST_SIDE} × {_MNIST_SIDE}, as many as labels, got {list(pixels.shape)}; replace it"
            )
    return Sequences(
        inputs=_scaled(images, parameters.normalise),
        targets=one_hot(np.concatenate(labels), _MNIST_CLASSES, source="mnist labels"),
        task="classify",
        provenance=Provenance(
            source=f"{_MNIST_SOURCE}, pixels {parameters.normalise}", sha256=_fingerprint(parameters)
        ),
        test=len(images[1]),
    )


def _scaled(images: list[NDArray[np.uint8]], normalise: str) -> FloatArray32:
    """All images as float32, made once: each of the 256 values is looked up."""
    table = np.arange(256, dtype=np.float32) / np.float32(255)
    if normalise == "standard":
        table = (table - _MEAN) / _DEVIATION
    scaled = np.empty((sum(map(len, images)), _MNIST_SIDE, _MNIST_SIDE), np.float32)
    start = 0
    for pixels in images:
        for block in np.array_split(pixels, -(-len(pixels) // _BLOCK)):  # indices are eight times as large as pixels
            scaled[start : start + len(block)] = table[block]
            start += len(block)
    return scaled


def _fingerprint(_parameters: Mnist) -> str:
    """Of the four pinned SHA-256, one to a line."""
    return hashlib.sha256("\n".join(PINNED[name].sha256 for name in _FILES).encode()).hexdigest()


MNIST = DatasetKind(
    "MNIST, handwritten digits of 28 × 28 pixels, rows as steps",
    Mnist,
    load_mnist,
    fingerprint=_fingerprint,
    task="classify",
    steps=lambda _parameters: _MNIST_SIDE,
    values=(_MNIST_SIDE, _MNIST_CLASSES),
)
