"""Stored predictions → errors by how far ahead they are made, of each model and of persistence.

One number over a horizon hides where a model is good: persistence errs little one step ahead and much more later. What
is stored says it all: a prediction has its `step`.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bench.array_types import FloatArray, IntArray

COLUMNS = 8
"""Steps that a table shows, at most."""


@dataclass(frozen=True, eq=False)
class StepErrors:
    """The errors of one cell at each step ahead, original units.

    Parameters
    ----------
    step
        ``[S]``, ascending, from 1.
    rmse, persistence
        ``[S]``: over the origins, replicates and channels; of the model, and of persistence on the same targets.
    origins
        From how many points it was forecast.
    points
        How many points were forecast, each counted once.
    """

    model: str
    sequence_length: int
    step: IntArray
    rmse: FloatArray
    persistence: FloatArray
    origins: int
    points: int

    @property
    def shown(self) -> IntArray:
        """The places of at most `COLUMNS` steps, closer together at the first ones, where errors grow fastest."""
        places = np.geomspace(1, len(self.step), min(COLUMNS, len(self.step))).round().astype(np.int64) - 1
        return np.unique(places)


def step_errors(predictions: pa.Table) -> StepErrors | None:
    """The errors of one cell; `None` for one step ahead, and where a squared error is not finite.

    Parameters
    ----------
    predictions
        Its rows, of which there is at least one, of all replicates; its targets are points of a series.
    """
    names = ("index", "step", "truth", "prediction", "persistence")
    index, step, truth, prediction, persistence = (predictions[name].to_numpy() for name in names)
    if predictions["horizon"][0].as_py() == 1:
        return None
    steps, place, count = np.unique(step, return_inverse=True, return_counts=True)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and is refused below
        own, reference = (
            np.sqrt(np.bincount(place, (forecast - truth) ** 2) / count) for forecast in (prediction, persistence)
        )
    if not (np.isfinite(own).all() and np.isfinite(reference).all()):
        return None
    return StepErrors(
        model=predictions["model"][0].as_py(),
        sequence_length=predictions["sequence_length"][0].as_py(),
        step=steps.astype(np.int64),
        rmse=own,
        persistence=reference,
        origins=len(np.unique(index - step)),
        points=len(np.unique(index)),
    )
