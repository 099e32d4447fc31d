"""scikit-learn's handwritten digits, 8 × 8 pixels, by rows. Needs no network."""

from __future__ import annotations

import hashlib

import numpy as np

from bench.data.base import DatasetKind, Parameters, Provenance, Sequences
from bench.data.images import one_hot
from bench.errors import DataError

SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the pixels, then the labels, as unsigned bytes."""

_SIDE, _BRIGHTEST, _CLASSES = 8, 16, 10
_SOURCE = "sklearn.datasets.load_digits (E. Alpaydin & C. Kaynak, Optical Recognition of Handwritten Digits, UCI)"


class Digits(Parameters):
    """Parameters of `digits`: none."""


def load(_parameters: Digits, _seed: int) -> Sequences:
    """1797 images as 8 steps of 8 pixels, divided by 16 into [0, 1], in the order of the file.

    In the file one writer follows another, so that the last part was largely written by other hands than the first:
    a split in order asks for digits of new writers.

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
            f"{_SOURCE}: expected content of SHA-256 {SHA256}, got {sha256}; install another version of scikit-learn"
        )
    return Sequences(
        inputs=pixels.reshape(-1, _SIDE, _SIDE).astype(np.float32) / np.float32(_BRIGHTEST),
        targets=one_hot(labels, _CLASSES, source=_SOURCE),
        task="classify",
        provenance=Provenance(source=f"{_SOURCE}, rows as steps, divided by {_BRIGHTEST}", sha256=sha256),
    )


DIGITS = DatasetKind(
    "handwritten digits of 8 × 8 pixels, rows as steps",
    Digits,
    load,
    fingerprint=lambda _parameters: SHA256,
    task="classify",
    steps=lambda _parameters: _SIDE,
    values=(_SIDE, _CLASSES),
)
