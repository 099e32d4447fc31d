"""Pictures of results as matplotlib axes, in the colours of the report; numbers come from its summary alone."""

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow as pa
import seaborn as sns
from matplotlib.axes import Axes

from bench.errors import InputError
from bench.registry import unknown
from bench.reporting.evidence import trace
from bench.reporting.figures.prediction_panels import draw_end
from bench.reporting.figures.style import INK, MUTED, log_if_wide, looks, theme
from bench.reporting.values import CellSummary, Section, Summary
from bench.store.grid import by_cell


class Plots:
    """The pictures of one result set; each draws on `ax`, or on a new figure, and returns the axes.

    Parameters
    ----------
    summary
        What the report shows.
    leaderboard
        The ranking of the models, a row for each.
    predictions
        The stored rows of this name.
    """

    def __init__(self, summary: Summary, *, leaderboard: pd.DataFrame, predictions: pa.Table) -> None:
        self._summary = summary
        self._leaderboard = leaderboard
        self._predictions = predictions

    def ranking(self, *, ax: Axes | None = None) -> Axes:
        """The average rank of each model, the best on top.

        Raises
        ------
        BenchError
            No dataset was finished by two models or more.
        """
        ranked = self._leaderboard.dropna(subset=["rank"])
        if ranked.empty:
            raise InputError("plot.ranking: expected a dataset that every ranked model finished, got none; run them")
        with theme():
            axes = _axes(ax, rows=len(ranked))
            sns.stripplot(
                ranked, x="rank", y="model", hue="model", palette=self._colors(), size=8, legend=False, ax=axes
            )
            axes.set_xlabel("average rank by RMSE")
            axes.set_ylabel("")
        return axes

    def errors(self, dataset: str | None = None, *, horizon: int | None = None, ax: Axes | None = None) -> Axes:
        """The RMSE of each model on one dataset: every replicate, the value over them and its 95 % interval.

        Parameters
        ----------
        dataset, horizon
            Which one; either may be left out where the results have one alone.

        Raises
        ------
        BenchError
            There is no such dataset, or no finished cell of it.
        """
        section = self._section(dataset, horizon)
        cells = sorted((cell for cell in section.cells if cell.chosen and cell.rmse), key=_rmse)
        if not cells:
            raise InputError(f"plot.errors: expected a finished cell of {section.dataset}, got none; `runs` says why")
        seeds = pd.DataFrame([(cell.model, value) for cell in cells for value in cell.rmse_by_seed])
        seeds.columns = pd.Index(["model", "rmse"])
        colors = self._colors()
        with theme():
            axes = _axes(ax, rows=len(cells))
            sns.stripplot(
                seeds, x="rmse", y="model", hue="model", palette=colors, alpha=0.35, size=4, legend=False, ax=axes
            )
            for place, cell in enumerate(cells):
                if cell.rmse and cell.rmse.interval:
                    axes.plot(cell.rmse.interval, [place, place], color=colors[cell.model], linewidth=2)
                axes.plot([_rmse(cell)], [place], marker="o", color=colors[cell.model])
            if section.persistence_rmse:
                axes.axvline(section.persistence_rmse, color=MUTED, linestyle=(0, (5, 3)), linewidth=1.2)
            log_if_wide(axes, "x", [_rmse(cell) for cell in cells])
            axes.set_title(section.title)
            axes.set_xlabel(section.words.axis)
            axes.set_ylabel("")
        return axes

    def predictions(
        self,
        dataset: str | None = None,
        model: str | None = None,
        *,
        horizon: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """The end of the test part: truth, persistence, and a model's median over replicates with their range.

        Parameters
        ----------
        dataset, horizon
            As of `errors`.
        model
            Whose predictions; the best one's by default.

        Raises
        ------
        BenchError
            There is no such dataset or model, or it has no stored predictions.
        """
        section = self._section(dataset, horizon)
        chosen = {cell.model: cell for cell in section.cells if cell.chosen}
        model = model or (section.best.model if section.best else None)
        if model not in chosen:
            raise InputError(f"plot.predictions: {unknown(str(model), chosen, 'model')}")
        rows = by_cell(self._predictions).get(chosen[model].cell_id or "")
        if rows is None or section.task == "classify":
            raise InputError(f"plot.predictions: expected stored predictions of {model} on {section.dataset}, got none")
        known = trace(rows)
        with theme():
            axes = _axes(ax, rows=6)
            draw_end(axes, known, color=self._colors()[model], band=bool((known.high > known.low).any()))
            axes.set_title(f"{model} on {section.title}")
            for line, label in zip(axes.get_lines(), (model, "truth", "persistence"), strict=False):
                line.set_label(label)
            axes.legend(labelcolor=INK)
        return axes

    def _section(self, dataset: str | None, horizon: int | None) -> Section:
        sections = self._summary.sections
        names = {section.dataset for section in sections}
        if dataset is not None and dataset not in names:
            raise InputError(f"plot: {unknown(dataset, names, 'dataset')}")
        horizons = sorted({section.horizon for section in sections if dataset in (None, section.dataset)})
        if horizon is not None and horizon not in horizons:
            raise InputError(f"plot: no horizon {horizon} (there is: {', '.join(map(str, horizons))})")
        matches = [each for each in sections if dataset in (None, each.dataset) and horizon in (None, each.horizon)]
        if len(matches) != 1:
            have = ", ".join(section.title for section in sections) or "none"
            raise InputError(f"plot: expected dataset= and horizon= to name one of {have}, got {len(matches)} of them")
        return matches[0]

    def _colors(self) -> dict[str, str]:
        return {name: look.color for name, look in looks(self._summary.models).items()}


def _rmse(cell: CellSummary) -> float:
    return cell.rmse.value if cell.rmse else float("nan")


def _axes(ax: Axes | None, *, rows: int) -> Axes:
    return plt.subplots(figsize=(7, 1 + 0.35 * rows), layout="constrained")[1] if ax is None else ax
