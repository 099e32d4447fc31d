"""Whether the errors of two cells are of the same test targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.compare.values import Side
from bench.report.text import listed

_SAME_TARGETS = 1e-6
"""Relative: errors of persistence that differ by less are of the same targets."""


def other_targets(old: Side, new: Side) -> list[str]:
    """Why the errors are not of the same test targets; nothing is said of what one side does not hold."""
    reasons = []
    if old.data_sha256 and new.data_sha256 and old.data_sha256 != new.data_sha256:
        reasons.append(f"other data: {old.data_sha256[:12]}… before, {new.data_sha256[:12]}… now")
    if old.test_points and new.test_points and old.test_points != new.test_points:
        before, now = (listed([str(points) for points in side.test_points]) for side in (old, new))
        reasons.append(f"other test parts: {before} test points before, {now} now")
    elif not reasons and not _alike(old.persistence_mse, new.persistence_mse):
        reasons.append("other test parts: the error of persistence differs")
    return reasons


def _alike(old: Sequence[float], new: Sequence[float]) -> bool:
    """Whether each number of one is in the other; nothing is known where one is empty."""
    if not old or not new:
        return True
    near = np.isclose(np.array(old)[:, None], np.array(new), rtol=_SAME_TARGETS, atol=0)
    return bool(near.any(axis=1).all() and near.any(axis=0).all())
