"""Stored predictions → the errors of one model on each of several series, next to those of persistence.

One number over many series hides on which of them a model is good. Errors of series that differ in level do not
compare; the skill does, and says on which series a model is worth its cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bench.array_types import FloatArray, IntArray
from bench.cells import CellKey, CellSpec


@dataclass(frozen=True, eq=False)
class SeriesErrors:
    """The errors of one cell on each series, original units.

    Parameters
    ----------
    series
        Their names, from the one with the smallest skill to the one with the largest; those without a skill come last.
    targets
        ``[S]``: the test targets of each, in one replicate.
    rmse, persistence
        ``[S]``: over the targets, replicates and channels; of the model, and of persistence on the same targets.
    """

    cell_id: str
    model: str
    sequence_length: int
    series: tuple[str, ...]
    targets: IntArray
    rmse: FloatArray
    persistence: FloatArray

    @property
    def skill(self) -> FloatArray:
        """``[S]``: 1 - MSE / MSE of persistence; NaN where persistence makes no error."""
        return skill_of(self.rmse, self.persistence)

    @property
    def pooled(self) -> tuple[float, float]:
        """The RMSE over the targets of all series, of the model and of persistence."""
        return (self._over_all(self.rmse), self._over_all(self.persistence))

    def _over_all(self, rmse: FloatArray) -> float:
        return float(np.sqrt((rmse**2 * self.targets).sum() / self.targets.sum()))


def skill_of(rmse: FloatArray, persistence: FloatArray) -> FloatArray:
    """1 - MSE / MSE of persistence; NaN where persistence makes no error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(persistence > 0, 1 - (rmse / persistence) ** 2, np.nan)


def series_errors(predictions: pa.Table) -> SeriesErrors | None:
    """The errors of one cell; `None` for one series, and where a squared error is not finite.

    Parameters
    ----------
    predictions
        Its rows, of which there is at least one, of all replicates.
    """
    if "series" not in predictions.column_names or predictions["series"].null_count:
        return None
    column = predictions["series"].combine_chunks().dictionary_encode()
    names, place = column.dictionary.to_pylist(), column.indices.to_numpy()
    truth, prediction, persistence = (predictions[name].to_numpy() for name in ("truth", "prediction", "persistence"))
    count = np.bincount(place)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and is refused below
        rmse, reference = (
            np.sqrt(np.bincount(place, (forecast - truth) ** 2) / count) for forecast in (prediction, persistence)
        )
    if not (np.isfinite(rmse).all() and np.isfinite(reference).all()):
        return None
    replicates = np.bincount(np.unique(np.stack([place, predictions["seed"].to_numpy()]), axis=1)[0])
    order = np.argsort(skill_of(rmse, reference), kind="stable")  # NaN comes last
    return SeriesErrors(
        cell_id=predictions["cell_id"][0].as_py(),
        model=predictions["model"][0].as_py(),
        sequence_length=predictions["sequence_length"][0].as_py(),
        series=tuple(names[k] for k in order),
        targets=(count // replicates)[order].astype(np.int64),
        rmse=rmse[order],
        persistence=reference[order],
    )


@dataclass(frozen=True, eq=False)
class LocalFits:
    """The errors over several series each of which has a model of its own: the datasets ``load@north``, ``load@south``.

    Parameters
    ----------
    dataset
        ``load@*``.
    errors
        Of each model at each length that forecasts all of the series.
    """

    dataset: str
    horizon: int
    errors: tuple[SeriesErrors, ...]


def local_fits(runs: pa.Table, predictions: Mapping[str, pa.Table]) -> Iterator[LocalFits]:
    """The entries that are one dataset for each series, from the rows of `runs` and those of each cell."""
    series = dict(_series_of(runs))
    tables: dict[tuple[str, int], dict[tuple[str, int], list[pa.Table]]] = defaultdict(lambda: defaultdict(list))
    for rows in predictions.values():
        key = CellKey.of(rows.slice(0, 1).to_pylist()[0])
        if key.dataset in series:
            entry, name = series[key.dataset]
            column = pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), [name]).cast(pa.string())
            named = rows.set_column(rows.schema.get_field_index("series"), "series", column)
            tables[entry, key.horizon][key.model, key.sequence_length].append(named)
    for (entry, horizon), by_model in tables.items():
        count = sum(each == entry for each, _ in series.values())
        whole = (pa.concat_tables(own) for own in by_model.values() if len(own) == count > 1)
        if errors := tuple(own for rows in whole if (own := series_errors(rows))):
            yield LocalFits(f"{entry}@*", horizon, errors)


def _series_of(runs: pa.Table) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each dataset that is one of several series, with the entry that it is of and its name there."""
    specs = dict(zip(runs["dataset"].to_pylist(), runs["spec"].to_pylist(), strict=True))
    for dataset, spec in specs.items():
        where = CellSpec.from_json(spec).dataset_parameters.get("where") if "@" in dataset else None
        for name in (where or {}).values():
            if dataset.endswith(f"@{name}"):
                yield dataset, (dataset.removesuffix(f"@{name}"), str(name))
