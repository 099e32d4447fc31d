"""MNIST, handwritten digits of 28 × 28 pixels, by rows, from its four idx files."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.data.base import DatasetKind, FloatArray32, Parameters, Provenance, Sequences
from bench.data.fetch import locate
from bench.data.idx import read_idx
from bench.data.images import one_hot
from bench.data.pins import PINNED
from bench.errors import DataError

_SIDE, _CLASSES = 28, 10
_BLOCK = 1000  # images
_MEAN, _DEVIATION = np.float32(0.1307), np.float32(0.3081)  # of the train part, as published
_PARTS = ("train", "test")
_FILES = tuple(f"mnist-{part}-{what}" for part in _PARTS for what in ("images", "labels"))
_SOURCE = f"{PINNED[_FILES[0]].address} and three files beside it, rows as steps"


class Mnist(Parameters):
    """Parameters of `mnist`."""

    normalise: Literal["0-1", "standard"] = Field(
        "0-1", description="Pixels / 255; or (pixels / 255 - 0.1307) / 0.3081, the published mean and deviation."
    )


def load(parameters: Mnist, _seed: int) -> Sequences:
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
        if len(pixels) != len(classes) or pixels.shape[1:] != (_SIDE, _SIDE):
            raise DataError(
                f"{PINNED[f'mnist-{part}-images'].file}: expected {len(classes)} images of {_SIDE} × {_SIDE}, as many "
                f"as labels, got {list(pixels.shape)}; replace it"
            )
    return Sequences(
        inputs=_scaled(images, parameters.normalise),
        targets=one_hot(np.concatenate(labels), _CLASSES, source="mnist labels"),
        task="classify",
        provenance=Provenance(source=f"{_SOURCE}, pixels {parameters.normalise}", sha256=_fingerprint(parameters)),
        test=len(images[1]),
    )


def _scaled(images: list[NDArray[np.uint8]], normalise: str) -> FloatArray32:
    """All images as float32, made once: each of the 256 values is looked up."""
    table = np.arange(256, dtype=np.float32) / np.float32(255)
    if normalise == "standard":
        table = (table - _MEAN) / _DEVIATION
    scaled = np.empty((sum(map(len, images)), _SIDE, _SIDE), np.float32)
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
    load,
    fingerprint=_fingerprint,
    task="classify",
    steps=lambda _parameters: _SIDE,
    values=(_SIDE, _CLASSES),
)
