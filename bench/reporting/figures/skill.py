"""Skill of every model on every dataset, with both of its intervals."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.reporting.figures.layout import Panels, name_width, short
from bench.reporting.figures.style import GRID, INK, MUTED, Look
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.values import CellSummary, Section, Summary
from bench.text import number

_WORST = -1.0
"""A skill below this is drawn at the edge, with its value next to it: one poor model should not flatten the others."""


def draw_skill(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
    """One panel for each dataset, one line for each model; `None` where no skill is known."""
    models = [model.name for model in summary.models if not model.reference]
    sections = [section for section in summary.sections if any(_known(section, models))]
    if not sections:
        return None
    layout = Panels(
        count=len(sections),
        height=0.24 * len(models) + 0.2,
        left=name_width(models),
        gap=0.25,
        labels=("95 % interval over seeds", "95 % interval over the test window"),
    )
    figure, panels = layout.figure()
    low = min(_lowest(sections, models), -0.1)
    for place, (section, axes) in enumerate(zip(sections, panels, strict=True)):
        _panel(axes, section, models, look=look)
        axes.set_xlim(low - 0.06 * (1 - low), 1.04)
        axes.set_yticks(range(len(models)), [short(name) for name in models])
        axes.tick_params(labelleft=place % layout.columns == 0)
        axes.set_ylim(len(models) - 0.4, -0.6)
        axes.set_title(short(section.title, 30))
        axes.set_xlabel("skill")
    lines = [Line2D([], [], color=INK, linewidth=width, alpha=alpha) for width, alpha in ((3.2, 1.0), (1.1, 0.8))]
    layout.legend(figure, lines)
    return picture(figure, name="skill", title="Skill against persistence", alt=_alt(sections, models))


def _known(section: Section, models: Sequence[str]) -> Iterator[CellSummary]:
    return (cell for name in models if (cell := section.chosen(name)) and cell.skill)


def _lowest(sections: Sequence[Section], models: Sequence[str]) -> float:
    """Where the axis begins: the lowest end of an interval, but not below `_WORST`."""
    ends = []
    for section in sections:
        for cell in _known(section, models):
            bounds = [pair[0] for pair in (cell.skill and cell.skill.interval, cell.skill_in_window) if pair]
            ends.append(min([cell.skill.value if cell.skill else 0.0, *bounds]))
    return max(_WORST, min(ends))


def _panel(axes: Axes, section: Section, models: Sequence[str], *, look: Mapping[str, Look]) -> None:
    axes.axvline(0, color=MUTED, linewidth=1.1)
    axes.grid(visible=False, axis="y")
    for y, name in enumerate(models):
        cell = section.chosen(name)
        if cell is None or cell.skill is None:
            axes.text(0.02, y, "no result", color=MUTED, va="center", fontsize=8, style="italic")
        elif cell.skill.value < _WORST:
            axes.plot([_WORST], [y], marker="<", color=look[name].color, clip_on=False)
            axes.text(_WORST + 0.06, y, number(cell.skill.value), color=MUTED, va="center", fontsize=8)
        else:
            for pair, width, alpha in ((cell.skill_in_window, 1.1, 0.8), (cell.skill.interval, 3.2, 1.0)):
                if pair is not None:
                    axes.plot(pair, [y, y], color=look[name].color, linewidth=width, alpha=alpha, solid_capstyle="butt")
            axes.plot([cell.skill.value], [y], marker=look[name].marker, color=look[name].color, markeredgecolor="none")
    axes.spines["bottom"].set_color(GRID)


def _alt(sections: Sequence[Section], models: Sequence[str]) -> str:
    parts = []
    for section in sections:
        values = [
            f"{cell.model} {number(cell.skill.value if cell.skill else None, 2)}" for cell in _known(section, models)
        ]
        parts.append(f"{section.title}: {', '.join(values)}")
    return f"Dots with intervals; 0 is persistence, 1 is no error. {'; '.join(parts)}."
