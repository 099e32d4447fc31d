"""How time grows, measured: ``python tests/benchmarks/growth.py [RESULTS]`` writes its part of ``reports/scaling.md``.

From the rows of a results folder, ``results/reference/full`` by default: the time of a step of one replicate against
sequence length and hidden size, and that of the forecasts against the length of the series. Measured here, in seconds
of the processor, which other work on the machine moves little: one fit of a fixed number of steps against length,
hidden size, members of the bank, and points of the series; a small suite on one worker and on two; and as 1, 2 and 4
shards, one after another. Each exponent stands next to the one that the count of operations gives.
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from performance import machine, placed
from scaling import Observed

from bench.api.folders import from_mapping
from bench.array_types import FloatArray
from bench.cells import expand
from bench.running.cell import run_cell
from bench.store import read

mpl.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[2]
REPORT, FIGURE = ROOT / "reports" / "scaling.md", ROOT / "reports" / "scaling" / "growth.svg"
MARK = "growth"
STEPS = 50
"""Of the optimiser, in each fit that is measured here."""
USUAL = {"length": 30, "hidden size": 32, "members": 10, "points": 1000}
VARIED = {
    "length": (10, 20, 40, 80),
    "hidden size": (16, 32, 64, 128),
    "members": (2, 5, 10, 20),
    "points": (500, 1000, 2000, 4000),
}
THEORY = {"length": 1.0, "hidden size": 2.0, "members": 1.0, "points": 0.0}
"""Exponents of the operations of a recurrent network in a fixed number of steps: proportional to length, to the square
of the hidden size, and to the members; the points of the series only enter the validations."""
MODELS = ("lstm", "gru")
SUITE = """\
name: growth
datasets: [{id: a, kind: noisy-sine, length: 600}, {id: b, kind: random, length: 600}]
models: [rnn, lstm, gru, linear-ar]
sequence_lengths: [20]
seeds: 4
training: {steps: 1000, early_stopping: false}
tuning: false
"""


@dataclass(frozen=True)
class Growth:
    """Seconds ``[points]`` of one thing against what was varied, and the exponent of a power of it."""

    title: str
    varied: str
    theory: float
    at: FloatArray
    seconds: FloatArray

    @property
    def exponent(self) -> float:
        """By least squares of the logarithms."""
        return float(np.polyfit(np.log(self.at), np.log(self.seconds), 1)[0])


def measured() -> Iterator[Growth]:
    """Fits of `STEPS` steps, one thing varied at a time."""
    for model in MODELS:
        fit({**USUAL, "length": 5}, model)  # compiles
        for varied, values in VARIED.items():
            seconds = [fit({**USUAL, varied: value}, model) for value in values]
            yield Growth(f"{model}: fit", varied, THEORY[varied], np.array(values, float), np.array(seconds))


def fit(setting: dict[str, int], model: str) -> float:
    """Seconds of the processor in which one cell is fitted and forecasts; the lesser of two."""
    suite = from_mapping(
        {
            "name": "growth",
            "datasets": [{"id": "data", "kind": "random", "length": setting["points"]}],
            "models": [{"id": model, "kind": model, "hidden_size": setting["hidden size"]}],
            "sequence_lengths": [setting["length"]],
            "seeds": setting["members"],
            "training": {"steps": STEPS},
            "tuning": False,
        }
    )
    (cell,) = expand(suite)
    taken = []
    for _ in range(2):
        began = time.process_time()
        run_cell(cell)
        taken.append(time.process_time() - began)
    return min(taken)


def stored(folder: Path) -> Iterator[Growth]:
    """What the rows of `folder` say: medians over the cells of one model at each length, or on each dataset."""
    columns = ("model", "dataset", "sequence_length", "fit_s", "predict_s", "steps", "test_points", "deterministic")
    rows = [row for row in read(folder, "runs", ("cell_id", *columns)).to_pylist() if row["steps"] and row["fit_s"]]
    for model in sorted({row["model"] for row in rows}):
        own = [row for row in rows if row["model"] == model]
        yield _of_rows(
            f"{model}: a step", "length", 1.0, [(r["sequence_length"], r["fit_s"] / r["steps"]) for r in own]
        )
        forecasts = [(r["test_points"] * r["sequence_length"], r["predict_s"]) for r in own if r["predict_s"]]
        yield _of_rows(f"{model}: forecasts", "targets × length", 1.0, forecasts)


def _of_rows(title: str, varied: str, theory: float, pairs: Sequence[tuple[int, float]]) -> Growth:
    values = sorted({at for at, _ in pairs})
    seconds = [float(np.median([took for at, took in pairs if at == value])) for value in values]
    return Growth(title, varied, theory, np.array(values, float), np.array(seconds))


def table(growths: Sequence[Growth]) -> list[str]:
    """A line for each: what grows with what, from where to where, and both exponents."""
    lines = ["| what | with | from – to | seconds | exponent | by operations |", "|---|---|---|---|---|---|"]
    for each in growths:
        if len(each.at) > 1:
            span = f"{each.at[0]:g} – {each.at[-1]:g} | {each.seconds[0]:.3g} – {each.seconds[-1]:.3g}"
            lines.append(f"| {each.title} | {each.varied} | {span} | {each.exponent:.2f} | {each.theory:g} |")
    return lines


def draw(growths: Sequence[Growth]) -> None:
    """One panel for each thing that was varied here; thin lines have the exponent of the operations."""
    panels = [name for name in VARIED if any(each.varied == name for each in growths)]
    figure, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 2.8), sharey=True, layout="constrained")
    for axis, name in zip(np.atleast_1d(axes), panels, strict=True):
        for each in (each for each in growths if each.varied == name):
            (line,) = axis.loglog(each.at, each.seconds, "o-", label=each.title.partition(":")[0])
            ideal = each.seconds[0] * (each.at / each.at[0]) ** each.theory
            axis.loglog(each.at, ideal, color=line.get_color(), linewidth=0.7, linestyle=":")
        axis.set_xlabel(name)
        axis.set_xticks(VARIED[name], [str(value) for value in VARIED[name]])
        axis.minorticks_off()
    np.atleast_1d(axes)[0].set_ylabel(f"{STEPS} steps [s of the processor]")
    np.atleast_1d(axes)[0].legend(frameon=False)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = MARK
    figure.savefig(FIGURE, metadata={"Date": None, "Creator": None})


@dataclass(frozen=True)
class Run:
    """What one call of ``bench run`` took."""

    processor_s: float
    wall_s: float
    cells: int


def run(folder: Path, results: str, *options: str) -> Run:
    """Run the small suite, or a shard of it."""
    before, began = _children_s(), time.monotonic()
    command = [sys.executable, "-m", "bench", "run", "growth.yaml", "--results", results, "--no-report", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall_s = time.monotonic() - began
    cells = (
        len(set(read(folder / results, "runs", ("cell_id",))["cell_id"].to_pylist()))
        if (folder / results).exists()
        else 0
    )
    return Run(_children_s() - before, wall_s, cells)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def workers() -> list[str]:
    """The small suite on one worker and on two, and as shards: what each takes, with the start of its processes."""
    lines = [
        "| how | cells per minute of the processor | cells per minute | seconds, all | the longest |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "growth.yaml").write_text(SUITE)
        run(folder, "warm", "--jobs", "1")
        for jobs, how in ((1, "1 worker"), (2, "2 workers")):
            runs = [run(folder, f"jobs-{jobs}", "--jobs", str(jobs))]
            lines.append(_line(how, runs))
        for count in (1, 2, 4):
            runs = [
                run(folder, f"shards-{count}-{n}", "--shard", f"{n}/{count}", "--jobs", "1")
                for n in range(1, count + 1)
            ]
            lines.append(_line(f"{count} shard{'s' if count > 1 else ''} of one worker", runs))
    return lines


def _line(how: str, runs: Sequence[Run]) -> str:
    cells, processor_s = sum(each.cells for each in runs), sum(each.processor_s for each in runs)
    rate, wall = 60 * cells / processor_s, 60 * cells / max(each.wall_s for each in runs)
    return f"| {how} | {rate:.1f} | {wall:.1f} | {processor_s:.1f} | {max(each.processor_s for each in runs):.1f} |"


def price(folder: Path) -> str:
    """What 100 000 cells like the stored ones take."""
    mean_s = float(Observed.of(folder).seconds.mean())
    days = {workers: 1e5 * mean_s / workers / 86_400 for workers in (1, 16, 1000)}
    each = ", ".join(f"{value:.3g} days on {name}" for name, value in days.items())
    return f"100 000 cells like these, of {mean_s:.0f} s each, would take {each} workers that are always busy."


def main(arguments: Sequence[str]) -> None:
    folder = Path(arguments[0]) if arguments else ROOT / "results" / "reference" / "full"
    here = list(measured())
    draw(here)
    rows = [each for each in stored(folder) if not math.isnan(each.seconds.sum())]
    name = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder.name
    text = "\n".join(
        [
            "## How time grows, measured",
            "",
            f"By `python tests/benchmarks/growth.py {name}`. Seconds are those of the processor. On a machine that "
            "others share they may double within minutes: compare those of one table. Cells per minute of the "
            "processor are what a worker of its own would do, those of the clock also depend on what else ran. Every "
            "call also starts its processes.",
            "",
            *workers(),
            "",
            "Shards were run one after another: on machines of their own they would take as long as the longest.",
            "",
            f"![{STEPS} steps of a bank against length, hidden size, members and points](scaling/growth.svg)",
            "",
            "Dotted: the growth of the operations. What is not varied: "
            + ", ".join(
                f"{value} {what}" if what in ("members", "points") else f"{what} {value}"
                for what, value in USUAL.items()
            )
            + ".",
            "",
            *table(here),
            "",
            f"From the rows of `{name}`, which were measured next to other cells:",
            "",
            *table(rows),
            "",
            price(folder),
            "",
            f"Measured on: {machine()}.",
        ]
    )
    before = REPORT.read_text()
    if f"<!-- {MARK}: begin -->" not in before:
        before = f"{before.rstrip()}\n\n<!-- {MARK}: begin -->\n<!-- {MARK}: end -->\n"
    REPORT.write_text(placed(before, MARK, text))


if __name__ == "__main__":
    main(sys.argv[1:])
