"""Summary → the data of the page's interactive charts: what its tables hold, and the series behind them, packed.

The charts draw the same cells, errors and intervals as the tables, from the same summary. Series are thinned to their
outline, so that a page of hundreds of cells stays small.
"""

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import bokeh
import numpy as np

from bench.array_types import FloatArray, IntArray
from bench.reporting.figures.style import Look, looks
from bench.reporting.forecasts import CellForecasts, Losses
from bench.reporting.trained import Curves, TuningSummary
from bench.reporting.values import CellSummary, ModelPair, Section, Summary
from bench.stats.ratios import Estimate

VALUES = 80_000
"""Values of all series of a page, about: each takes some three bytes of it."""

MOST, LEAST = 2000, 200
"""Points of one series, at most, and where that many values would be too few for each."""

LAST = 121
"""So many points at the end are always whole: those that are drawn next to the curve of one point earlier."""

BLOCKS = 60
"""Parts of the test window whose mean losses are shown, at most."""

EPOCHS = 120
"""Points of a learning curve, at most."""

DIGITS = 5
"""Of what is drawn. Errors by seed, which are subtracted from each other, have more."""

SEED_DIGITS = 12


def library() -> str:
    """The chart library of bokeh's wheel, packed; the browser unpacks it."""
    scripts = resources.files(bokeh).joinpath("server", "static", "js")
    names = ("bokeh.min.js", "bokeh-api.min.js")
    return packed("\n".join(scripts.joinpath(name).read_text(encoding="utf-8") for name in names))


def packed(text: str) -> str:
    """`text` as base64 of gzip."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def explored(summary: Summary) -> dict[str, Any]:
    """What the charts show, as values of JSON: numbers that are missing are `None`."""
    look = looks(summary.models)
    most = points_of(summary)
    errors = seed_errors(summary)
    sections = [_section(section, errors, most=most) for section in summary.sections]
    return {
        "models": [_model(model.name, look[model.name], reference=model.reference) for model in summary.models],
        "sections": sections,
        "wins": wins([model.name for model in summary.models], sections),
    }


def written(summary: Summary) -> str:
    """`explored` as packed JSON."""
    return packed(json.dumps(explored(summary), separators=(",", ":"), allow_nan=False))


def points_of(summary: Summary) -> int:
    """Points of each series, at most: fewer, the more series there are."""
    series = sum(len(section.forecasts) + 2 * len(_banded(section)) for section in summary.sections)
    return min(MOST, max(LEAST, VALUES // max(1, series)))


def outline(values: FloatArray, most: int) -> IntArray:
    """Which of `values` draw their outline: the last quarter of `most` or `LAST`, before them each stretch's ends.

    Of each stretch the smallest and the largest value are kept, so no peak is lost; in the last points, one after the
    other, a delay of one step can be seen.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    end = max(LAST, most // 4)
    stretches = np.array_split(np.arange(count - end), (most - end) // 2)
    kept = {int(own[pick(values[own])]) for own in stretches for pick in (np.argmin, np.argmax)}
    return np.array(sorted(kept | set(range(count - end, count))))


def seed_errors(summary: Summary) -> Mapping[str, Mapping[int, float]]:
    """The MSE of each replicate that finished, by cell id and seed."""
    errors: dict[str, dict[int, float]] = {}
    columns = (summary.replicates[name].to_pylist() for name in ("cell_id", "seed", "mse"))
    for cell_id, seed, mse in zip(*columns, strict=True):
        if mse is not None and math.isfinite(mse):
            errors.setdefault(cell_id, {})[seed] = mse
    return errors


def _banded(section: Section) -> set[str]:
    """The chosen cells whose replicates differ: their range is shown, too."""
    chosen = {cell.cell_id for cell in section.cells if cell.chosen}
    return {name for name, own in section.forecasts.items() if name in chosen and (own.high > own.low).any()}


def _model(name: str, look: Look, *, reference: bool) -> dict[str, Any]:
    return {"name": name, "color": look.color, "marker": look.marker, "reference": reference}


def _section(section: Section, errors: Mapping[str, Mapping[int, float]], *, most: int) -> dict[str, Any]:
    chosen = [cell for cell in section.cells if cell.chosen and cell.cell_id in errors]
    first = next(iter(section.forecasts.values()), None)
    windows = _windows(section)
    models = {cell.cell_id: cell.model for cell in section.cells}
    return {
        "title": section.title,
        "dataset": section.dataset,
        "horizon": section.horizon,
        "axis": section.words.axis,
        "unit": section.words.unit,
        "persistence": _number(section.persistence_rmse),
        "floor": _number(section.noise_floor_rmse),
        "best": section.best.cell_id if section.best else None,
        "cells": [_cell(cell, errors.get(cell.cell_id or "", {})) for cell in section.cells],
        "forecasts": _forecasts(section, first, most=most) if first else None,
        "steps": _steps(section),
        "curves": [_curves(own, section) for own in section.curves],
        "tuned": [_tuned(own, section) for own in section.tuned if own.tried],
        "window": _blocks(windows, chosen) if windows else None,
        "pairs": [_pair(pair, models) for pair in section.pairs],
    }


def _cell(cell: CellSummary, errors: Mapping[int, float]) -> dict[str, Any]:
    return {
        "id": cell.cell_id,
        "model": cell.model,
        "length": cell.sequence_length,
        "chosen": cell.chosen,
        "note": cell.note,
        "rmse": _estimate(cell.rmse),
        "skill": _estimate(cell.skill),
        "words": cell.words or str(cell.verdict),
        "next": cell.words_next_to_best,
        "fit_s": _number(cell.cost.fit_s),
        "parameters": cell.cost.parameters,
        "mse": {str(seed): _number(mse, SEED_DIGITS) for seed, mse in errors.items()},
    }


def _forecasts(section: Section, first: CellForecasts, *, most: int) -> dict[str, Any]:
    """Of the cells at the same targets, thinned at the same places: those where the truth is extreme."""
    own = {name: one for name, one in section.forecasts.items() if np.array_equal(one.index, first.index)}
    kept = outline(first.truth, most)
    dates = np.issubdtype(first.time.dtype, np.datetime64)
    time = first.time.astype("datetime64[ms]").astype(np.int64) if dates else first.time
    return {
        "kind": "date" if dates else "time" if first.time.dtype.kind == "f" else "position",
        "count": len(first.truth),
        "seed": first.seed,
        "index": first.index[kept].tolist(),
        "time": [int(each) if dates else _number(float(each), 10) for each in time[kept]],
        "truth": _numbers(first.truth[kept]),
        "persistence": _numbers(first.persistence[kept]),
        "of": {name: _forecast(one, kept, band=name in _banded(section)) for name, one in own.items()},
    }


def _forecast(own: CellForecasts, kept: IntArray, *, band: bool) -> dict[str, Any]:
    ends = {"low": _numbers(own.low[kept]), "high": _numbers(own.high[kept])} if band else {}
    return {"median": _numbers(own.median[kept]), "lags": _numbers(own.autocorrelation(), 3), **ends}


def _steps(section: Section) -> dict[str, Any] | None:
    if not section.by_step:
        return None
    first = section.by_step[0]
    return {
        "step": first.step.tolist(),
        "persistence": _numbers(first.persistence),
        "of": [
            {"model": own.model, "id": _id(section, own.model), "rmse": _numbers(own.rmse)} for own in section.by_step
        ],
    }


def _curves(own: Curves, section: Section) -> dict[str, Any]:
    """The median of the losses over replicates, as long as half of them are still training; and the range."""
    kept = np.unique(np.linspace(0, len(own.epoch) - 1, min(EPOCHS, len(own.epoch))).astype(int))
    validation = own.validation[:, kept]
    known = np.isfinite(validation).any(axis=0)
    low, high = (
        np.where(known, pick(np.where(np.isfinite(validation), validation, fill), axis=0), np.nan)
        for pick, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    return {
        "model": own.model,
        "id": _id(section, own.model),
        "unit": own.unit,
        "epoch": own.epoch[kept].astype(int).tolist(),
        "train": _numbers(_medians(own.train[:, kept])),
        "validation": _numbers(_medians(validation)),
        "low": _numbers(low),
        "high": _numbers(high),
    }


def _medians(losses: FloatArray) -> FloatArray:
    count = np.isfinite(losses).sum(axis=0)
    kept = count * 2 >= max(1, count.max(initial=0))
    medians = np.full(losses.shape[1], np.nan)
    medians[kept] = np.nanmedian(losses[:, kept], axis=0)
    return medians


def _tuned(own: TuningSummary, section: Section) -> dict[str, Any]:
    names = list(dict.fromkeys(name for tried, _ in own.tried for name in tried))
    return {
        "model": own.model,
        "id": _id(section, own.model),
        "trials": len(own.trials),
        "names": names,
        "values": [[_plain(tried.get(name)) for tried, _ in own.tried] for name in names],
        "error": [_number(error) for _, error in own.tried],
        "mattered": [[name, _number(share, 3)] for name, share in own.mattered],
    }


def _plain(value: Any) -> float | int | str | None:
    if isinstance(value, float):
        return _number(value)
    return value if value is None or (isinstance(value, int) and not isinstance(value, bool)) else str(value)


def _id(section: Section, model: str) -> str | None:
    cell = section.chosen(model)
    return cell.cell_id if cell else None


def _windows(section: Section) -> dict[str, Losses]:
    """The losses of the cells at the same targets as the first of them."""
    first = next(iter(section.losses.values()), None)
    return {name: own for name, own in section.losses.items() if first and np.array_equal(own.index, first.index)}


def _blocks(windows: Mapping[str, Losses], chosen: Sequence[CellSummary]) -> dict[str, Any]:
    """The mean losses of chosen cells over parts of the window, equal but for one target."""
    first = next(iter(windows.values()))
    count = min(BLOCKS, len(first.index))
    edges = np.arange(count + 1) * len(first.index) // count
    sizes = np.diff(edges)
    return {
        "start": first.index[edges[:-1]].tolist(),
        "size": sizes.tolist(),
        "unit": first.unit,
        "of": {
            name: _numbers(np.add.reduceat(windows[name].model, edges[:-1]) / sizes, 8)
            for cell in chosen
            if (name := cell.cell_id or "") in windows
        },
    }


def _pair(pair: ModelPair, models: Mapping[str | None, str]) -> dict[str, Any]:
    """MSE over MSE of two cells, with the verdict of the page; `models` are those of the cells."""
    return {
        "a": pair.one,
        "b": pair.other,
        "ratio": _number(pair.claim.effect + 1),
        "chosen": pair.chosen,
        "claim": {
            "of": models[pair.one],
            "against": models[pair.other],
            "words": pair.words,
            "ends": _interval(pair.claim.low + 1, pair.claim.high + 1),
            "wide": pair.claim.wide,
            "p": _number(pair.claim.p, 3),
            "family": pair.claim.family,
            "won": pair.won,
        },
    }


def wins(models: Sequence[str], sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``[models][models]``: on how many datasets the one has the smaller error, on how many that is shown, of how many.

    Each model is at its chosen length. Shown is what the verdict on the pair says.
    """
    place = {name: number for number, name in enumerate(models)}
    smaller, shown, of = ([[0] * len(models) for _ in models] for _ in range(3))
    for section in sections:
        names = {cell["id"]: cell["model"] for cell in section["cells"]}
        for pair in section["pairs"]:
            if not pair["chosen"]:
                continue
            a, b = place[names[pair["a"]]], place[names[pair["b"]]]
            of[a][b] += 1
            of[b][a] += 1
            if pair["ratio"] is None or pair["ratio"] == 1:
                continue
            winner, loser = (a, b) if pair["ratio"] < 1 else (b, a)
            smaller[winner][loser] += 1
            shown[winner][loser] += pair["claim"]["won"] == (1 if winner == a else -1)
    return {"smaller": smaller, "shown": shown, "of": of}


def _interval(low: float, high: float) -> list[float | None] | None:
    ends = [_number(float(low)), _number(float(high))]
    return None if None in ends else ends


def _estimate(estimate: Estimate | None) -> list[float | None] | None:
    """The value and, where there is one, its interval."""
    return None if estimate is None else [_number(each) for each in (estimate.value, *(estimate.interval or ()))]


def _numbers(values: FloatArray, digits: int = DIGITS) -> list[float | None]:
    return [_number(value, digits) for value in values.tolist()]


def _number(value: float | None, digits: int = DIGITS) -> float | None:
    """Rounded to significant digits; `None` for what is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
