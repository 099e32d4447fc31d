"""Results of many commits → when they changed, and by how much."""

from bench.compare.history.page import write
from bench.compare.history.series import Failure, Point, Series, read
from bench.compare.history.steps import Step, steps

__all__ = ["Failure", "Point", "Series", "Step", "read", "steps", "write"]
