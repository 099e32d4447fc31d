"""``bench canary``: checks for leaks, over the cells of a suite."""

from collections import Counter
from collections.abc import Sequence

import torch

from bench.api.folders import loaded
from bench.canary.base import CheckVerdict
from bench.canary.pieces import CheckBudget
from bench.canary.watch import CANARIES, CheckResult, watch
from bench.cells import Cell, expand
from bench.cli.terminal import say
from bench.running.plan import only
from bench.text import aligned, plural


def watched(suite: str, filters: Sequence[str]) -> int:
    """Print what each canary says of each cell, and return the exit status."""
    cells = only(list(expand(loaded(suite))), filters)
    torch.set_num_threads(1)  # as where cells are run
    budget = CheckBudget()
    say(f"{plural(len(cells), 'cell')}: {budget}\n")
    widths = _widths(cells)
    say(aligned(HEAD, widths))
    findings = []
    for finding in watch(cells, CANARIES.values(), budget):
        say(aligned(_line(finding), widths))
        findings.append(finding)
    say(f"\n{_summary(findings)}")
    return status(findings)


HEAD = ("dataset", "model", "L", "h", "canary", "verdict", "")


def _line(finding: CheckResult) -> tuple[str, ...]:
    cell, canary, outcome = finding.cell, finding.canary, finding.outcome
    dataset = "–" if canary.own_data else cell.dataset.id
    window = str(cell.sequence_length), str(cell.horizon)
    return dataset, cell.model.id, *window, canary.name, outcome.verdict.value, outcome.words


def _widths(cells: Sequence[Cell]) -> list[int]:
    """Of every column but the last, known before the first line is."""
    columns = [
        [cell.dataset.id for cell in cells],
        [cell.model.id for cell in cells],
        [str(cell.sequence_length) for cell in cells],
        [str(cell.horizon) for cell in cells],
        list(CANARIES),
        [verdict.value for verdict in CheckVerdict],
    ]
    return [max(map(len, [head, *column])) for head, column in zip(HEAD, columns, strict=False)]


def _summary(findings: Sequence[CheckResult]) -> str:
    count = Counter(finding.outcome.verdict for finding in findings)
    said = ", ".join(f"{count[verdict]} {verdict.value}" for verdict in CheckVerdict if count[verdict])
    chance = sum(finding.outcome.false_alarm_rate for finding in findings)
    return f"{len(findings)} checks: {said}; false-alarm rate over honest cells at most {chance:.2%}"


def status(findings: Sequence[CheckResult]) -> int:
    """0 every canary that applies was quiet, 1 one alarm, 2 one could not run, or none applied."""
    verdicts = {finding.outcome.verdict for finding in findings}
    if CheckVerdict.ALARM in verdicts:
        return 1
    return 2 if CheckVerdict.COULD_NOT_RUN in verdicts or CheckVerdict.QUIET not in verdicts else 0
