"""What the near side asks and the far side answers. Imports no torch."""

from __future__ import annotations

from typing import Literal, NamedTuple

from bench.probe.workload import Facts, Sample, Workload
from bench.running.preflight import Blocked


class Question(NamedTuple):
    """`facts` come first: asking for them builds the model and warms it up."""

    workload: Workload
    what: Literal["facts", "sample"]


Answer = Facts | Sample | Blocked
"""What is known of the workload, one round of samples, or why there are none."""
