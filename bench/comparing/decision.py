"""Paired replicates → verdicts: one family of tests with a known probability of a false alarm.

This module defines the metrics of a comparison and applies the tests to every metric of every cell that two result sets
have in common.

A change for the worse or the better needs both an effect above its margin and a paired t-test that is significant after
Holm's correction, hence an interval that excludes 0. Equivalence is not the absence of a difference: it is shown by two
one-sided tests that the effect lies within the margin. If neither is shown, the verdict is undecided.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.special import stdtr

from bench import store
from bench.array_types import BoolArray, FloatArray, IntArray
from bench.cells import CellKey
from bench.choices import ComparedMetric
from bench.comparing.outcomes import CellChange, ChangeVerdict, Comparison, MetricChange, ResultSide, worst
from bench.comparing.pairs import COLUMNS, Pairs, ResultSet, check_pair, differences, other_targets
from bench.comparing.too_good import Credible
from bench.errors import InputError, StoreError
from bench.reporting.source import renewal_of, suite_of
from bench.spec import Gate, Suite, Thresholds
from bench.stats.paired import POWER, Paired, ReplicatePairs, holm, paired, replicates
from bench.stats.ratios import Estimate, Interval, mean_error, mean_value
from bench.text import listed, plural

ROUNDING = 1e-6
"""An error below this share of the data's range is rounding: two such errors are the same."""

_SMALLEST = 1e-300


@dataclass(frozen=True)
class Measure:
    """How the values of a metric compare.

    Parameters
    ----------
    relative
        By their ratio; else by their difference.
    worse
        The sign of a change for the worse: 1 where lower values are better, −1 where higher ones are.
    """

    relative: bool
    worse: int

    def comparable(self, values: FloatArray, scale: FloatArray) -> FloatArray:
        """``[cells, seeds]`` values as they are subtracted: their logarithms where `relative`; NaN stays.

        Parameters
        ----------
        values
            ``[cells, seeds]``.
        scale
            ``[cells]``: the range of the data, by which rounding is reported; NaN where it is not known.
        """
        if not self.relative:
            return values
        floor = np.fmax(ROUNDING * scale, _SMALLEST)[:, None]
        return np.asarray(np.log(np.maximum(values, floor)))

    def means(self, old: FloatArray, new: FloatArray) -> tuple[Interval, Interval]:
        """The means over seeds of both sides, with their intervals."""
        mean = mean_error if self.relative else mean_value
        return mean(old), mean(new)

    def margin(self, threshold: float) -> float:
        """`threshold` as a difference of `comparable` values."""
        return float(np.log1p(threshold)) if self.relative else threshold

    def effect(self, difference: float) -> float:
        """A difference as users read it: new / old − 1 where `relative`."""
        return float(np.expm1(difference)) if self.relative else difference


MEASURES: Mapping[str, Measure] = {
    ComparedMetric.RMSE: Measure(relative=True, worse=1),
    ComparedMetric.MAE: Measure(relative=True, worse=1),
    ComparedMetric.SKILL: Measure(relative=False, worse=-1),
    ComparedMetric.R2: Measure(relative=False, worse=-1),
    ComparedMetric.DIRECTIONAL_ACCURACY: Measure(relative=False, worse=-1),
}
"""By their columns, which are those that a suite's thresholds name."""


SAME = 1e-9
"""Differences smaller than this are the same number, summed in another order."""

MOST = 1000
"""More replicates than this are never suggested: the effect is too near to its margin."""


@dataclass(frozen=True)
class Decision:
    """What is decided of one test.

    Parameters
    ----------
    difference
        The mean of the paired differences; NaN where there is none.
    interval
        Of that mean, at the level 1 − alpha; `None` for fewer than two pairs, and where chance has no part in it.
    p_value
        Two-sided, corrected by Holm's method; `None` where nothing was tested.
    further
        About how many more replicates would decide; `None` unless undecided, or where more than `MOST` are needed.
    verdict
        The outcome.
    """

    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    further: int | None
    verdict: ChangeVerdict


@dataclass(frozen=True, eq=False)
class Family:
    """A family of tests.

    Parameters
    ----------
    new, old
        ``[tests, seeds]``, paired; NaN where a replicate is missing.
    worse
        ``[tests]``: the sign of a change for the worse.
    margin
        ``[tests]``, positive: the smallest difference that counts.
    deterministic
        ``[tests]``: whether the pairs are copies of one, which then decides alone.
    """

    new: FloatArray
    old: FloatArray
    worse: IntArray
    margin: FloatArray
    deterministic: BoolArray

    def shifted(self, sign: int) -> FloatArray:
        """``[tests]``: Student's t of the difference against the margin times `sign`."""
        return paired(self.new, self.old + sign * self.margin[:, None]).statistic


def decide(tests: Family, *, alpha: float) -> list[Decision]:
    """Decide a family of tests.

    Parameters
    ----------
    tests
        What is tested.
    alpha
        The chance that any test of the family finds a change where there is none, and that any one test shows an
        equivalence where there is none.

    References
    ----------
    D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987), for the two one-sided tests. That all
    tests of a family are equivalent needs no correction: R. L. Berger, Technometrics 24 (1982).
    """
    compared = paired(tests.new, tests.old, level=1 - alpha)
    corrected = holm(np.where(tests.deterministic, np.nan, compared.p))
    outside = _outside(tests, compared)
    family = int((np.isfinite(corrected) | ((compared.count == 1) & ~tests.deterministic)).sum())
    further = _further(tests, compared, alpha=alpha, family=family)
    verdicts = _verdicts(tests, compared, corrected, outside=outside, alpha=alpha)
    return [
        Decision(
            difference=float(compared.difference[at]),
            interval=_bounds(compared, at) if _is_tested(corrected[at]) and not _is_same(tests, at) else None,
            p_value=float(corrected[at]) if _is_tested(corrected[at]) else None,
            further=int(further[at]) if verdict is ChangeVerdict.UNDECIDED and further[at] <= MOST else None,
            verdict=verdict,
        )
        for at, verdict in enumerate(verdicts)
    ]


def _verdicts(
    tests: Family, compared: Paired, corrected: FloatArray, *, outside: FloatArray, alpha: float
) -> list[ChangeVerdict]:
    verdicts = []
    for at, (count, difference) in enumerate(zip(compared.count, compared.difference, strict=True)):
        tested = _is_tested(corrected[at])
        alone = tests.deterministic[at] or (count > 1 and not tested)  # one change in every pair: chance has no part
        beyond = abs(difference) - tests.margin[at] > SAME
        if not count:
            verdict = ChangeVerdict.NOT_COMPARABLE
        elif _is_same(tests, at) or (alone and not beyond) or outside[at] <= alpha:
            verdict = ChangeVerdict.EQUIVALENT
        elif beyond and (alone or corrected[at] <= alpha):
            verdict = ChangeVerdict.REGRESSED if difference * tests.worse[at] > 0 else ChangeVerdict.IMPROVED
        else:
            verdict = ChangeVerdict.UNDECIDED
        verdicts.append(verdict)
    return verdicts


def _is_tested(p_value: float) -> bool:
    return not math.isnan(p_value)


def _is_same(tests: Family, at: int) -> bool:
    gap = tests.new[at] - tests.old[at]
    present = gap[~np.isnan(gap)]
    return bool(len(present)) and bool(np.abs(present).max() < SAME)


def _bounds(compared: Paired, at: int) -> tuple[float, float]:
    return float(compared.low[at]), float(compared.high[at])


def _outside(tests: Family, compared: Paired) -> FloatArray:
    """``[tests]``: p-values of the difference lying outside of the margin; NaN where there is no test."""
    freedom = np.where(compared.count > 1, compared.count - 1.0, np.nan)
    p: FloatArray = np.maximum(stdtr(freedom, tests.shifted(1)), stdtr(freedom, -tests.shifted(-1)))
    return np.where(tests.deterministic, np.nan, p)


def _further(tests: Family, compared: Paired, *, alpha: float, family: int) -> FloatArray:
    """``[tests]``: replicates to add so that a difference that is as it seems is decided with `POWER`.

    For a change, the first step of Holm's method; for an equivalence, either of the two tests may fail. One pair tells
    no spread: then as many as find a difference that is as large as the spread.
    """
    gap = np.abs(tests.margin - np.abs(compared.difference))
    with np.errstate(divide="ignore", invalid="ignore"):  # without a spread nothing is undecided
        distance = gap / ReplicatePairs.of(tests.new, tests.old).deviation
    change = replicates(compared.effect, level=1 - alpha / max(family, 1))
    same = replicates(distance, level=1 - 2 * alpha, power=(1 + POWER) / 2)
    wanted = np.where(np.abs(compared.difference) > tests.margin, change, same)
    wanted = np.where(compared.count == 1, replicates(1.0, level=1 - alpha / max(family, 1)), wanted)
    return np.asarray(np.maximum(wanted - compared.count, 1.0))


_Values = Mapping[str, tuple[FloatArray, FloatArray]]
"""For each metric ``[cells, seeds]`` before and now."""


def judged(pairs: Pairs, gate: Gate) -> list[tuple[MetricChange, ...]]:
    """The metrics of each cell, those that `gate` looks at and both sides have.

    All tests of all metrics and cells are one family.
    """
    values = {metric: pairs.values(metric) for metric in gate.thresholds.stated()}
    decisions = _decisions(pairs, values, gate)
    means = {metric: MEASURES[metric].means(old, new) for metric, (old, new) in values.items()}
    rmse = mean_error(pairs.values("rmse")[1]).value
    credible = Credible.of(pairs, alpha=gate.alpha)
    metrics: list[tuple[MetricChange, ...]] = []
    for at, (old, new) in enumerate(pairs.sides()):
        present = [metric for metric in values if means[metric][0].count[at]]
        alone = old.deterministic and new.deterministic
        changes = (
            _change(
                metric,
                decisions[metric][at],
                [_estimate(interval, at, deterministic=alone) for interval in means[metric]],
                threshold=gate.thresholds.stated()[metric],
                pairs=int(means[metric][0].count[at]),
            )
            for metric in present
        )
        metrics.append(
            tuple(_unless_too_good(change, at, rmse=float(rmse[at]), credible=credible) for change in changes)
        )
    return metrics


def _decisions(pairs: Pairs, values: _Values, gate: Gate) -> dict[str, list[Decision]]:
    thresholds, scale, cells = gate.thresholds.stated(), pairs.scale(), len(pairs.keys)
    old, new = (
        np.concatenate([MEASURES[name].comparable(both[side], scale) for name, both in values.items()])
        for side in (0, 1)
    )
    tests = Family(
        new=new,
        old=old,
        worse=np.repeat([MEASURES[name].worse for name in values], cells),
        margin=np.repeat([MEASURES[name].margin(thresholds[name]) for name in values], cells),
        deterministic=np.tile(pairs.deterministic(), len(values)),
    )
    decided = decide(tests, alpha=gate.alpha)
    return {name: decided[k * cells : (k + 1) * cells] for k, name in enumerate(values)}


def _change(
    metric: str, decision: Decision, values: Sequence[Estimate], *, threshold: float, pairs: int
) -> MetricChange:
    measure, bounds = MEASURES[metric], decision.interval
    return MetricChange(
        metric=metric,
        threshold=threshold,
        pairs=pairs,
        relative=measure.relative,
        old=values[0],
        new=values[1],
        effect=Estimate(
            measure.effect(decision.difference), bounds and (measure.effect(bounds[0]), measure.effect(bounds[1]))
        ),
        p_value=decision.p_value,
        further=decision.further,
        verdict=decision.verdict,
    )


def _estimate(interval: Interval, at: int, *, deterministic: bool) -> Estimate:
    """Copies of one fit have no spread over seeds, hence no interval."""
    low, high = float(interval.low[at]), float(interval.high[at])
    return Estimate(float(interval.value[at]), None if deterministic or math.isnan(low) else (low, high))


def _unless_too_good(change: MetricChange, at: int, *, rmse: float, credible: Credible) -> MetricChange:
    """An improvement that no honest change can bring is a suspected leak; `rmse` is that of the cell now."""
    if change.verdict is not ChangeVerdict.IMPROVED:
        return change
    threshold = change.threshold if change.relative else Thresholds().stated()["rmse"]
    doubt = credible.doubt(at, rmse=rmse, threshold=threshold)
    return replace(change, verdict=ChangeVerdict.LEAK, doubt=doubt) if doubt else change


def compare(
    old: Mapping[str, pa.Table], new: Mapping[str, pa.Table], gate: Gate | None = None, *, gate_file: str = ""
) -> Comparison:
    """What changed from the result set `old` to the result set `new`.

    Cells are paired by dataset, model, sequence length and horizon, and their replicates by seed.

    Parameters
    ----------
    old, new
        Tables of `bench.store.schema`; `runs` is read.
    gate
        What counts as a change; where it is not given, that of a suite which says nothing of it.
    gate_file
        Where it is from.

    Raises
    ------
    InputError
        The two cannot be compared: other suites, a metric that only one has, no cell in both.
    """
    gate = gate or Gate()
    before, now = (ResultSet.of(tables["runs"]) for tables in (old, new))
    check_pair(before, now, gate.thresholds.stated())
    cells = _cells(Pairs.of(before, now), gate)
    return Comparison(
        suite=now.suites[0],
        gate_file=gate_file,
        alpha=gate.alpha,
        thresholds=gate.thresholds.stated(),
        cells=cells,
        appeared=tuple(sorted(now.sides.keys() - before.sides.keys())),
        vanished=tuple(sorted(before.sides.keys() - now.sides.keys())),
        failed=_where(cells, lambda cell: bool(cell.failing)),
        thinned=_where(cells, lambda cell: bool(cell.vanished)),
        fixed=_where(cells, lambda cell: not cell.old.whole and cell.new.whole and not cell.losses()),
        changed_data=_where(cells, lambda cell: bool(other_targets(cell.old, cell.new))),
        old_machines=before.machines,
        new_machines=now.machines,
        old_commits=before.commits,
        new_commits=now.commits,
    )


def compare_folders(
    old: Path,
    new: Path,
    gate: Gate | None = None,
    *,
    gate_file: str = "",
    parse: Callable[[str], Suite] = Suite.model_validate_json,
    partial: bool = False,
) -> Comparison:
    """`compare` what the results folders `old` and `new` hold of their suites; what else they keep is named.

    Parameters
    ----------
    parse
        Reads the suite that a folder keeps, see `bench.reporting.source.read`.
    partial
        Whether `new` holds some of the cells on purpose: what it lacks is left out of `old`, and has not vanished.

    A part that cannot be read costs its cell: the comparison says which, and its verdict is then that some of it is
    not comparable, or worse.

    Raises
    ------
    InputError
        As `compare`; or a folder holds no results, or none that can be read: one line for each folder.
    """
    tables: list[Mapping[str, pa.Table]] = []
    cautions: list[str] = []
    problems: list[str] = []
    unreadable: list[str] = []
    for folder in (old, new):
        try:
            runs, lines, caution = _of_suite(folder, parse)
        except StoreError as error:
            problems.append(str(error))
        else:
            tables.append({"runs": runs})
            unreadable += lines
            cautions += caution
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    if partial:
        tables[0], left_out = _shared(tables[0]["runs"], tables[1]["runs"])
        cautions.append(left_out)
    comparison = compare(tables[0], tables[1], gate, gate_file=gate_file)
    return replace(comparison, unreadable=tuple(dict.fromkeys(unreadable)), cautions=tuple(cautions))


def _shared(old: pa.Table, new: pa.Table) -> tuple[Mapping[str, pa.Table], str]:
    """The rows of `old` of replicates that `new` has, and what became of the others."""
    names = [*CellKey.COLUMNS, "seed"]
    there = {tuple(row.values()) for row in new.select(names).to_pylist()}
    shared = old.filter(pa.array([tuple(row.values()) in there for row in old.select(names).to_pylist()], pa.bool_()))
    cells, total = (len(runs["cell_id"].unique()) for runs in (shared, old))
    return {"runs": shared}, f"only what the new results have is compared: {cells} of {plural(total, 'cell')} before"


def _of_suite(folder: Path, parse: Callable[[str], Suite]) -> tuple[pa.Table, tuple[str, ...], list[str]]:
    """The rows of the suite that `folder` holds, why some cannot be read, and what to know of others."""
    runs, unreadable = store.readable(folder, "runs", (*COLUMNS, *MEASURES))
    suite, problem = suite_of(folder, parse)
    renewal, unknown = renewal_of(folder)
    kept = store.kept_cells(runs, suite, renewal)
    cautions = []
    unreadable = (*filter(None, (problem, unknown)), *unreadable)  # without its suite nobody knows what is missing
    if kept:
        named = listed([f"{cell.key.title} ({cell.reason})" for cell in kept[:3]])
        more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
        cautions.append(f"{folder} keeps what is no result of its suite, and is not compared: {named}{more}")
    return store.without(runs, kept), unreadable, cautions


def _cells(pairs: Pairs, gate: Gate) -> tuple[CellChange, ...]:
    lost = zip(pairs.failing(gate.thresholds.stated()), pairs.vanished(), strict=True)
    return tuple(
        replace(_cell(key, pairs, metrics=metrics, paired=int(paired)), failing=failing, vanished=vanished)
        for key, metrics, paired, (failing, vanished) in zip(
            pairs.keys, judged(pairs, gate), pairs.count(), lost, strict=True
        )
    )


def _cell(key: CellKey, pairs: Pairs, *, metrics: tuple[MetricChange, ...], paired: int) -> CellChange:
    old, new = pairs.old.sides[key], pairs.new.sides[key]
    same_machine = bool(old.machine) and old.machine == new.machine
    return CellChange(
        key=key,
        old=old,
        new=new,
        paired=paired,
        metrics=metrics,
        verdict=worst([metric.verdict for metric in metrics]),
        fit_ratio=_quotient(new.fit_s, old.fit_s) if same_machine else None,
        predict_ratio=_quotient(new.predict_s, old.predict_s) if same_machine else None,
        notes=tuple(_notes(old, new, paired=paired, metrics=metrics)),
        other_settings=differences(pairs.old.settings[key], pairs.new.settings[key]),
    )


def _quotient(new: float | None, old: float | None) -> float | None:
    return new / old if new is not None and old else None


def _notes(old: ResultSide, new: ResultSide, *, paired: int, metrics: Sequence[MetricChange]) -> list[str]:
    notes = other_targets(old, new)
    if not paired:
        notes.append("no replicate finished in both")
    elif not metrics and not notes:
        notes.append("no metric that is looked at has finite values in both")
    notes += dict.fromkeys(metric.doubt for metric in metrics if metric.doubt)
    for metric in metrics:
        if metric.pairs < paired:
            notes.append(f"{metric.metric} is finite in both in {metric.pairs} of {paired} replicates")
    if not old.whole:
        notes.append(f"before {old.reason}")
    if not new.whole:
        notes.append(f"now {new.reason}")
    return notes


def _where(cells: Sequence[CellChange], condition: Callable[[CellChange], bool]) -> tuple[CellKey, ...]:
    return tuple(cell.key for cell in cells if condition(cell))
