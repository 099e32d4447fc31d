"""The comparison of the project's own benchmarks with the stored ratios, on planted ratios; nothing is timed here."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

ROOT = Path(__file__).parents[2]
MODULES = ("ratios", "ratio_verdicts", "ratio_table", "passes", "compare_ratios")
STEADY = (1.0, 1.02, 0.99, 1.01, 0.98)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of the command, imported as the command does."""
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks")
    import compare_ratios
    import ratio_table
    import ratio_verdicts
    import ratios

    yield SimpleNamespace(command=compare_ratios, verdicts=ratio_verdicts, ratios=ratios, table=ratio_table.table)
    for name in MODULES:
        sys.modules.pop(name, None)


def place(scripts: Any, **changed: Any) -> Any:
    libraries = {"numpy": "2.4.6", "torch": "2.13.0+cpu", "optuna": "5.0.0"}
    known = {"cpu": "a cpu", "cores": 2, "python": "3.11.7", "libraries": libraries, "commit": "0123456789abcdef"}
    return scripts.ratios.Place(**{**known, **changed})


def found(scripts: Any, stored: dict[str, Any], now: dict[str, Any], **changed: Any) -> Any:
    sides = scripts.ratios.Ratios(place(scripts), stored), scripts.ratios.Ratios(place(scripts, **changed), now)
    return scripts.verdicts.compared(*sides)


def times(factor: float, *, spread: float = 1.0) -> tuple[float, ...]:
    """`STEADY`, with that many times its spread, `factor` times as large."""
    return tuple(factor * each**spread for each in STEADY)


@pytest.mark.parametrize(
    ("now", "verdict", "status"),
    [
        (times(1.0), "same", 0),
        (times(1.1), "same", 0),
        (times(2.0), "slower", 1),
        (times(1.4), "slower", 1),
        (times(0.5), "faster", 0),
        (times(1.25), "undecided", 0),
        (times(2.0, spread=30), "undecided", 0),
        ((2.0, 2.0), "slower", 1),
    ],
)
def test_a_planted_change_gets_its_verdict(scripts: Any, now: Any, verdict: str, status: int) -> None:
    comparison = found(scripts, {"a": STEADY, "b": STEADY}, {"a": now, "b": STEADY})
    assert [str(change.verdict) for change in comparison.changes.values()] == [verdict, "same"]
    assert comparison.status == status


def test_the_interval_is_that_of_welch(scripts: Any) -> None:
    rng = np.random.default_rng(0)
    stored, now = rng.lognormal(0, 0.1, size=5), rng.lognormal(0.3, 0.3, size=3)
    change = scripts.verdicts.judged(stored, now)
    reported = ttest_ind(np.log(now), np.log(stored), equal_var=False).confidence_interval(scripts.verdicts.LEVEL)
    np.testing.assert_allclose([change.low, change.high], np.exp([reported.low, reported.high]))
    np.testing.assert_allclose(change.value, np.exp(np.log(now).mean() - np.log(stored).mean()))


def test_equal_code_is_seldom_called_slower_or_faster(scripts: Any) -> None:
    rng = np.random.default_rng(1)
    draws = rng.lognormal(0, 0.1, size=(2000, 2, 4))
    verdicts = [str(scripts.verdicts.judged(*each).verdict) for each in draws]
    assert verdicts.count("slower") + verdicts.count("faster") <= 2


def test_one_pass_is_no_sample(scripts: Any) -> None:
    with pytest.raises(scripts.ratios.CannotCompare, match="two passes or more"):
        scripts.verdicts.judged(STEADY, (1.0,))


def test_new_and_vanished_benchmarks_are_named(scripts: Any) -> None:
    comparison = found(scripts, {"a": STEADY, "gone": STEADY}, {"a": STEADY, "fresh": times(3.0)})
    text = scripts.table(comparison, threshold=0.25)
    assert "| fresh | – | 3 | – | – | new |" in text
    assert "| gone | – | – | – | – | vanished |" in text
    assert "**Vanished**: gone." in text
    assert comparison.status == 2


def test_a_new_benchmark_alone_is_fine(scripts: Any) -> None:
    assert found(scripts, {"a": STEADY}, {"a": STEADY, "fresh": STEADY}).status == 0


def test_slower_counts_also_where_another_vanished(scripts: Any) -> None:
    assert found(scripts, {"a": STEADY, "gone": STEADY}, {"a": times(2.0)}).status == 1


def test_nothing_in_common_cannot_be_compared(scripts: Any) -> None:
    comparison = found(scripts, {}, {"fresh": STEADY})
    assert comparison.status == 2
    assert "no benchmark is both stored and measured" in scripts.table(comparison, threshold=0.25)


@pytest.mark.parametrize(
    ("changed", "reported"),
    [
        ({"python": "3.12.1"}, "Python 3.11 stored, 3.12 here"),
        ({"libraries": {"numpy": "2.5.0", "torch": "2.13.0"}}, "numpy 2.4.6 stored, 2.5.0 here"),
        ({"libraries": {"numpy": "2.4.6"}}, "torch 2.13.0 stored, none here"),
    ],
)
def test_other_references_cannot_be_compared(scripts: Any, changed: Any, reported: str) -> None:
    comparison = found(scripts, {"a": STEADY}, {"a": times(2.0)}, **changed)
    text = scripts.table(comparison, threshold=0.25)
    assert comparison.status == 2
    assert f"**Cannot compare**: {reported}. " in text
    assert "Nothing is slower" not in text


@pytest.mark.parametrize(
    "changed",
    [{"python": "3.11.9"}, {"libraries": {"numpy": "2.4.6", "torch": "2.13.0+cu130", "optuna": "5.1"}}, {"cores": 8}],
)
def test_what_is_not_in_the_references_is_no_obstacle(scripts: Any, changed: Any) -> None:
    comparison = found(scripts, {"a": STEADY}, {"a": STEADY}, **changed)
    assert comparison.status == 0
    assert ("The CPUs differ" in scripts.table(comparison, threshold=0.25)) == ("cores" in changed)


def reported(ratio: float, **changed: Any) -> dict[str, Any]:
    """A file of ``--benchmark-json``, of pytest-benchmark 5.3.1, as far as it is read."""
    tests = [("test_bench[small]", 0.5 * ratio), ("test_reference_plain_read[small]", 0.5)]
    return {
        "machine_info": {"machine": "x86_64", "python_version": "3.11.7", "cpu": {"brand_raw": "a cpu", "count": 2}},
        "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "benchmarks": [{"name": name, "fullname": name, "group": "read", "stats": {"median": s}} for name, s in tests],
        **changed,
    }


def test_passes_are_gathered_as_ratios_and_read_back(scripts: Any, tmp_path: Path) -> None:
    passes = [reported(1.0), reported(1.5), reported(4 / 3)]
    passes[1]["benchmarks"].reverse()
    gathered = scripts.ratios.gathered(passes, libraries=place(scripts).libraries)
    assert gathered.place == place(scripts)
    np.testing.assert_allclose(gathered.ratios["read, to plain read"], [1.0, 1.5, 4 / 3])
    path = tmp_path / "benchmarks.json"
    path.write_text(scripts.ratios.written(gathered))
    rounded = {"read, to plain read": (1.0, 1.5, 1.3333)}
    assert scripts.ratios.read(path) == dataclasses.replace(gathered, ratios=rounded)


def test_a_test_without_its_reference_is_refused(scripts: Any) -> None:
    alone = reported(1.0)
    del alone["benchmarks"][1]
    with pytest.raises(scripts.ratios.CannotCompare, match="read: expected one test and one reference, came 1"):
        scripts.ratios.pairs(alone)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there are none; measure them with --store"),
        ("{", "expected stored ratios, came JSONDecodeError"),
        ('{"form": 2}', "form 2 where 1 is read"),
        ('{"form": 1, "place": {}, "ratios": {}}', "came TypeError"),
        ('{"form": 1, "place": {}, "ratios": {"a": [0]}}', "a ratio that is not a positive number"),
    ],
)
def test_what_is_stored_wrongly_ends_with_2(
    scripts: Any, tmp_path: Path, monkeypatch: Any, capsys: Any, content: str | None, said: str
) -> None:
    monkeypatch.setattr(scripts.command, "STORED", tmp_path / "benchmarks.json")
    if content is not None:
        scripts.command.STORED.write_text(content)
    assert scripts.command.main([]) == 2
    assert said in capsys.readouterr().err


def test_the_command_runs_every_second_pass_backwards(
    scripts: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    requested = []

    def one_pass(*arguments: str) -> dict[str, Any]:
        requested.append([word for word in arguments if word.startswith("test_")])
        return reported(1.0 + 0.01 * len(requested))

    monkeypatch.setattr(scripts.command, "STORED", tmp_path / "benchmarks.json")
    monkeypatch.setattr(scripts.command, "one_pass", one_pass)
    forwards = ["test_bench[small]", "test_reference_plain_read[small]"]
    assert scripts.command.main(["--store", "--passes", "3"]) == 0
    assert requested == [[], forwards[::-1], forwards]
    assert scripts.command.main(["--passes", "2", "--output", str(tmp_path / "out/table.md")]) == 0
    assert (tmp_path / "out/table.md").read_text() in capsys.readouterr().out


def test_a_benchmark_that_fails_ends_with_2(scripts: Any, monkeypatch: Any, capsys: Any) -> None:
    def fails(*arguments: str) -> None:
        raise sys.modules["passes"].CannotMeasure("1 failed")

    monkeypatch.setattr(scripts.command, "one_pass", fails)
    assert scripts.command.main(["--store"]) == 2
    assert capsys.readouterr().err == "1 failed\n"


def test_what_is_committed_can_be_read_and_holds_no_seconds(scripts: Any) -> None:
    stored = scripts.ratios.read(scripts.command.STORED)
    assert len(stored.ratios) >= 9
    assert {len(each) for each in stored.ratios.values()} == {scripts.command.PASSES}
    assert set(json.loads(scripts.command.STORED.read_text())) == {"form", "place", "ratios"}
    assert scripts.command.STORED.stat().st_size < 10_000
