"""Learning curves, and the effect of the tuning budget.

Learning curves show train and validation loss by epoch, the median over replicates and their range. The budget curve
shows the expected best validation error by the number of trials.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench.array_types import FloatArray
from bench.reporting.figures.layout import Panels, short
from bench.reporting.figures.style import INK, Look, log, log_if_wide
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.trained import Curves, TuningSummary
from bench.reporting.values import Section, Summary
from bench.text import number

_POINTS = 60
"""Epochs drawn of one curve, at most."""
_DASHES = (0, (3, 1.5))
_LABELS = ("validation, median over seeds", "its range over seeds", "train, median over seeds")


def draw_curves(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
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
        axes.set_xlabel(own.unit)
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
    return f"Medians over seeds: {'; '.join(map(_ending, shown))} (scaled units)."


def _ending(own: Curves) -> str:
    """Where training ended; a run without a validation part is described by its training loss."""
    validated = bool(np.isfinite(own.validation).any())
    losses, name = (own.validation, "best validation loss") if validated else (own.train, "last training loss")
    finite = [(own.epoch[known], each[known]) for each in losses if (known := np.isfinite(each)).any()]
    last = np.median([epoch.max() for epoch, _ in finite])
    value = np.median([each.min() if validated else each[-1] for _, each in finite])
    return f"{own.model} stops after {last:.0f} {own.unit}s, its {name} is {number(float(value))}"


def draw_tuning(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
    """One panel for each dataset, one line for each tuned model at its chosen sequence length."""
    sections = [section for section in summary.sections if any(_tuning_drawable(own) for own in section.tuned)]
    if not sections:
        return None
    tuned = {own.model for section in sections for own in section.tuned if _tuning_drawable(own)}
    names = [model.name for model in summary.models if model.name in tuned]
    layout = Panels(count=len(sections), labels=[short(name) for name in names], height=1.8)
    figure, panels = layout.figure()
    for place, (section, axes) in enumerate(zip(sections, panels, strict=True)):
        own = [item for item in section.tuned if _tuning_drawable(item)]
        _tuning_panel(axes, own, look)
        axes.set_title(short(section.title, 30))
        axes.set_xlabel("trials")
        axes.set_ylabel("validation MSE (scaled)" if place % layout.columns == 0 else "")
    layout.legend(figure, [Line2D([], [], color=look[n].color, marker=look[n].marker, markersize=4) for n in names])
    title = "What a tuning budget buys: the expected best validation error"
    return picture(figure, name="tuning", title=title, alt=_tuning_alt(sections))


def _tuning_drawable(own: TuningSummary) -> bool:
    return len(own.trials) > 1 and bool(np.isfinite(own.expected).any())


def _tuning_panel(axes: Axes, own: Sequence[TuningSummary], look: Mapping[str, Look]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for item in own:
        color, marker = look[item.model].color, look[item.model].marker
        axes.fill_between(item.trials, item.low, item.high, color=color, alpha=0.12, linewidth=0)
        last = [len(item.trials) - 1]
        axes.plot(item.trials, item.expected, color=color, linewidth=1.5, marker=marker, markevery=last, markersize=4)
    log_if_wide(axes, "y", [value for item in own for value in item.expected[np.isfinite(item.expected)].tolist()])


def _tuning_alt(sections: Sequence[Section]) -> str:
    parts = []
    for section in sections:
        ends = [
            f"{own.model} {number(_first(own))} at first and {number(float(np.nanmin(own.expected)))} at the end"
            for own in section.tuned
            if _tuning_drawable(own)
        ]
        parts.append(f"{section.title}: {'; '.join(ends)}")
    return f"Mean over all orders of the trials, scaled units; bands are 95 % intervals. {'. '.join(parts)}."


def _first(own: TuningSummary) -> float:
    return float(own.expected[np.isfinite(own.expected)][0])
