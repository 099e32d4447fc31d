"""What is said of models that were still learning when their training ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli import doctor

Bench = Callable[..., Any]


def test_a_dry_run_and_the_doctor_say_which_models_were_still_learning(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = folder / "tiny.yaml"
    text = (
        suite.read_text()
        .replace("mean]", "rnn]")
        .replace("seeds: 2", "seeds: 6")
        .replace("sine, length: 90", "noisy-sine, length: 600")
    )
    suite.write_text(text + "training: {epochs: 3, learning_rate: 1.0e-4}\n")
    assert "learning" not in bench("run", "tiny.yaml", "--dry-run").out
    assert bench("run", "tiny.yaml", "--only", "dataset=wave", "--only", "sequence_length=5").status == 0
    said = "Still learning when training ended: rnn on wave. "
    more = "a larger one may lower the error: `training: {epochs: 6}` doubles it."
    dry = bench("run", "tiny.yaml", "--dry-run").out
    assert said in dry
    assert more in dry
    monkeypatch.setattr(doctor, "CHECKS", (doctor._training,))
    assert re.match(rf"note  results/tiny  {said}.*{re.escape(more)}\n", bench("doctor").out)
    assert ", still learning" in (folder / "reports/tiny/report.md").read_text(), "the verdict carries the mark"
