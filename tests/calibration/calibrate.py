"""How often claims are false and intervals hold: slow tests that write ``reports/calibration.md``.

``tox -e calibration`` runs them; the default suite has a small version of each in ``tests/stats``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulations import SIMULATIONS, Simulation, lines

REPORT = Path(__file__).parents[2] / "reports/calibration.md"

HEAD = """\
# Calibration

How often the claims of a report are false where nothing is true, and how often its intervals hold what they should, by
simulation. `tox -e calibration` runs the simulations, checks their limits and writes this file; random numbers are
fixed. A share over 20 000 simulations has a standard error of 0.001 to 0.002, over 1000 of 0.007.
"""


@pytest.fixture(scope="session")
def finished() -> Iterator[dict[str, Simulation]]:
    """What each simulation gave; the report is written once all of them ran."""
    found: dict[str, Simulation] = {}
    yield found
    if found.keys() == SIMULATIONS.keys():
        sections = [line for name in SIMULATIONS for line in lines(found[name])]
        REPORT.write_text("\n".join([HEAD, *sections]), encoding="utf-8")


@pytest.mark.parametrize("name", SIMULATIONS)
def test_it_keeps_its_limits(name: str, finished: dict[str, Simulation]) -> None:
    simulation = finished[name] = SIMULATIONS[name]()
    assert simulation.asserted
    assert simulation.beyond() == []
