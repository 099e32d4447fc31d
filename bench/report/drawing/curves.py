"""Learning curves: train and validation loss of every replicate, and their medians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.report.drawing.layout import Panels, short
from bench.report.drawing.scales import log
from bench.report.drawing.style import INK, Look
from bench.report.drawing.svg import Picture, picture
from bench.report.text import number
from bench.report.values import Curve, FloatArray, Section

_POINTS = 60
"""Epochs drawn of one curve, at most."""


def curves(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
    """One panel for each trained model, at the sequence length chosen on validation; one scale for all."""
    shown = [curve for curve in section.curves if _finite(curve).any()]
    models = list(dict.fromkeys(curve.model for curve in shown))
    if not models:
        return None
    layout = Panels(count=len(models), gap=0.25, labels=("validation", "train"))
    figure, panels = layout.figure()
    losses = np.concatenate([_finite(curve) for curve in shown])
    for place, (model, axes) in enumerate(zip(models, panels, strict=True)):
        own = [curve for curve in shown if curve.model == model]
        _panel(axes, own, look[model])
        log(axes, "y", losses.tolist())
        axes.set_ylim(losses.min() * 0.8, losses.max() * 1.25)
        axes.set_title(short(model, 30))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss (scaled units)" if place % layout.columns == 0 else "")
        axes.tick_params(labelleft=place % layout.columns == 0)
    layout.legend(figure, [Line2D([], [], color=INK, linewidth=1.8, linestyle=style) for style in ("-", (0, (3, 1.5)))])
    title = f"Learning curves on {section.title}"
    return picture(figure, name=f"curves-{name}", title=title, alt=_alt(shown))


def _finite(curve: Curve) -> FloatArray:
    """The losses that a log scale can show."""
    losses = np.concatenate([curve.train, curve.validation])
    shown: FloatArray = losses[np.isfinite(losses) & (losses > 0)]
    return shown


def _panel(axes: Axes, own: Sequence[Curve], look: Look) -> None:
    for part, dashes in (("train", (3, 1.5)), ("validation", "")):
        frame = pd.concat([_frame(curve, part) for curve in own], ignore_index=True)
        color = {"color": look.color, "ax": axes, "legend": False}
        if len(own) > 1:
            sns.lineplot(frame, x="epoch", y="loss", units="seed", estimator=None, linewidth=0.6, alpha=0.35, **color)
        line = (0, dashes) if dashes else "-"
        sns.lineplot(_median(frame), x="epoch", y="loss", linewidth=1.8, linestyle=line, estimator=None, **color)


def _frame(curve: Curve, part: str) -> pd.DataFrame:
    kept = np.unique(np.linspace(0, len(curve.epoch) - 1, min(_POINTS, len(curve.epoch))).astype(int))
    losses = curve.train if part == "train" else curve.validation
    return pd.DataFrame({"epoch": curve.epoch[kept], "loss": losses[kept], "seed": curve.seed})


def _median(frame: pd.DataFrame) -> pd.DataFrame:
    """By epoch, as long as half of the replicates are still training."""
    by_epoch = frame.groupby("epoch")["loss"].agg(["median", "count"])
    kept = by_epoch[by_epoch["count"] * 2 >= by_epoch["count"].max()]
    return pd.DataFrame({"epoch": kept.index, "loss": kept["median"].to_numpy()})


def _alt(shown: Sequence[Curve]) -> str:
    parts = []
    for model in dict.fromkeys(curve.model for curve in shown):
        own = [curve for curve in shown if curve.model == model]
        last = np.median([curve.epoch[-1] for curve in own])
        best = np.nanmedian([np.nanmin(curve.validation) for curve in own])
        parts.append(f"{model} stops after {last:.0f} epochs, its best validation loss is {number(float(best))}")
    return f"Medians over seeds: {'; '.join(parts)} (scaled units)."
