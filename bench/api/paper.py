"""What a paper needs of a results folder: tables, the protocol in words with the numbers of this run, model cards."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from bench.cells import CellSpec
from bench.errors import InputError, pip_install
from bench.models import model_kinds
from bench.reporting.folder import Files, put_files
from bench.reporting.values import CellSummary, Model, Section, Summary
from bench.stats.ratios import Estimate
from bench.text import count, csv_safe, listed, markdown, number, percent, plural, probability, seconds, slug

_CAPTIONS = {
    "ranking": "Average rank by RMSE (1 is best), and RMSE as a share of that of persistence: the interquartile mean "
    "over datasets and seeds with its 95 % interval over seeds.",
    "errors": "RMSE on the test part with its 95 % interval over seeds, skill against persistence, and the verdict "
    "against persistence; each model at the sequence length that is best on validation.",
    "tests": "Pairwise tests on the MSE: change relative to the other model with its 95 % interval, and p-value after "
    "Holm's correction within the dataset and for the selection of datasets.",
}


class Exported(Protocol):
    """What is written: `bench.api.results.Results`, of which this is what the files need."""

    folder: Path

    @property
    def summary(self) -> Summary:
        """The values that the report shows."""

    @property
    def runs(self) -> pd.DataFrame:
        """One row for each replicate."""

    @property
    def trials(self) -> pd.DataFrame:
        """One row for each trial of the tuning."""

    @property
    def plot(self) -> Any:
        """Its pictures, as `bench.api.plots.Plots` draws them."""

    def leaderboard(self) -> pd.DataFrame:
        """One row for each model."""

    def verdicts(self) -> pd.DataFrame:
        """One row for each claim."""


def export(results: Exported, formats: Sequence[str] = ("latex", "csv")) -> Files:
    """The files of a paper, path → content.

    Parameters
    ----------
    formats
        Of the tables ``ranking``, ``errors`` and ``tests``: ``latex`` (booktabs), ``csv`` (every digit), ``xlsx`` (one
        workbook). ``protocol.md``, ``cards/MODEL.md`` and ``figures/*.pdf`` of a column's width are written always.

    Raises
    ------
    InputError
        There is nothing to export, or a package that a format needs is missing.
    """
    summary = results.summary
    if not summary.counts.replicates_finished:
        raise InputError(f"{results.folder}: expected a finished cell, got none; `bench run` makes them")
    files: Files = {"protocol.md": protocol(results)}
    files |= {f"cards/{slug(model.name)}.md": card(results, model) for model in summary.models}
    files |= dict(figures(results))
    tables = {"ranking": results.leaderboard(), "errors": errors(summary), "tests": results.verdicts()}
    if "csv" in formats:
        files |= {f"{name}.csv": _safe(frame).to_csv(index=False) for name, frame in tables.items()}
    if "xlsx" in formats:
        files["tables.xlsx"] = _workbook(tables)
    if "latex" in formats:
        shown = {"ranking": _ranking(tables["ranking"]), "errors": _errors(summary), "tests": _tests(tables["tests"])}
        files |= {f"{name}.tex": _latex(frame, name, suite=summary.suite) for name, frame in shown.items()}
    return files


def write_export(results: Exported, formats: Sequence[str], output: Path | None = None) -> Path:
    """Write the files of `export` into `output`, by default ``exports/SUITE``, and return that."""
    folder = Path("exports", results.summary.suite) if output is None else output
    put_files(folder, export(results, formats))
    return folder


def errors(summary: Summary) -> pd.DataFrame:
    """One row for each dataset, horizon and model, at the sequence length chosen on validation: numbers with units."""
    rows = [
        {
            **{name: getattr(cell, name) for name in ("dataset", "horizon", "model", "sequence_length")},
            **_numbers("rmse", cell.rmse),
            **_numbers("skill", cell.skill),
            **{name: getattr(cell, name) for name in ("mae", "mase", "accuracy", "log_loss")},
            "persistence_rmse": section.persistence_rmse,
            "noise_floor_rmse": section.noise_floor_rmse,
            "verdict": cell.words or str(cell.verdict),
            "unit": section.unit,
            "seeds": cell.finished,
            **{name: getattr(cell.cost, name) for name in ("parameters", "fit_s", "tuning_s", "peak_memory_bytes")},
            "cell_id": cell.cell_id,
        }
        for section, cell in _chosen(summary)
    ]
    return pd.DataFrame(rows)


def _chosen(summary: Summary) -> Iterator[tuple[Section, CellSummary]]:
    for section in summary.sections:
        yield from ((section, cell) for cell in section.cells if cell.chosen)


def _numbers(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    low, high = (estimate.interval if estimate else None) or (None, None)
    return {name: estimate.value if estimate else None, f"{name}_low": low, f"{name}_high": high}


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A value and its interval, as a table of a paper shows them."""
    ends = f" [{number(low)}, {number(high)}]" if low is not None and high is not None and pd.notna(low) else ""
    return number(None if value is None or pd.isna(value) else value) + ends


def _in_unit(shown: str, section: Section) -> str:
    """An error with its unit, where the dataset has one and the error is in it."""
    return f"{shown} {section.unit}" if section.unit and section.words.unit == section.unit else shown


def _ranking(board: pd.DataFrame) -> pd.DataFrame:
    rows = board.itertuples()
    return pd.DataFrame(
        [
            {
                "Model": row.model,
                "Average rank": number(row.rank, 1) if pd.notna(row.rank) else "–",
                "RMSE / persistence": _with_interval(row.error, row.error_low, row.error_high),
                "Beats persistence": f"{row.with_skill} of {row.tested}" if pd.notna(row.tested) else "–",
                "Fit, one seed": seconds(row.fit_s if pd.notna(row.fit_s) else None),
            }
            for row in rows
        ]
    )


def _errors(summary: Summary) -> pd.DataFrame:
    rows = []
    for section, cell in _chosen(summary):
        rmse, skill = _numbers("v", cell.rmse), _numbers("v", cell.skill)
        rows.append(
            {
                "Dataset": section.title,
                "Model": cell.model,
                "Length": str(cell.sequence_length),
                "RMSE": _in_unit(_with_interval(*rmse.values()), section),
                "Skill": _with_interval(*skill.values()),
                "Verdict": str(cell.verdict),
            }
        )
    return pd.DataFrame(rows)


def _tests(verdicts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Dataset": row.dataset,
                "Model": row.model,
                "Compared with": row.other,
                "MSE": _change(row.effect, row.low, row.high),
                "p": probability(row.p).removeprefix("p ").removeprefix("= ") if pd.notna(row.p) else "–",
                "Test": row.test or "–",
                "Verdict": row.comparison + _further(row.further_seeds),
            }
            for row in verdicts.drop_duplicates(["dataset", "horizon", "model", "other"]).itertuples()
        ]
    )


def _further(seeds: Any) -> str:
    return f" (about {plural(int(seeds), 'more seed')})" if pd.notna(seeds) else ""


def _change(effect: float, low: float, high: float) -> str:
    if pd.isna(effect):
        return "–"
    return f"{100 * effect:+.1f} % [{100 * low:+.1f}, {100 * high:+.1f}]"


def _latex(frame: pd.DataFrame, name: str, *, suite: str) -> str:
    r"""A booktabs table; it needs ``\usepackage{booktabs}``, and that of tests, which is long, ``longtable``."""
    plain = frame.map(lambda text: str(text).replace("\u202f", " ").replace("–", "--").replace("−", "-"))
    styler = plain.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    numbers = {"Length", "p", "Average rank"}
    text: str = styler.to_latex(
        hrules=True,
        column_format="".join("r" if column in numbers else "l" for column in frame.columns),
        caption=_CAPTIONS[name].replace("%", "\\%"),
        label=f"tab:{slug(suite)}-{name}",
        **({"environment": "longtable"} if name == "tests" else {"position": "t", "position_float": "centering"}),
    )
    return text.replace("< ", "$<$ ")


def _safe(frame: pd.DataFrame) -> pd.DataFrame:
    """With texts that no spreadsheet evaluates as formulas."""
    return frame.map(lambda value: csv_safe(value) if isinstance(value, str) else value)


def _workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    content = io.BytesIO()
    try:
        with pd.ExcelWriter(content, engine="openpyxl") as writer:
            for name, frame in tables.items():
                _safe(frame).to_excel(writer, sheet_name=name, index=False, freeze_panes=(1, 0))
    except ImportError as error:
        raise InputError(f"xlsx: expected openpyxl, which writes it, got none; {pip_install('excel')}") from error
    return content.getvalue()


def protocol(results: Exported) -> str:
    """The protocol as a paragraph for a paper, with the numbers of this run."""
    summary, runs = results.summary, results.runs
    specs = [CellSpec.from_json(text).content for text in runs["spec"].unique()]
    ok = runs[runs["status"] == "ok"]
    parts = [
        f"We compared {plural(len(summary.models), 'model')} ({listed([model.name for model in summary.models])}) on "
        f"{plural(len({section.dataset for section in summary.sections}), 'dataset')} with input windows of "
        f"{listed([str(length) for length in summary.sequence_lengths])} points and "
        f"{_horizons(summary)}, {plural(summary.counts.replicates, 'training')} in all.",
        *filter(None, (_split(specs), _training(specs, ok), _tuning(specs))),
        "Persistence, the last value again, is the reference of every dataset. Intervals are 95 %, over seeds from the "
        "logarithms of the errors and over the test window by a Diebold-Mariano test of the ratio of the mean losses. "
        "A model is called better or worse where both exclude no difference, after Holm's correction within each "
        "dataset and for the selection of datasets (Benjamini and Bogomolov, 2014), and equivalent where both lie "
        "within 5 % of the other's MSE.",
        *_lost(summary),
        *_machine(summary),
    ]
    return "# Protocol\n\n" + " ".join(parts) + "\n"


def _horizons(summary: Summary) -> str:
    horizons = sorted({section.horizon for section in summary.sections})
    return f"{'a horizon' if len(horizons) == 1 else 'horizons'} of {listed([str(each) for each in horizons])}"


def _same(specs: Sequence[Mapping[str, Any]], section: str, name: str) -> Any:
    """What all cells that state it agree on; `None` where they do not."""
    values = [spec[section][name] for spec in specs if spec.get(section) and spec[section].get(name) is not None]
    return values[0] if values and all(value == values[0] for value in values) else None


def _split(specs: Sequence[Mapping[str, Any]]) -> str:
    validation, test = (_same(specs, "split", name) for name in ("validation", "test"))
    if validation is None or test is None:
        return ""
    shown = [percent(part) if part < 1 else plural(part, "point") for part in (validation, test)]
    scaler = _same(specs, "training", "scaler")
    scaled = f"; a {scaler} scaler was fitted on the train part" if scaler not in (None, "none") else ""
    return (
        f"Each series was cut in the order of time: {shown[1]} at the end for the test, {shown[0]} before that for "
        f"validation, the rest for training{scaled}. The test part was opened once, after every choice."
    )


def _training(specs: Sequence[Mapping[str, Any]], ok: pd.DataFrame) -> str:
    budget = next(
        (f"{value} {name}" for name in ("steps", "epochs") if (value := _same(specs, "training", name))), None
    )
    if budget is None:
        return ""
    counts = sorted(ok.groupby("cell_id")["seed"].nunique().unique())
    several = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    patience, loss = _same(specs, "training", "early_stopping"), _same(specs, "training", "loss")
    stopped = f", ended early after {patience} validations without progress," if patience else ""
    return (
        f"Networks were trained with Adam on the {loss or 'stated'} loss for at most {budget}{stopped} and with "
        f"{several} seeds for each cell; the weights of the best validation were kept."
    )


def _tuning(specs: Sequence[Mapping[str, Any]]) -> str:
    trials, sampler = _same(specs, "tuning", "trials"), _same(specs, "tuning", "sampler")
    if trials is None:
        return "Hyperparameters were those that the suite states, without tuning."
    return (
        f"Hyperparameters were chosen on the validation part alone, with the same budget for every model: "
        f"{plural(trials, 'trial')} ({sampler or 'mixed'} sampling) by Optuna; the winner was trained again with "
        "fresh seeds."
    )


def _lost(summary: Summary) -> list[str]:
    lost = summary.counts.replicates - summary.counts.replicates_finished
    return [f"{plural(lost, 'training')} did not finish and count as such."] if lost else []


def _machine(summary: Summary) -> Iterator[str]:
    if summary.environments:
        first = summary.environments[0]
        libraries = first.facts.get("Libraries", "libraries that were not stored")
        yield f"Made with bench {first.facts.get('bench', '')} on {first.machine}; {libraries}."


def card(results: Exported, model: Model) -> str:
    """A model card: what it is, what it was trained on, how well it does, what it costs, what is not known."""
    summary, runs = results.summary, results.runs
    cells = [(section, cell) for section, cell in _chosen(summary) if cell.model == model.name]
    kind = model_kinds().get(model.kind)
    own = runs[runs["model"] == model.name]
    lost = int((own["status"] != "ok").sum())
    lines = [
        f"# {model.name}",
        "",
        kind.summary if kind else f"A model of the kind {model.kind}.",
        "",
        "| dataset | length | RMSE | skill | verdict | parameters | fit, one seed | chosen by tuning |",
        "|---|---|---|---|---|---|---|---|",
        *(_card_row(section, cell, _tuned(results.trials, cell)) for section, cell in cells),
        "",
        f"{plural(lost, 'replicate')} of {len(own)} did not finish." if lost else "Every replicate finished.",
        *_cautions(summary, model),
        "",
        "Data: " + "; ".join(_data(cells)) + "." if cells else "No cell of it finished.",
        "",
    ]
    return "\n".join(lines)


def _card_row(section: Section, cell: CellSummary, tuned: Sequence[str]) -> str:
    values = [f"{name} {value}" for name, value in cell.hyperparameters if name in tuned]
    entries = [
        section.title,
        str(cell.sequence_length),
        _in_unit(_with_interval(*_numbers("v", cell.rmse).values()), section),
        _with_interval(*_numbers("v", cell.skill).values()),
        cell.words or str(cell.verdict),
        count(cell.cost.parameters),
        seconds(cell.cost.fit_s),
        ", ".join(values) or "nothing",
    ]
    return f"| {' | '.join(map(markdown, entries))} |"


def _tuned(trials: pd.DataFrame, cell: CellSummary) -> list[str]:
    """The names that the trials of a cell chose values for."""
    own = trials.loc[trials["cell_id"] == cell.cell_id, "parameters"]
    return list(json.loads(own.iloc[0])) if len(own) else []


def _cautions(summary: Summary, model: Model) -> list[str]:
    named = re.compile(rf"(?<![\w-]){re.escape(model.name)}(?![\w-])")
    own = [caution for caution in summary.cautions if named.search(caution)]
    return ["", "Read with care:", "", *(f"- {caution}" for caution in own)] if own else []


def _data(cells: Sequence[tuple[Section, CellSummary]]) -> list[str]:
    return [f"{section.title}, {section.source} (SHA-256 {section.data_sha256[:12]}…)" for section, _ in cells]


COLUMN_IN = 3.35
"""Inches: the width of one of two columns of text."""


def figures(results: Exported) -> Iterator[tuple[str, bytes]]:
    """The ranking, and the errors on each dataset, as PDF of a column's width with their fonts embedded."""
    models = len(results.summary.models)
    if any(row.average is not None for row in results.summary.ranking.ranks):
        yield "figures/ranking.pdf", _pdf(models, results.plot.ranking)
    for section in results.summary.sections:
        if section.best is not None:
            draw = partial(results.plot.errors, section.dataset, horizon=section.horizon)
            yield f"figures/errors-{slug(section.title)}.pdf", _pdf(models, draw)


def _pdf(rows: int, draw: Callable[..., Axes]) -> bytes:
    content = io.BytesIO()
    with plt.rc_context({"pdf.fonttype": 42, "font.size": 8}):
        figure, axes = plt.subplots(figsize=(COLUMN_IN, 0.8 + 0.2 * rows), layout="constrained")
        draw(ax=axes)
        figure.savefig(content, format="pdf", metadata={"CreationDate": None})
        plt.close(figure)
    return content.getvalue()
