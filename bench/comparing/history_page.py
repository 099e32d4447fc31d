"""Series and their steps → one self-contained HTML page.

Series are drawn as small multiples: each run a dot, each level a line, each step marked.
"""

from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.transforms import Transform

from bench import __version__
from bench.atomic import write_atomically
from bench.comparing.changes import MINIMUM, Step, steps as all_steps
from bench.comparing.history import MetricSeries, read
from bench.reporting.figures.layout import Panels, short
from bench.reporting.figures.style import INK, MUTED, theme
from bench.reporting.figures.svg import Picture, picture
from bench.text import columns, listed, number, plural

SHOWN = 60
"""Panels, at most; those with a step come first."""

_BETTER, _WORSE = "#0173b2", "#d55e00"


def written_history(folders: Sequence[Path], *, metric: str, level: float, output: Path) -> str:
    """Write the page of `folders` into `output`; the table of steps, and where the page is."""
    series = read(folders, metric)
    changes = [step for one in series for step in all_steps(one, level=level)]
    page = write(series, changes, output, level=level)
    table = [columns([COLUMNS, *map(row, changes)]), ""] if changes else []
    return "\n".join([*table, statement(series, changes), *failures(series), f"page: {page}"])


def small_multiples(series: Sequence[MetricSeries], steps: Sequence[Step]) -> Picture:
    """One panel for each of `series` that has points, at most `SHOWN`, in the order given."""
    shown = [one for one in series if one.points][:SHOWN]
    with theme():
        figure, panels = Panels(count=len(shown), columns=3, height=1.2, below=0.5).figure()
        for at, (one, axes) in enumerate(zip(shown, panels, strict=True)):
            _panel(axes, one, [step for step in steps if step.series is one])
            axes.set_xlabel("run" if at >= len(shown) - 3 else "")
        title = f"{shown[0].metric} from run to run"
        return picture(figure, name="history", title=title, alt=_alt(shown, steps))


def _panel(axes: Axes, series: MetricSeries, steps: Sequence[Step]) -> None:
    values = [point.value for point in series.points]
    whole = np.array([not point.failed for point in series.points])
    for some, face in ((whole, MUTED), (~whole, "none")):
        axes.plot(np.flatnonzero(some), np.array(values)[some], "o", color=MUTED, markerfacecolor=face, markersize=2.5)
    edges = [0, *(step.index for step in steps), len(values)]
    levels = [step.before for step in steps] + [step.after for step in steps[-1:]]
    for (start, end), level in zip(pairwise(edges), levels, strict=bool(levels)):
        axes.plot([start - 0.4, end - 0.6], [level, level], color=INK, linewidth=1.2)
    for step in steps:
        color = _WORSE if step.worse else _BETTER
        axes.axvline(step.index - 0.5, color=color, linewidth=1.2, linestyle="-" if step.worse else "--")
    span = max(values) - min(values) or abs(values[0]) * 0.1 or 1.0
    axes.set_ylim(min(values) - 0.15 * span, max(values) + 0.15 * span)
    axes.plot(_between(series), [0.04] * len(series.failures), "x", color=_WORSE, markersize=4, transform=_low(axes))
    axes.locator_params(axis="both", nbins=4)
    axes.set_title(short(series.key.title, 36))


def _between(series: MetricSeries) -> list[float]:
    """Where the failed runs lie: next to the last run before each."""
    times = [point.time for point in series.points]
    return [sum(1 for time in times if time and each.time and time < each.time) - 0.5 for each in series.failures]


def _low(axes: Axes) -> Transform:
    """Runs from left to right, and shares of the panel from below."""
    return axes.get_xaxis_transform()


def _alt(shown: Sequence[MetricSeries], steps: Sequence[Step]) -> str:
    reported = [f"{step.series.key.title} from {number(step.before)} to {number(step.after)}" for step in steps]
    return f"{plural(len(shown), 'cell')}. " + ("; ".join(reported) if reported else "No step is seen") + "."


COLUMNS = ("Cell", "Metric", "Since commit", "Run at", "Before", "Now", "Change", "p", "Also changed")


def write(series: Sequence[MetricSeries], steps: Sequence[Step], folder: Path, *, level: float) -> Path:
    """Write ``index.html`` into `folder`, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "index.html"
    write_atomically(target, html(series, steps, level=level))
    return target


def html(series: Sequence[MetricSeries], steps: Sequence[Step], *, level: float) -> str:
    """The page; cells with a step come first."""
    order = sorted(series, key=lambda one: not any(step.series is one for step in steps))
    environment = Environment(
        loader=PackageLoader("bench.comparing"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    picture = small_multiples(order, steps)
    style = resources.files("bench.reporting").joinpath("templates", "report.css").read_text(encoding="utf-8")
    return environment.get_template("history.html.j2").render(
        suites=listed(sorted({one.suite for one in series})),
        statement=statement(series, steps),
        cautions=cautions(series),
        columns=COLUMNS,
        rows=[row(step) for step in steps],
        picture=picture,
        svg=Markup(picture.svg),  # noqa: S704 - drawn here; the texts in it are escaped
        style=Markup(style),  # noqa: S704 - a file of this project
        level=level,
        minimum=MINIMUM,
        version=__version__,
    )


def statement(series: Sequence[MetricSeries], steps: Sequence[Step]) -> str:
    """What the table says, in a sentence."""
    cells = {id(step.series) for step in steps}
    runs = max(len(one.points) for one in series)
    worse = sum(step.worse for step in steps)
    if not steps:
        return f"No step is seen in {len(series)} series of at most {plural(runs, 'run')}."
    return (
        f"{plural(len(steps), 'step')} in {len(cells)} of {len(series)} series: {worse} for the worse, "
        f"{len(steps) - worse} for the better."
    )


def failures(series: Sequence[MetricSeries]) -> list[str]:
    """A sentence for each of `series` that lacks something: runs that failed, and values of some replicates alone."""
    return [f"{one.key.title}: {'; '.join(reported)}." for one in series if (reported := list(_lacking(one)))]


def _lacking(one: MetricSeries) -> Iterator[str]:
    if one.failures:
        runs = len(one.points) + len(one.failures)
        yield f"{len(one.failures)} of {plural(runs, 'run')} failed or {'has' if runs == 1 else 'have'} no finite value"
    if one.partial:
        least = min(one.partial, key=lambda point: point.replicates / (point.replicates + point.failed))
        share = f"{least.replicates} of {least.replicates + least.failed}"
        who = f"{len(one.partial)} of {len(one.points)} values {'covers' if len(one.partial) == 1 else 'cover'}"
        yield f"{who} only the replicates that are ok and finite, {share} at the least"


def cautions(series: Sequence[MetricSeries]) -> list[str]:
    """What a reader must know of these series."""
    reported = []
    reported += failures(series)
    if few := sum(len(one.points) < 9 for one in series):
        reported.append(f"{few} of {len(series)} series have fewer than 9 runs, too few to show a step at 1 %.")
    if len({one.key for one in series}) < len(series):
        reported.append("Some cells were run on other data at some time: each data set makes a series of its own.")
    if len(series) > SHOWN:
        reported.append(f"Only {SHOWN} of {len(series)} series are drawn; the table is complete.")
    return reported


def row(step: Step) -> tuple[str, ...]:
    """One step in the words of the table."""
    point, change = step.point, step.effect
    relative = step.series.metric in ("rmse", "mae")
    reported = f"{number(100 * change, 1)}\u202f%" if relative else number(change, 4)
    return (
        step.series.key.title,
        step.series.metric,
        point.commit[:12] or "not known",
        f"{point.time:%Y-%m-%d %H:%M}" if point.time else "not known",
        number(step.before),
        number(step.after),
        f"{'+' if change > 0 else ''}{reported} {'(worse)' if step.worse else '(better)'}",
        number(step.p_value, 3),
        listed(step.other_settings) or "–",
    )
