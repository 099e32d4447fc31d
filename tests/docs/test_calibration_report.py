"""What the documents say of error rates is what the simulations gave, and the report is whole."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORT = (ROOT / "reports/calibration.md").read_text(encoding="utf-8")
NEVER_LATE, LATE = re.compile("independent|white noise|without$"), re.compile("last value|before")
PROTOCOL = " ".join((ROOT / "docs/protocol.md").read_text(encoding="utf-8").split())


def rows(title: str) -> list[list[str]]:
    """The cells of the table of one section."""
    section = REPORT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def test_the_intervals_over_seeds_cover_what_the_protocol_says() -> None:
    head, *table = rows("Intervals over seeds")
    assert head == ["seeds", "normal", "exponential", "lognormal", "1 + exponential / 10"]
    from_three = [list(map(float, row[1:])) for row in table if int(row[0]) >= 3]
    least = min(share for row in from_three for share in row[:3])
    skewed = [row[3] for row in from_three]
    assert f"at least {percent(least)} % of the time from 3 seeds on" in PROTOCOL
    assert f"{percent(min(skewed))} to {percent(max(skewed))} %" in PROTOCOL


def test_the_window_rejects_as_often_as_the_protocol_says() -> None:
    _, *table = rows("False claims over one test window")
    sizes = [float(cell.split(" / ")[0]) for row in table for cell in row[3:]]
    assert len(sizes) == 3 * 2 * 2 * 4
    assert f"{percent(min(sizes))} to {percent(max(sizes))} % of the time" in PROTOCOL


def test_few_seeds_cover_as_little_as_the_protocol_says() -> None:
    _, *table = rows("Intervals over datasets and seeds")
    least = min(float(cell) for row in table for cell in row[1:])
    assert f"may cover as little as {100 * least:.0f} %" in PROTOCOL


def test_forecasts_are_called_late_as_often_as_the_protocol_says() -> None:
    _, *table = rows("Late forecasts")
    shares = [[float(cell.split(" / ")[0]) for cell in row[1:]] for row in table]
    never = [share for row, own in zip(table, shares, strict=True) for share in own if NEVER_LATE.search(row[0])]
    always = [own[1] for row, own in zip(table, shares, strict=True) if LATE.search(row[0])]
    assert (len(never), len(always)) == (3 * 12, 13)
    assert f"are called late {percent(min(never))} to {percent(max(never))} % of the time" in PROTOCOL
    assert (
        f"of 200 targets that repeat earlier values, {percent(min(always))} to {percent(max(always))} % of the time"
        in PROTOCOL
    )


@pytest.fixture(scope="module")
def simulations():
    folder = ROOT / "tests/calibration"
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("simulations", folder / "simulations.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulations"] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(folder))
    return module


def test_every_simulation_has_its_section(simulations) -> None:
    assert len(re.findall(r"^## ", REPORT, re.MULTILINE)) == len(simulations.SIMULATIONS)


def test_one_of_them_again_gives_its_table(simulations) -> None:
    aggregated = simulations.aggregated()
    assert "\n".join(simulations.lines(aggregated)) in REPORT
    assert aggregated.beyond() == []
