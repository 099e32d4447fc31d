"""``bench canary``: its lines, its exit status, and that it stores nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.canary.base import CheckOutcome, CheckVerdict
from bench.canary.watch import CheckResult
from bench.cli.canary import status
from bench.protocol.windows import Scaler

LINES = """\
wave     mean         3  1  causality   quiet           80 comparisons at 10 times t: nothing moved
"""


def test_every_cell_gets_its_lines_and_nothing_is_stored(bench, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    ended = bench("canary", "tiny.yaml")
    assert (ended.status, ended.err) == (0, "")
    assert LINES in ended.out
    lines = [line.split() for line in ended.out.splitlines()]
    for dataset, canaries in {"noise": 4, "wave": 4, "–": 1}.items():
        for model in ("persistence", "mean"):
            for length in ("3", "5"):
                found = [line for line in lines if line[:4] == [dataset, model, length, "1"]]
                assert len(found) == canaries, (dataset, model, length)
                assert all(line[5] == "quiet" for line in found)
    assert "36 checks: 36 quiet; " in ended.out
    assert "at most 0.12%" in ended.out  # 8 permuted and 4 gbm, 0.01 % each
    assert sorted(folder.rglob("*")) == before


def test_only_some_cells(bench) -> None:
    ended = bench("canary", "tiny.yaml", "--only", "model=mean", "--only", "sequence_length=5")
    assert ended.status == 0
    assert ended.out.startswith("2 cells: ")
    assert "9 checks: 9 quiet" in ended.out


def test_a_leak_gives_status_1(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Scaler.fit
    monkeypatch.setattr(Scaler, "fit", lambda kind, values: honest(kind, values.base.reshape(-1, values.shape[1])))
    ended = bench("canary", "tiny.yaml", "--only", "model=mean", "--only", "sequence_length=5")
    assert ended.status == 1
    assert "scaler      alarm           the test part times 1000 moved the scaler by " in ended.out
    assert "9 checks: 3 quiet, 6 alarm" in ended.out


def test_data_that_is_not_there_gives_status_2_and_the_others_go_on(
    bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(folder))
    (folder / "TSLA.csv").write_text("not the published file")
    text = (folder / "tiny.yaml").read_text().replace("datasets: [", "datasets: [TSLA, ")
    (folder / "tiny.yaml").write_text(text)
    ended = bench("canary", "tiny.yaml", "--only", "model=mean", "--only", "sequence_length=5")
    assert ended.status == 2
    assert ended.out.count("could not run   ") == 4
    assert "13 checks: 9 quiet, 4 could not run" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("canary", "no-such"), "unknown suite 'no-such'"),
        (("canary", "tiny.yaml", "--only", "model=ltsm"), "--only model=ltsm: matches no model of this suite"),
    ],
)
def test_mistakes_are_one_line_and_status_2(bench, arguments: tuple[str, ...], said: str) -> None:
    ended = bench(*arguments)
    assert ended.status == 2
    assert ended.err.startswith(said)
    assert ended.err.count("\n") == 1


Q, S, N, C = CheckVerdict.QUIET, CheckVerdict.ALARM, CheckVerdict.DOES_NOT_APPLY, CheckVerdict.COULD_NOT_RUN


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([Q], 0), ([Q, N], 0), ([Q, S, C], 1), ([S], 1), ([Q, C], 2), ([N], 2), ([], 2)],
)
def test_the_exit_status(verdicts: list[CheckVerdict], expected: int) -> None:
    assert status([CheckResult(None, None, CheckOutcome(verdict, "")) for verdict in verdicts]) == expected
