"""Numbers that explanations quote are those of the measured reports; the drawing has the layers that are checked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())


def section(name: str, title: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(section: str) -> list[list[str]]:
    """Cells of the rows of a table, without its head."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


CALIBRATION = "reports/calibration.md"


def test_how_often_better_is_said_falsely() -> None:
    equal = [row for row in rows(section(CALIBRATION, "False claims over seeds")) if row[0] == "mean equal"]
    better = [float(cell.split("/")[0]) for row in equal for cell in row[2:]]
    assert f"| 2.5 % | {100 * min(better):.1f} to {100 * max(better):.1f} % |" in text("docs/explanation/statistics.md")


def test_how_often_models_are_called_different_falsely() -> None:
    shares = [float(cell) for row in rows(section(CALIBRATION, "False claims between two models")) for cell in row[1:]]
    assert f"| 5 % | {100 * min(shares):.1f} to {100 * max(shares):.1f} % |" in text("docs/explanation/statistics.md")


def test_how_often_a_worse_model_is_called_worse() -> None:
    table = section(CALIBRATION, "Power over seeds")
    head = next(line for line in table.splitlines() if line.startswith("| seeds"))
    column = [cell.strip() for cell in head.strip("|").split("|")].index("log-sd 0.5")
    power = {row[0]: float(row[column].split(" ")[0]) for row in rows(table)}
    said = text("docs/explanation/statistics.md")
    assert (
        f"in {100 * power['3']:.1f} % of runs with 3 seeds, in {100 * power['5']:.1f} % with 5 and in all with 10"
        in said
    )
    assert power["10"] == 1


@pytest.mark.parametrize(
    ("number", "source"),
    [("0.1 to 6.7 %", "docs/protocol.md"), ("0.0 to 2.1 %", "docs/protocol.md"), ("3 of 1200", "reports/gate.md")],
)
def test_a_number_is_in_its_source(number: str, source: str) -> None:
    assert number in text(source)
    assert number in text("docs/explanation/statistics.md")


def test_what_a_bank_gains() -> None:
    table = section("reports/performance.md", "Banks against torch")
    ratio = {row[0]: float(row[5].strip("*")) for row in rows(table)}
    small = [value for name, value in ratio.items() if " 15, L 5" in name]
    said = text("docs/explanation/banks.md")
    assert f"{ratio['GRU 32, L 30, batch 64']:.0f} for a GRU of 32 units" in said
    assert f"{ratio['LSTM 32, L 30, batch 64']} for an LSTM of 32 units" in said
    assert f"{min(small):.0f} to {max(small):.0f} for networks of 15 units" in said


def test_every_layer_that_is_checked_is_drawn_and_described() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    packages = [
        name for layer in layers for name in re.findall(r"bench\.(\w+)", layer) if (ROOT / "bench" / name).is_dir()
    ]
    assert len(packages) > 12
    page, drawing = text("docs/architecture.md"), text("docs/pictures/layers.svg")
    assert [name for name in packages if f"`bench/{name}/`" not in page] == []
    assert [name for name in packages if not re.search(rf"\b{name}\b", drawing)] == []
