"""Two result sets side by side: the cells that both have, replicate by replicate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.compare.sides import ResultSet
from bench.compare.targets import other_targets
from bench.compare.values import Place, Side
from bench.stats.table import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Pairs:
    """The cells in common, sorted by place, and their replicates by seed."""

    old: ResultSet
    new: ResultSet
    places: tuple[Place, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, old: ResultSet, new: ResultSet) -> Pairs:
        """Pair the cells that `old` and `new` both have."""
        places = tuple(sorted(old.sides.keys() & new.sides.keys()))
        return cls(old, new, places, tuple(sorted({*old.layout.seeds, *new.layout.seeds})))

    def sides(self) -> Iterator[tuple[Side, Side]]:
        """Before and now, place by place."""
        return ((self.old.sides[place], self.new.sides[place]) for place in self.places)

    def count(self) -> IntArray:
        """``[places]``: the replicates that are ok in both."""
        both = self.old.ok(self.places, self.seeds) & self.new.ok(self.places, self.seeds)
        return np.asarray(both.sum(axis=1))

    def vanished(self) -> list[tuple[int, ...]]:
        """For each place the seeds that the old side has and the new one has not."""
        return self._seeds(self.old.present(self.places, self.seeds) & ~self.new.present(self.places, self.seeds))

    def failing(self, metrics: Iterable[str]) -> list[tuple[int, ...]]:
        """For each place the seeds of replicates that were ok and no longer are.

        One that is ok but lost the finite value of one of `metrics` is no longer ok.
        """
        old, new = (side.ok(self.places, self.seeds) for side in (self.old, self.new))
        lost = old & ~new
        for metric in metrics:
            lost |= self._finite(self.old, metric) & ~self._finite(self.new, metric)
        return self._seeds(lost & self.new.present(self.places, self.seeds))

    def _finite(self, side: ResultSet, metric: str) -> BoolArray:
        return np.asarray(np.isfinite(side.values(metric, self.places, self.seeds)))

    def _seeds(self, which: BoolArray) -> list[tuple[int, ...]]:
        return [tuple(seed for seed, hit in zip(self.seeds, row, strict=True) if hit) for row in which.tolist()]

    def values(self, metric: str) -> tuple[FloatArray, FloatArray]:
        """``[places, seeds]`` before and now; NaN where not both are there, or where they are of other targets."""
        comparable = np.array([not other_targets(*both) for both in self.sides()])
        old, new = (side.values(metric, self.places, self.seeds) for side in (self.old, self.new))
        paired = np.isfinite(old) & np.isfinite(new) & comparable[:, None]
        return np.where(paired, old, np.nan), np.where(paired, new, np.nan)

    def deterministic(self) -> BoolArray:
        """``[places]``: whether one fit stands for every seed, in both."""
        return np.array([old.deterministic and new.deterministic for old, new in self.sides()])

    def scale(self) -> FloatArray:
        """``[places]``: the range of the data; NaN where it is not known."""
        return np.array([new.error_scale or np.nan for _, new in self.sides()])
