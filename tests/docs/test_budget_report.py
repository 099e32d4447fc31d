"""What `reports/budget.md` says of the budget of the full suite follows from its own rows, and is of that suite."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from bench.data import dataset_kinds
from bench.models import model_kinds
from bench.suite.load import load

ROOT = Path(__file__).parents[2]
REPORT = (ROOT / "reports" / "budget.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in REPORT.split("\n## ")[1:]}


@pytest.fixture
def budget(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "benchmarks")
    import budget

    return budget


def rows(section):
    """Cell → ratio, lower and upper end, verdict."""
    found = {}
    for line in SECTIONS[section].splitlines():
        if " × " in line:
            name, _, _, ratio, interval, _, verdict = (part.strip() for part in line.strip("|").split("|"))
            found[name] = (float(ratio), *map(float, interval.split(" – ")), verdict)
    return found


def test_the_suites_own_budget_is_among_those_that_were_measured():
    suite = load(ROOT / "suites" / "full.yaml", datasets=dataset_kinds(), models=model_kinds())
    assert (suite.training.schedule, suite.training.learning_rate, suite.training.early_stopping) == (
        "one-cycle",
        0.01,
        10,
    )
    measured = rows(f"{suite.training.steps} steps")
    assert len(measured) >= 12
    assert len({name.partition(" × ")[0] for name in measured}) >= 3


@pytest.mark.parametrize("section", [name for name in SECTIONS if name != "The whole suite"])
def test_what_a_section_says_follows_from_its_rows(section):
    found = rows(section)
    shown = sum(high < 1.05 for _, _, high, _ in found.values())
    assert f"Not inferior: {shown} of {len(found)} cells." in SECTIONS[section]
    for _, low, high, verdict in found.values():
        assert verdict == ("yes" if high < 1.05 else "no: worse" if low > 1.05 else "undecided")
    mean = np.exp(np.mean([np.log(ratio) for ratio, *_ in found.values()]))
    (said,) = re.findall(r"RMSE's ratio\s+is ([0-9.]+) ", SECTIONS[section])
    assert float(said) == pytest.approx(mean, abs=2e-3)


@pytest.mark.parametrize(("shift", "verdict"), [(-0.01, "yes"), (0.045, "undecided"), (0.2, "no: worse")])
def test_not_inferior_is_a_one_sided_t_test_of_the_pairs(budget, shift, verdict):
    random = np.random.default_rng(0)
    old = random.normal(-2, 0.3, 8)
    noise = random.normal(0, 0.02, 8)
    new = old + shift + noise - noise.mean()
    sides = budget.Outcome(old, 8000, 10.0), budget.Outcome(new, 4000, 5.0)
    text, mean, said = budget.line("a cell", *sides)
    p = ttest_rel(new, old + np.log(1 + budget.MARGIN), alternative="less").pvalue
    assert said == verdict
    assert (verdict == "yes") == (p < 0.05)
    assert mean == pytest.approx(shift)
    assert text.startswith("| a cell | 8,000 → 4,000 | 10.0 → 5.0 |")
    assert text.endswith(f"| {verdict} |")
