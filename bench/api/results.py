"""An open results folder: its rows as DataFrames, and what the report says of them."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.errors import InputError
from bench.registry import unknown
from bench.replication.card_page import parted
from bench.replication.systems import parsed
from bench.reporting.budget import Budget
from bench.reporting.recommend import COLUMNS as RECOMMENDED, advice_rows, recommend
from bench.reporting.source import Source, read
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Section, Summary
from bench.text import plural

if TYPE_CHECKING:
    from bench.api.plots import Plots

LEADERBOARD = (
    *("model", "rank", "error", "error_low", "error_high", "smallest_error", "with_skill", "tested"),
    *("fit_s", "on_front"),
)
"""The columns of `Results.leaderboard`."""

VERDICTS = (
    *("dataset", "horizon", "model", "sequence_length", "claim", "other", "verdict", "comparison", "test"),
    *("effect", "low", "high", "p", "decided", "further_seeds"),
    *("seeds", "targets", "family", "sentence", "cell_id"),
)
"""The columns of `Results.verdicts`."""


class Results:
    """What a results folder holds; `bench.read` and `bench.run` give one, and `bench.judge` for forecasts of anybody.

    It is read once, when it is opened. A notebook shows the first screen of the report.

    Parameters
    ----------
    folder
        The results folder.
    source
        What it holds, where that is known.

    Raises
    ------
    BenchError
        It is no results folder, or nothing in it can be read.
    """

    def __init__(self, folder: Path, source: Source | None = None) -> None:
        self.folder = folder
        self._source = read(folder, parsed) if source is None else source

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row for each replicate: its status, errors and times."""
        return self._frame("runs")

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row for each trial of the tuning."""
        return self._frame("trials")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row for each epoch of each replicate."""
        return self._frame("curves")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row for each test target of each replicate."""
        return self._frame("predictions")

    def _frame(self, table: str) -> pd.DataFrame:
        frame: pd.DataFrame = self._source.rows[table].to_pandas()
        return frame

    @cached_property
    def summary(self) -> Summary:
        """The values that the report shows."""
        return summarise(parted(self._source)[1])

    def leaderboard(self) -> pd.DataFrame:
        """One row for each model, the best first: the report's ranking in numbers.

        Returns
        -------
        DataFrame
            ``rank`` is the average rank by RMSE; ``error`` the RMSE as a share of persistence's over datasets, with its
            95 % interval ``error_low`` to ``error_high`` over seeds; ``smallest_error``, ``with_skill`` and ``tested``
            count datasets; ``fit_s`` is the time to fit one model; ``on_front`` says that every model with an error as
            small takes longer. What is not known is missing.
        """
        standings = {standing.model: standing for standing in self.summary.standings}
        rows = []
        for row in self.summary.ranking.ranks:
            standing = standings.get(row.model)
            low, high = standing.error.interval or (None, None) if standing else (None, None)
            rows.append(
                {
                    **{name: getattr(row, name) for name in ("model", "smallest_error", "with_skill", "tested")},
                    "rank": row.average,
                    "error": standing.error.value if standing else None,
                    "error_low": low,
                    "error_high": high,
                    "fit_s": standing.fit_s if standing else row.fit_s,
                    "on_front": standing is not None and standing.on_front,
                }
            )
        ranked = {row["model"] for row in rows}
        rows += [{"model": model.name} for model in self.summary.models if model.name not in ranked]
        numbers = ["rank", "error", "error_low", "error_high", "fit_s"]
        counts = ["smallest_error", "with_skill", "tested"]
        types: dict[str, Any] = {**dict.fromkeys(numbers, "float64"), **dict.fromkeys(counts, "Int64")}
        return pd.DataFrame(rows, columns=list(LEADERBOARD)).astype({**types, "on_front": "boolean"})

    def verdicts(self) -> pd.DataFrame:
        """One row for each claim that the report makes, with its test.

        Returns
        -------
        DataFrame
            ``claim`` is ``"persistence"`` or ``"best"``: the model, at its chosen sequence length, compared with
            persistence or with the best model of its dataset, which is ``other``. ``comparison`` says of these two
            alone what ``verdict`` may pass over at the noise floor: better, equivalent, worse or undecided.
            ``effect`` is the MSE over that of ``other``, less 1, with its 95 % interval ``low`` to ``high``; ``p`` is
            corrected by Holm's method over ``family`` claims; ``decided`` says whether it is, and ``further_seeds``
            about how many more seeds would, a missing number where no count is likely to; ``sentence`` is what the
            report prints. Numbers are missing where nothing was tested.
        """
        rows = [row for section in self.summary.sections for cell in section.cells for row in _claims(section, cell)]
        return pd.DataFrame(rows, columns=list(VERDICTS)).astype({"further_seeds": "Int64"})

    def recommend(self, *, dataset: str | None = None, **limits: float | None) -> pd.DataFrame:
        """Which model to use for each dataset within a budget, as ``bench recommend`` says it.

        Parameters
        ----------
        dataset
            The only one; all by default.
        limits
            ``latency_s``, ``memory_bytes``, ``parameters`` and ``fit_s``: the most that a model may cost.

        Returns
        -------
        DataFrame
            One row for each dataset and horizon: ``model`` with its errors, verdict and costs; ``cheaper`` names models
            not shown to be worse that are quicker to fit; ``why`` compares in sentences.

        Raises
        ------
        BenchError
            A limit is on what was never measured, or there is no such dataset.
        """
        unknown_limits = sorted(limits.keys() - Budget.__dataclass_fields__.keys())
        if unknown_limits:
            raise InputError(f"recommend: {unknown(unknown_limits[0], Budget.__dataclass_fields__, 'limit')}")
        rows = advice_rows(recommend(parted(self._source)[1], Budget(**limits), dataset=dataset))
        return pd.DataFrame(rows, columns=list(RECOMMENDED))

    @property
    def plot(self) -> Plots:
        """Pictures of the results: ``plot.ranking()``, ``plot.errors()`` and ``plot.predictions()``."""
        from bench.api.plots import Plots

        return Plots(self.summary, leaderboard=self.leaderboard(), predictions=self._source.rows["predictions"])

    def __repr__(self) -> str:
        counts = self.summary.counts
        return f"Results({str(self.folder)!r}): {counts.finished} of {plural(counts.cells, 'cell')} complete"

    def _repr_html_(self) -> str:
        """The first screen of the report, for notebooks."""
        from bench.reporting import tables
        from bench.reporting.figures.pareto_front import draw_front
        from bench.reporting.figures.rank_diagram import draw_ranks
        from bench.reporting.figures.style import looks, theme
        from bench.reporting.page import environment

        look = looks(self.summary.models)
        with theme():
            pictures = [picture for draw in (draw_ranks, draw_front) if (picture := draw(self.summary, look))]
        template = environment().get_template("first_screen.html.j2")
        return template.render(summary=self.summary, ranking=tables.ranking(self.summary), pictures=pictures)


def _claims(section: Section, cell: CellSummary) -> list[dict[str, Any]]:
    made = {"persistence": cell.against_persistence, "best": cell.against_best}
    names = {name: getattr(cell, name) for name in ("model", "sequence_length", "cell_id")}
    return [
        {
            "dataset": section.dataset,
            "horizon": section.horizon,
            "claim": name,
            "verdict": claim.outcome,
            **names,
            **{key: getattr(claim, key) for key in ("other", "test", "seeds", "targets", "family", "sentence")},
            **{key: getattr(claim, key) for key in ("comparison", "effect", "low", "high", "decided", "further_seeds")},
            "p": claim.p if claim.test else math.nan,
        }
        for name, claim in made.items()
        if claim is not None
    ]
