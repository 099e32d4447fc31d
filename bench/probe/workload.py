"""What is measured, and the results: frozen values sent to the probe's worker process and back. Imports no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from bench.models.base import Shape
from bench.running.rows import Blocked

PREDICT_BATCH = 1024
"""Windows in one call where throughput is measured; the batch that validation and test are predicted in."""


@dataclass(frozen=True)
class Workload:
    """One model on windows of one shape.

    Parameters
    ----------
    kind, parameters
        A registered kind of model, and its parameters as canonical JSON.
    shape
        Of its windows.
    batch_size
        Windows in one training step.
    train_windows, validation_windows
        In one epoch.
    epochs
        Of one fit; its validations where the budget is in steps.
    members
        In the bank whose speed is measured apart.
    steps
        Of one fit where the budget is in steps, else `None`.
    """

    kind: str
    parameters: str
    shape: Shape
    batch_size: int
    train_windows: int
    validation_windows: int
    epochs: int
    members: int
    steps: int | None = None

    def to_json(self) -> str:
        """Everything that is measured, as canonical JSON."""
        values = {**asdict(self), "parameters": json.loads(self.parameters), "predict_batch": PREDICT_BATCH}
        if self.steps is None:
            del values["steps"]  # as it was before there were such budgets
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    @property
    def rows(self) -> int:
        """Windows in a whole batch of this workload: no more than there are."""
        return min(self.batch_size, self.train_windows)


@dataclass(frozen=True)
class Facts:
    """What is known of a workload without timing it.

    Parameters
    ----------
    implementation
        What is timed, such as ``torch.nn.LSTM``.
    bank
        How the members of its bank are stepped; empty where there is none.
    values
        Quantities that are not repeated: parameters, FLOPs, peak memory.
    environment
        Where and with what, as `bench.store.environment.environment` tells it.
    """

    implementation: str
    bank: str
    values: Mapping[str, float]
    environment: Mapping[str, Any]


Sample = Mapping[str, float]
"""Quantity → its value in one round."""


class Question(NamedTuple):
    """`facts` come first: asking for them builds the model and warms it up."""

    workload: Workload
    what: Literal["facts", "sample"]


Answer = Facts | Sample | Blocked
"""What is known of the workload, one round of samples, or why there are none."""
