"""What looks at a growing number of seeds cost and bring: writes ``reports/anytime.md``.

``python tests/benchmarks/anytime.py FOLDER`` compares tests for repeated looks, measures how often claims are false at
any look, and simulates the order of ``seeds: {from, to, until: decided}`` next to the fixed one. Spreads, differences
and times are those of the results in FOLDER, which should have many seeds; random numbers are fixed. ``--real`` adds a
real run of each order, which takes some minutes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import stdtr

from bench.reporting import source
from bench.reporting.summary import summarise
from bench.running.anytime import Undecided, next_round
from bench.stats.claims import ALPHA, ModelClaim, findings
from bench.stats.looks import Looks, schedule
from bench.stats.verdicts import Judgement, Subject, against_best, against_persistence
from bench.store import read
from bench.store.grid import grid

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports/anytime.md"
FIRST, FIXED, LAST = 3, 10, 30
PLAN = schedule(FIRST, LAST)
EFFECTS = (0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
WORLDS = 100


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


# --- Which test


def statistics(effect: float, trials: int, seed: int) -> np.ndarray:
    """``[trials, looks]``: Student's t at each look."""
    values = np.random.default_rng(seed).standard_normal((trials, LAST)) + effect
    own = (values[:, :count] for count in PLAN)
    return np.stack([part.mean(1) / part.std(1, ddof=1) * np.sqrt(part.shape[1]) for part in own], 1)


def p_values(t: np.ndarray) -> np.ndarray:
    return 2 * stdtr(np.array(PLAN) - 1.0, -np.abs(t))


def added(alpha: float, exponent: float) -> np.ndarray:
    """The levels of the looks, if their errors are added up: what this project does, with an exponent of 1.5."""
    return alpha * np.diff([0.0, *(np.array(PLAN) / LAST) ** exponent])


def exact(alpha: float, exponent: float, null: np.ndarray) -> np.ndarray:
    """Lan and DeMets' levels, from the simulated joint distribution of Student's t under the null hypothesis."""
    alive, levels = np.ones(len(null), dtype=np.bool_), []
    for place, count in enumerate(PLAN):
        more = round(alpha * (count / LAST) ** exponent * len(null)) - np.count_nonzero(~alive)
        levels.append(np.sort(null[alive, place])[max(more - 1, 0)] if more > 0 else 0.0)
        alive &= null[:, place] > levels[-1]
    return np.array(levels)


def e_values(t: np.ndarray, variance: float) -> np.ndarray:
    """Always-valid e-values of Student's t with a normal prior of the effect (Lai, 1976; Wang and Ramdas, 2023)."""
    n = np.array(PLAN)
    g = 1 + n * variance
    return g**-0.5 * ((1 + t**2 / (n - 1)) / (1 + t**2 / ((n - 1) * g))) ** (n / 2)


def which_test() -> Iterator[str]:
    yield f"""## Which test

Student's t of paired log errors at {", ".join(map(str, PLAN[:-1]))} and {LAST} seeds, for effects d_z of
{", ".join(f"{effect:g}" for effect in EFFECTS)}: how often an effect is found by the last look, and the mean number of
seeds at which it is found or given up, both as the mean over all effects and for single ones. The first column is how
often a null effect is found at any look (100 000 simulations; the others 20 000). *Added* spends by the exponent stated
and adds up the errors of the looks, whatever the test is and however the looks depend on each other; this project does
so with 1.5. *Exact* has the levels of Lan and DeMets from the joint distribution of t, which neither the test of a mean
of skewed errors nor that of a window has. *E-value* is valid at any number of looks (Lai, 1976; Wang and Ramdas, 2023).
"""
    null = p_values(statistics(0.0, 400_000, 1))
    for alpha in (0.05, 0.005):
        yield f"At the level {alpha:g}:\n"
        rules: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "every look at the full level": lambda t, alpha=alpha: p_values(t) <= alpha
        }
        for exponent in (1.0, 1.5, 2.0):
            for name, levels in (("added", added(alpha, exponent)), ("exact", exact(alpha, exponent, null))):
                rules[f"{name}, exponent {exponent:g}"] = lambda t, levels=levels: p_values(t) <= levels
        for variance in (1.0, 10.0):
            rules[f"e-value, prior variance {variance:g}"] = lambda t, alpha=alpha, variance=variance: (
                e_values(t, variance) >= 1 / alpha
            )
        none, some = statistics(0.0, 100_000, 2), [statistics(effect, 20_000, 3) for effect in EFFECTS]
        rows = []
        for name, rule in rules.items():
            shares, seeds = zip(*(reached(rule(t)) for t in some), strict=True)
            rows.append(
                [
                    *(name, f"{reached(rule(none))[0]:.4f}", f"{np.mean(shares):.3f}", f"{np.mean(seeds):.1f}"),
                    *(f"{share:.2f}" for share in shares[:5]),
                    *(f"{count:.1f}" for count in seeds[5:]),
                ]
            )
        head = ["rule", "null", "power", "seeds", *(f"power, {effect:g}" for effect in EFFECTS[:5])]
        yield from table([*head, *(f"seeds, {effect:g}" for effect in EFFECTS[5:])], rows)
        yield ""


def reached(decided: np.ndarray) -> tuple[float, float]:
    """How often something is decided, and the mean number of seeds at the end."""
    any_look = decided.any(1)
    last = np.where(any_look, decided.argmax(1), len(PLAN) - 1)
    return float(any_look.mean()), float(np.array(PLAN)[last].mean())


# --- False decisions


def false_decisions() -> Iterator[str]:
    yield "## False decisions\n"
    yield (
        "How often two models with equal means of lognormal errors are said to differ at any of the looks, by the "
        "tests of a report (over seeds: the typical and the mean error), of 1000 comparisons; and how often, if every "
        "look is tested as if it were the only one. Stated: 5 %; at most 6 %.\n"
    )
    rows = []
    for one, other in ((0.05, 0.0), (0.3, 0.0), (0.05, 0.05), (0.3, 0.3), (1.0, 1.0), (1.0, 0.05)):
        rng = np.random.default_rng([5, int(100 * one), int(100 * other)])
        sides = [np.exp(s * rng.normal(size=(1000, LAST)) - s**2 / 2) for s in (one, other)]
        shares = [at_any_look(*sides, plan=plan) for plan in (True, False)]
        rows.append([f"{one:g} and {other:g}", *(f"{share:.3f}" for share in shares)])
    yield from table(["log-sd", "looks share the 5 %", "each look has 5 %"], rows)
    yield ""


def at_any_look(new: np.ndarray, old: np.ndarray, *, plan: bool) -> float:
    different = np.zeros(len(new), dtype=np.bool_)
    for place, count in enumerate(PLAN):
        looks = Looks(PLAN[: place + 1], LAST) if plan else None
        claims = [
            ModelClaim("", "", a[:count], b[:count], one_series=False, looks=looks)
            for a, b in zip(new, old, strict=True)
        ]
        different |= np.array([finding.p < ALPHA for finding in findings(claims)])
    return float(different.mean())


# --- Decided claims against time


@dataclass(frozen=True)
class World:
    """Models on datasets, as measured: ``[datasets, models]``, of log errors ``[..., models]``."""

    datasets: Sequence[str]
    models: Sequence[str]
    mean: np.ndarray  # [datasets, models]
    covariance: np.ndarray  # [datasets, models, models]
    random: np.ndarray  # [datasets, models]
    replicate_s: np.ndarray
    tuning_s: np.ndarray

    @classmethod
    def of(cls, folder: Path) -> World:
        """The results in `folder`."""
        layout = grid(read(folder, "runs"))
        logs = np.log(layout.values("mse"))
        fixed = layout.deterministic()
        medians = {
            name: np.nanmedian(np.nan_to_num(layout.values(name)), axis=2)
            for name in ("fit_s", "predict_s", "tuning_s")
        }
        return cls(
            [case.title for case in layout.cases],
            layout.models,
            logs.mean(axis=2),
            np.stack([np.cov(own) for own in logs]),
            ~fixed,
            np.where(fixed, 0.0, medians["fit_s"] + medians["predict_s"]),
            medians["tuning_s"],
        )

    def closer(self, share: float) -> World:
        """The same with `share` of the differences between the models of a dataset; persistence stays where it is."""
        models = np.array([name != "persistence" for name in self.models])
        middle = self.mean[:, models].mean(axis=1, keepdims=True)
        return replace(self, mean=np.where(models, middle + share * (self.mean - middle), self.mean))

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """``[datasets, models, seeds]``: errors of another set of seeds, normal on a logarithmic scale."""
        pairs = zip(self.mean, self.covariance, strict=True)
        return np.exp(np.stack([rng.multivariate_normal(mean, spread, LAST, method="svd").T for mean, spread in pairs]))

    @property
    def true(self) -> np.ndarray:
        """``[datasets, models]``: the logarithm of the mean error."""
        return self.mean + np.diagonal(self.covariance, axis1=1, axis2=2) / 2

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Every cell, in the order of a suite."""
        return [(d, m) for d in range(len(self.datasets)) for m in range(len(self.models))]


Cell = tuple[int, int]
State = Mapping[Cell, tuple[int, ...]]
"""Cell → the looks that were taken at it."""


def judged(world: World, errors: np.ndarray, state: State, total: int) -> list[tuple[tuple[Cell, ...], Judgement]]:
    """The claims of a report, each with its cells."""
    reference = world.models.index("persistence")

    def claim(own: Cell, other: Cell) -> ModelClaim:
        looks = Looks(state[own], total).together(Looks(state[other], total))
        new, old = (errors[each][: looks.taken[-1]] for each in (own, other))
        fixed = not (world.random[own] or world.random[other])
        seconds = world.replicate_s[own] + world.replicate_s[other]
        return ModelClaim(
            *(world.models[own[1]], world.models[other[1]], new, old),
            one_series=False,
            deterministic=fixed,
            looks=looks,
            replicate_s=float(seconds),
        )

    with_reference, datasets = [], []
    for d in range(len(world.datasets)):
        cells = [cell for cell in state if cell[0] == d]
        models = sorted(
            (cell for cell in cells if cell[1] != reference), key=lambda cell: errors[cell][: state[cell][-1]].mean()
        )
        if (d, reference) in state:
            with_reference += [(cell, (d, reference)) for cell in models if world.random[cell]]
        datasets.append([(cell, models[0]) for cell in models[1:] if world.random[cell] or world.random[models[0]]])
    first = against_persistence([Subject(claim(*pair)) for pair in with_reference]) if with_reference else ()
    second = against_best([[claim(*pair) for pair in own] for own in datasets])
    pairs = [*with_reference, *(pair for own in datasets for pair in own)]
    return list(zip(pairs, (*first, *second), strict=True))


Step = tuple[float, Cell, int]
"""When a cell has so many seeds."""


def fixed_order(world: World) -> list[Step]:
    """Cell by cell, all seeds at once: the time of each end."""
    steps, now = [], 0.0
    for cell in world.cells:
        now += world.tuning_s[cell] + FIXED * world.replicate_s[cell]
        steps.append((now, cell, FIXED))
    return steps


def rounds(world: World, errors: np.ndarray, until: float) -> list[Step]:
    """Every cell with few seeds, the quickest first; then rounds where claims are undecided, by `next_round`."""
    steps, now = [], 0.0
    names = {str(cell): cell for cell in world.cells}
    price = {name: float(world.replicate_s[cell]) for name, cell in names.items()}
    state: dict[Cell, tuple[int, ...]] = {}
    for cell in sorted(world.cells, key=lambda cell: world.tuning_s[cell] + FIRST * world.replicate_s[cell]):
        now += world.tuning_s[cell] + FIRST * world.replicate_s[cell]
        state[cell] = (FIRST,)
        steps.append((now, cell, FIRST))
    while now < until:
        claims = judged(world, errors, state, LAST)
        left = [
            Undecided(tuple(map(str, cells)), one.finding.further_seeds)
            for cells, one in claims
            if not one.finding.decided
        ]
        have = {name: state[cell][-1] for name, cell in names.items()}
        wanted = next_round(left, have, price, most=dict.fromkeys(have, LAST))
        if not wanted:
            break
        for name, count in wanted:
            cell = names[name]
            now += (count - have[name]) * price[name]
            state[cell] = (*state[cell], count)
            steps.append((now, cell, count))
    return steps


def at(steps: Sequence[Step], now: float) -> dict[Cell, tuple[int, ...]]:
    """The looks that were taken at each cell by the time `now`."""
    state: dict[Cell, tuple[int, ...]] = {}
    for end, cell, count in steps:
        if end <= now:
            state[cell] = (*state.get(cell, ()), count)
    return state


@dataclass
class Tally:
    """Of one order at one time, over all worlds."""

    decided: int = 0
    different: int = 0
    false: int = 0
    claims: int = 0
    worlds_with_false: int = 0

    def count(self, world: World, claims: Sequence[tuple[tuple[Cell, ...], Judgement]]) -> None:
        wrong = [is_false(world, cells, one) for cells, one in claims]
        self.claims += len(claims)
        self.decided += sum(one.finding.decided for _, one in claims)
        self.different += sum(one.finding.decided and not one.finding.equivalent for _, one in claims)
        self.false += sum(wrong)
        self.worlds_with_false += any(wrong)


def is_false(world: World, cells: tuple[Cell, ...], one: Judgement) -> bool:
    """Whether a decided claim contradicts what the errors were drawn from, of a typical replicate or in the mean."""
    own, other = cells
    gaps = (world.true[own] - world.true[other], world.mean[own] - world.mean[other])
    if not one.finding.decided:
        return False
    if one.finding.equivalent:
        return min(map(abs, gaps)) > np.log(1.05)
    return all(gap > 0 for gap in gaps) if one.finding.ratio < 1 else all(gap < 0 for gap in gaps)


SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


CLOSENESS = {1.0: "as measured", 0.25: "with a quarter of the measured log differences"}
"""How far models are from each other on a dataset."""


def against_time(folder: Path) -> Iterator[str]:
    world = World.of(folder)
    whole = fixed_order(world)[-1][0]
    yield f"""## Decided claims against time

Simulated from stored results ({len(world.datasets)} datasets × {len(world.models)} models, {LAST} seeds, one worker):
log errors are drawn again with their means and covariances, and cost what they cost. The fixed order runs cell by cell
with {FIXED} seeds, {whole:.0f} s in all, of which tuning is {world.tuning_s.sum():.0f} s. The rounds tune every cell
and give it {FIRST} seeds, then go on as `seeds: {{from: {FIRST}, to: {LAST}, until: decided}}` does. A claim is of the
report: against persistence, or against the best model; over seeds alone, as no test windows are drawn. Means over
{WORLDS} simulations; false is a decided claim that contradicts what was drawn from.
"""
    for closeness, name in CLOSENESS.items():
        yield f"Models {name}:\n"
        yield from _simulated(world.closer(closeness))
    yield from spreads(world)


def _simulated(world: World) -> Iterator[str]:
    fixed = fixed_order(world)
    whole = fixed[-1][0]
    tallies = {(order, share): Tally() for order in ("fixed", "rounds") for share in SHARES}
    complete, times = Tally(), []
    for number in range(WORLDS):
        errors = world.draw(np.random.default_rng([7, number]))
        looked = rounds(world, errors, np.inf)
        for share in SHARES:
            for order, steps, total in (("fixed", fixed, FIXED), ("rounds", looked, LAST)):
                state = at(steps, share * whole)
                tallies[order, share].count(world, judged(world, errors, state, total))
        complete.count(world, judged(world, errors, at(looked, np.inf), LAST))
        times.append(looked[-1][0])
    rows = [
        [f"{share:.0%} ({share * whole:.0f} s)", *shown(tallies["fixed", share]), *shown(tallies["rounds", share])]
        for share in SHARES
    ]
    rows.append([f"rounds to their end ({np.median(times):.0f} s, median)", "", "", "", *shown(complete)])
    head = ["time", *(f"{order}: {what}" for order in ("fixed", "rounds") for what in ("claims", "decided", "false"))]
    yield from table(head, rows)
    last = {order: tallies[order, 1.0] for order in ("fixed", "rounds")}
    power = {order: tally.decided / tally.claims for order, tally in last.items()}
    false = {order: tally.worlds_with_false / WORLDS for order, tally in last.items()}
    yield f"""
At the cost of the fixed plan the fixed order has decided {power["fixed"]:.1%} of its claims, the rounds
{power["rounds"]:.1%}. A false claim is in {false["fixed"]:.1%} of the reports of the fixed order, in
{false["rounds"]:.1%} of those of the rounds, and in {complete.worlds_with_false / WORLDS:.1%} where these go on to
their end; stated: at most 10 % (two families).
"""


def shown(tally: Tally) -> tuple[str, str, str]:
    return f"{tally.claims / WORLDS:.1f}", f"{tally.decided / WORLDS:.1f}", f"{tally.false / WORLDS:.3f}"


def spreads(world: World) -> Iterator[str]:
    values = []
    for d in range(len(world.datasets)):
        for m in range(len(world.models)):
            for other in range(m):
                if world.random[d, m] or world.random[d, other]:
                    own = world.covariance[d]
                    values.append(np.sqrt(own[m, m] + own[other, other] - 2 * own[m, other]))
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    yield "## Spread over seeds\n"
    yield (
        f"The standard deviation of the log ratio of two models' MSE in these results, over {len(values)} pairs on "
        f"{len(world.datasets)} datasets: median {middle:.3f}, 10 % below {low:.3f}, 10 % above {high:.3f}. "
        "`bench run --dry-run` assumes 0.1 where nothing is stored.\n"
    )


SUITE = ROOT / "suites/quick.yaml"


def real_runs() -> Iterator[str]:
    """Both orders on the machine that writes this, one worker each, one after the other."""
    yield f"""## A real run

`suites/quick.yaml` with `--jobs 1`: with `seeds: {FIXED}`, and with
`seeds: {{from: {FIRST}, to: {LAST}, until: decided}}` `--within` the time that the former took. Claims are of the
report, the test window included; wall time, on a machine that was shared with other work.
"""
    with tempfile.TemporaryDirectory() as place:
        plan = f"{{from: {FIRST}, to: {LAST}, until: decided}}"
        took = _carried_out(Path(place), "fixed", str(FIXED))
        again = _carried_out(Path(place), "rounds", plan, "--within", f"{took:.0f}s")
        rows = [
            ["fixed", f"{took:.0f} s", *_claims(Path(place) / "fixed")],
            ["rounds", f"{again:.0f} s", *_claims(Path(place) / "rounds")],
        ]
    yield from table(["order", "time", "claims", "decided", "replicates"], rows)


def _carried_out(folder: Path, name: str, seeds: str, *options: str) -> float:
    """Seconds of one run."""
    suite = folder / f"{name}.yaml"
    suite.write_text(re.sub(r"(?m)^seeds: .*$", f"seeds: {seeds}", SUITE.read_text()))
    began = time.monotonic()
    command = (sys.executable, "-m", "bench", "run", suite, "--results", folder / name, "--jobs", "1", "--no-report")
    subprocess.run([*command, *options], check=False, cwd=ROOT)
    return time.monotonic() - began


def _claims(results: Path) -> tuple[str, str, str]:
    found = summarise(source.read(results))
    cells = [cell for section in found.sections for cell in section.cells]
    claims = [
        claim for cell in cells for claim in (cell.against_persistence, cell.against_best) if claim and claim.test
    ]
    return str(len(claims)), str(sum(claim.decided for claim in claims)), str(found.counts.replicates)


def main(folder: Path, *, real: bool) -> None:
    head = """# Looks at a growing number of seeds

`python tests/benchmarks/anytime.py FOLDER --real` writes this file; FOLDER holds the results of
`tests/benchmarks/anytime.yaml`. Random numbers are fixed; times are of the machine that ran these results.
"""
    parts = [head, *which_test(), *false_decisions(), *against_time(folder), *(real_runs() if real else ())]
    REPORT.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    sys.stdout.write(f"{REPORT}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), real="--real" in sys.argv[2:])
