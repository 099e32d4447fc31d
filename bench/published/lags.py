"""The one-step forecasts among the stored predictions of one cell, and their delay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.published.delay import MOST, Delay, delay
from bench.published.evidence import Evidence, Tables
from bench.published.values import FloatArray


@dataclass(frozen=True, eq=False)
class OneStep:
    """The one-step forecasts of one replicate.

    A decoder that is fed its own forecasts makes one for each window, at its first step; one that is fed true past
    values makes one for every point. The later steps of a window know nothing new: laid end to end, they would lag by
    as much as the window is long, whatever the model.

    Parameters
    ----------
    truth
        ``[T]``, of every point of the test part.
    prediction, last, target
        ``[W]``: the forecasts, the value known last before each, and what it is a forecast of.
    every
        Points from one forecast to the next.
    """

    truth: FloatArray
    prediction: FloatArray
    last: FloatArray
    target: FloatArray
    every: int

    @property
    def delay(self) -> Delay | None:
        """Its lag behind the truth, of one window at most."""
        return delay(self.truth, self.prediction, every=self.every, most=MOST if self.every == 1 else self.every)


def one_step(cell: Evidence, tables: Tables) -> Iterator[OneStep]:
    """Of each replicate of a forecast of real data: of data that we make, the noise floor says more."""
    rows = tables.predictions(cell)
    if cell.task != "forecast" or cell.mean("noise_floor_mse") is not None or rows is None or not rows.num_rows:
        return
    names = ("seed", "channel", "step", "truth", "prediction", "persistence")
    columns = {name: rows[name].to_numpy() for name in names}
    for seed in cell.seeds:
        mask = (columns["seed"] == seed) & (columns["channel"] == 0)
        own = {name: values[mask] for name, values in columns.items()}
        if len(own["truth"]):
            yield _of(own)


def _of(own: dict[str, FloatArray]) -> OneStep:
    shown_all = bool(np.array_equal(own["persistence"][1:], own["truth"][:-1]))
    first = np.flatnonzero((own["step"] == own["step"].min()) | shown_all)
    every = int(first[1] - first[0]) if len(first) > 1 else 1
    return OneStep(own["truth"], own["prediction"][first], own["persistence"][first], own["truth"][first], every)


def delay_of(cell: Evidence, tables: Tables) -> Delay | None:
    """Of the replicate in the middle; `None` where no forecast of real data is stored."""
    found = (forecasts.delay for forecasts in one_step(cell, tables))
    known = sorted((each for each in found if each is not None), key=lambda each: (each.steps, each.correlation))
    return known[len(known) // 2] if known else None
