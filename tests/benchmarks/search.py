"""How good a candidate the search finds, and in what processor time: two settings of `tuning`, study by study.

``python tests/benchmarks/search.py`` runs the studies of `CELLS` as ``suites/full.yaml`` budgets them, under each of
`SEARCHES` and with each of `SEEDS` as the root of the random streams, and trains the winner of each on `REPLICATES`
seeds that both searches share. It writes ``reports/search.md`` after each pair; ``--padding`` measures the section on
padded banks alone. Times are of the processor, since the machine may be shared; kernels are compiled before.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from performance import machine

from bench.array_types import FloatArray
from bench.cells import Cell, expand
from bench.data import dataset_kinds
from bench.models import MODELS, model_kinds
from bench.models.base import Shape
from bench.protocol.prepare import Prepared, load_data, prepare
from bench.running.cell import replicates
from bench.spec import Training, Tuning
from bench.stats.paired import paired
from bench.suite.load import load
from bench.training.bank import Bank
from bench.training.fit import train
from bench.training.members import Member
from bench.tuning.study import tune

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "search.md"
SEEDS = (1, 2)
"""Other roots than the suite's, and than those of the trials that led to the rungs of successive halving."""
REPLICATES = 2
OLD, NEW = "tpe, hyperband, batch 8", "qmc, halving, batch 20"
SEARCHES = {
    OLD: {"sampler": "tpe", "pruner": "hyperband", "batch": 8},
    NEW: {"sampler": "qmc", "pruner": "halving", "batch": 20},
}
CELLS = (
    *(("noisy-sine", model, 10) for model in ("gru", "seq2seq-lstm")),
    ("damped-multisine", "lstm", 10),
    *(("oscillator", model, length) for model, length in (("gru", 10), ("bi-gru", 10), ("lstm", 30))),
)


@dataclass(frozen=True)
class Outcome:
    """What one study gave.

    Parameters
    ----------
    validation_rmse
        Of the winning trial, scaled units.
    test_rmse
        Of the winner trained on fresh seeds, in original units: the geometric mean.
    cpu_s
        Processor time of the study.
    bank
        Mean number of members that were trained as one, over all their rounds.
    rounds
        Of all trials.
    """

    validation_rmse: float
    test_rmse: float
    cpu_s: float
    bank: float
    rounds: int


def outcome(cell: Cell, prepared: Prepared) -> Outcome:
    """Tune `cell`, and train its winner, in this process."""
    kind, sizes = MODELS[cell.model.kind], []
    whole = Bank.train_round

    def counted(bank: Bank, live: Sequence[int]) -> FloatArray:
        sizes.append(len(live))
        return whole(bank, live)

    with mock.patch.object(Bank, "train_round", counted):
        began = time.process_time()
        tuned = tune(kind, cell, prepared.data)
        cpu_s = time.process_time() - began
    best = min(trial.fit.validation_mse for trial in tuned.trials if trial.state == "complete")
    trained = train(kind, replicates(kind, cell, tuned.best), prepared.data)
    compared = prepared.compared(trained.teacher_forced)
    rmses = [compared.errors(prepared.inverse(one))["rmse"] for one in trained.predict(prepared.test)]
    rounds = sum(sizes)
    return Outcome(
        float(np.sqrt(best)),
        float(np.exp(np.mean(np.log(rmses)))),
        cpu_s,
        sum(size**2 for size in sizes) / rounds,
        rounds,
    )


def studies(cells: Sequence[Cell]) -> Iterator[tuple[str, dict[str, Outcome]]]:
    """The title of a cell and its outcome by search, for each of `SEEDS` after the other."""
    for seed in SEEDS:
        for cell in cells:
            seeded = dataclasses.replace(cell, seed=seed, seeds=REPLICATES)
            prepared = prepare(seeded, load_data(seeded))
            found = {name: outcome(_searched(seeded, settings), prepared) for name, settings in SEARCHES.items()}
            sys.stderr.write(f"{cell.title}, seed {seed}: {found}\n")
            yield cell.title, found


def _searched(cell: Cell, settings: Mapping[str, object]) -> Cell:
    budget = cell.tuning.model_dump() if cell.tuning else {}
    return dataclasses.replace(cell, tuning=Tuning.model_validate({**budget, **settings}))


def compiled(cells: Sequence[Cell]) -> None:
    """Run a few steps of each, so that their kernels are compiled."""
    for cell in cells:
        short = cell.training.model_copy(update={"steps": 8, "validate_every": 1})
        once = dataclasses.replace(_searched(cell, SEARCHES[NEW]), training=short, seeds=1)
        outcome(once, prepare(once, load_data(once)))


def table(found: Mapping[str, Sequence[Mapping[str, Outcome]]]) -> Iterator[str]:
    """All cells, and what they come to; ratios are geometric means over seeds."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"|{'---|' * len(_COLUMNS)}"
    for title, own in found.items():
        values = (
            title,
            str(len(own)),
            _arrow(own, "cpu_s", "{:.1f}"),
            _arrow(own, "rounds", "{:.0f}"),
            _arrow(own, "bank", "{:.1f}"),
            *(f"{np.exp(np.mean(_logs(own, what))):.3f}" for what in _ERRORS),
            ", ".join(f"{ratio:.2f}" for ratio in np.exp(_logs(own, "test_rmse"))),
        )
        yield f"| {' | '.join(values)} |"
    pairs = [each for own in found.values() for each in own]
    yield ""
    for what, words in zip(_ERRORS, ("validation", "test"), strict=True):
        logs = _logs(pairs, what)
        whole = paired(logs, np.zeros(len(logs)), level=0.95)
        low, mean, high = (float(np.exp(value)) for value in (whole.low, whole.difference, whole.high))
        yield f"Over all {len(logs)} studies the {words} RMSE's ratio is {mean:.3f} (95 %: {low:.3f} – {high:.3f})."
    times = [sum(pair[name].cpu_s for pair in pairs) for name in SEARCHES]
    yield f"Processor time of all studies: {times[0]:.0f} s → {times[1]:.0f} s, {times[0] / times[1]:.2f} times less."


_ERRORS = ("validation_rmse", "test_rmse")
_COLUMNS = (
    *("cell", "studies", "processor time, s", "rounds of all trials", "members in a bank"),
    *("validation RMSE, ratio", "test RMSE, ratio", "of each study"),
)


def _logs(pairs: Sequence[Mapping[str, Outcome]], what: str) -> FloatArray:
    return np.array([np.log(getattr(pair[NEW], what) / getattr(pair[OLD], what)) for pair in pairs])


def _arrow(pairs: Sequence[Mapping[str, Outcome]], what: str, form: str) -> str:
    return " → ".join(form.format(np.mean([getattr(pair[name], what) for pair in pairs])) for name in SEARCHES)


SIZES = (8, 16, 32)
ROUNDS = 3
BATCHES = 40


def padding() -> Iterator[str]:
    """What a step of two members of a hidden size and two of twice that takes: in two banks, and padded into one."""
    yield "| hidden sizes | two banks, ms | one bank of the larger size, ms | ratio |"
    yield "|---|---|---|---|"
    for small in SIZES:
        parts = [_stepped(small, 2), _stepped(2 * small, 2), _stepped(2 * small, 4)]
        times = [min(part() for _ in range(ROUNDS)) for part in parts]
        apart, padded = times[0] + times[1], times[2]
        yield f"| {small} and {2 * small} | {apart:.2f} | {padded:.2f} | {padded / apart:.2f} |"


def _stepped(hidden: int, members: int) -> Callable[[], float]:
    """Milliseconds of processor time of a step of that bank of GRUs, on 64 windows of 30 points."""
    import torch

    from bench.training.steppers import Fused

    kind, shape, training = MODELS["gru"], Shape(30, 1, 1), Training()
    parameters = kind.parameters(hidden_size=hidden)
    own = [Member(parameters, training, 0, ("trial", k)) for k in range(members)]
    bank = Fused([kind.build(parameters, shape) for _ in own], own, torch.device("cpu"))
    x, y = torch.randn(members, 64, 30, 1), torch.randn(members, 64, 1, 1)
    bank.step(x, y)

    def measure() -> float:
        began = time.process_time()
        for _ in range(BATCHES):
            bank.step(x, y)
        return (time.process_time() - began) / BATCHES * 1e3

    return measure


def page(found: Mapping[str, Sequence[Mapping[str, Outcome]]], padded: Sequence[str]) -> str:
    """The report."""
    return "\n".join(
        [
            "# Search",
            "",
            "`python tests/benchmarks/search.py` writes this page: the studies of some cells of `suites/full.yaml`",
            f"with its budget, by two settings of `tuning`. Arrows and ratios lead from `{OLD}`",
            f"to `{NEW}`. Studies are paired: both searches have the same root seed, the same first",
            f"trial, and their winners are trained on the same {REPLICATES} fresh seeds. A round ends with a",
            "validation. Members in a bank are counted in each round of each member.",
            "",
            machine(),
            "",
            *table(found),
            "",
            "## Padding",
            "",
            "Whether members of different hidden sizes should share a bank, the smaller ones padded with weights of",
            "zero: a step of two GRUs of each size, processor time.",
            "",
            *padded,
            "",
        ]
    )


def chosen() -> list[Cell]:
    """`CELLS`."""
    suite = load(ROOT / "suites" / "full.yaml", datasets=dataset_kinds(), models=model_kinds())
    cells = {(cell.dataset.id, cell.model.id, cell.sequence_length): cell for cell in expand(suite)}
    return [cells[key] for key in CELLS]


def main() -> None:
    """Measure, and write the report after each pair of studies."""
    import torch

    torch.set_num_threads(1)
    padded = list(padding())
    if sys.argv[1:] == ["--padding"]:
        sys.stdout.write("\n".join(padded) + "\n")
        return
    cells, found = chosen(), {}
    compiled(cells)
    sys.stderr.write(f"compiled; {time.process_time():.0f} s\n")
    for title, pair in studies(cells):
        found.setdefault(title, []).append(pair)
        REPORT.write_text(page(found, padded), encoding="utf-8")


if __name__ == "__main__":
    main()
