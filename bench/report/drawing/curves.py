"""Learning curves: train and validation loss by epoch, the median over replicates and their range."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report.drawing.layout import Panels, short
from bench.report.drawing.scales import log
from bench.report.drawing.style import INK, Look
from bench.report.drawing.svg import Picture, picture
from bench.report.drawn import Curves
from bench.report.text import number
from bench.report.values import FloatArray, Section

_POINTS = 60
"""Epochs drawn of one curve, at most."""
_DASHES = (0, (3, 1.5))
_LABELS = ("validation, median over seeds", "its range over seeds", "train, median over seeds")


def curves(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
    """One panel for each trained model, at the sequence length chosen on validation; one scale for all."""
    shown = [own for own in section.curves if _drawable(own).any()]
    if not shown:
        return None
    layout = Panels(count=len(shown), gap=0.25, labels=_LABELS)
    figure, panels = layout.figure()
    losses = np.concatenate([_drawable(own) for own in shown])
    for place, (own, axes) in enumerate(zip(shown, panels, strict=True)):
        log(axes, "y", losses.tolist())
        _panel(axes, own, look[own.model].color)
        axes.set_ylim(losses.min() * 0.8, losses.max() * 1.25)
        axes.set_title(short(own.model, 30))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss (scaled units)" if place % layout.columns == 0 else "")
        axes.tick_params(labelleft=place % layout.columns == 0)
    layout.legend(
        figure,
        [
            Line2D([], [], color=INK, linewidth=1.8),
            Patch(color=INK, alpha=0.25, linewidth=0),
            Line2D([], [], color=INK, linewidth=1.2, linestyle=_DASHES),
        ],
    )
    return picture(figure, name=f"curves-{name}", title=f"Learning curves on {section.title}", alt=_alt(shown))


def _drawable(own: Curves) -> FloatArray:
    """The losses that a log scale can show."""
    losses = np.concatenate([own.train, own.validation], axis=None)
    shown: FloatArray = losses[np.isfinite(losses) & (losses > 0)]
    return shown


def _panel(axes: Axes, own: Curves, color: str) -> None:
    kept = np.unique(np.linspace(0, len(own.epoch) - 1, min(_POINTS, len(own.epoch))).astype(int))
    epoch, train, validation = own.epoch[kept], own.train[:, kept], own.validation[:, kept]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)  # an epoch that only a diverged one reached
        low, high = np.nanmin(validation, axis=0), np.nanmax(validation, axis=0)
    if len(validation) > 1:
        axes.fill_between(epoch, low, high, color=color, alpha=0.25, linewidth=0)
    axes.plot(*_median(epoch, train), color=color, linewidth=1.2, linestyle=_DASHES)
    axes.plot(*_median(epoch, validation), color=color, linewidth=1.8)


def _median(epoch: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """By epoch, as long as half of the replicates are still training."""
    count = np.isfinite(losses).sum(axis=0)
    kept = count * 2 >= max(1, count.max())
    return epoch[kept], np.nanmedian(losses[:, kept], axis=0)


def _alt(shown: Sequence[Curves]) -> str:
    parts = []
    for own in shown:
        last = np.median([own.epoch[np.isfinite(losses)].max(initial=0) for losses in own.validation])
        best = np.nanmedian(np.fmin.reduce(own.validation, axis=1))
        parts.append(f"{own.model} stops after {last:.0f} epochs, its best validation loss is {number(float(best))}")
    return f"Medians over seeds: {'; '.join(parts)} (scaled units)."
