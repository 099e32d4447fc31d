"""What a suite file says was printed → printed numbers with their decimals."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bench.published.values import Printed
from bench.suite.published import Published

TEST_NUMBERS = {"test_rmse": "test RMSE", "test_l1": "test L1"}
"""The printed numbers that are errors on the test part, and what they are called."""


def decimals(values: Iterable[float]) -> int:
    """The most decimals that any of `values` is written with.

    >>> decimals([0.015, 0.0342])
    4
    """
    places = (-int(Decimal(repr(value)).as_tuple().exponent) for value in values)
    return max((place for place in places), default=0)


def train_losses(published: Published) -> dict[int, Printed]:
    """Epoch → the training loss that was printed; a number with fewer decimals lost zeros at its end."""
    shared = decimals(published.train_loss.values())
    return {
        epoch: Printed(f"train loss at epoch {epoch}", loss, loss, shared)
        for epoch, loss in sorted(published.train_loss.items())
    }


def errors_on_test(published: Published) -> dict[str, Printed]:
    """The key in the suite file → the error on the test part."""
    given = {key: getattr(published, key) for key in TEST_NUMBERS}
    return {
        key: Printed(TEST_NUMBERS[key], value, value, decimals([value]))
        for key, value in given.items()
        if value is not None
    }


def accuracy(published: Published) -> Printed | None:
    """The range of accuracies, shares of 1."""
    if published.accuracy is None:
        return None
    low, high = published.accuracy
    return Printed("test accuracy", low, high, decimals([low, high]))
