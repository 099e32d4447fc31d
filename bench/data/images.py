"""What datasets of images share: the rows of an image are the steps of a sequence, its class is the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.base import FloatArray32
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
