"""Where the time of a run goes: the same small suite with this code and with an earlier commit.

``python tests/benchmarks/parts.py`` prints the table as Markdown. The earlier commit, the one before the engine unless
another is given, steps members one by one with torch.nn's layers. Each runs in one worker with kernels on disk; the
history must be there (no shallow clone).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.dataset

BEFORE_THE_ENGINE = "a5be25d"
ROOT = Path(__file__).parents[2]
SUITE = """
name: parts
datasets: [noisy-sine]
models: [persistence, linear-ar, rnn, lstm, gru, {id: seq2seq-lstm, kind: encoder-decoder, cell: lstm}]
sequence_lengths: [20]
seeds: 5
split: {validation: 0.1, test: 100}
training: {epochs: 5, learning_rate: 3.0e-3}
tuning: {trials: 5, batch: 5, epochs: 3}
"""
PARTS = ("tuning", "training", "predicting", "all else: start, data, statistics, store, report")


def measure(code: Path, folder: Path) -> list[float]:
    """Seconds of each of `PARTS` in one run with the code in a folder."""
    suite = folder / "parts.yaml"
    suite.write_text(SUITE)
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench", "run", str(suite), "--jobs", "1", "--progress", "none"]
    for name in ("warm", "measured"):
        began = time.perf_counter()
        results = ["--results", str(folder / name)]
        subprocess.run([*command, *results], env=environment, cwd=folder, check=True, capture_output=True)
        wall = time.perf_counter() - began
    runs = pyarrow.dataset.dataset(sorted((folder / "measured" / "runs").glob("*.parquet"))).to_table().to_pylist()
    tuning = sum({row["cell_id"]: row["tuning_s"] or 0.0 for row in runs}.values())
    training = sum(row["fit_s"] or 0.0 for row in runs)
    predicting = sum(row["predict_s"] or 0.0 for row in runs)
    return [tuning, training, predicting, wall - tuning - training - predicting]


def main() -> None:
    """Check the earlier commit out beside this code, run both, and print the table."""
    commit = sys.argv[1] if len(sys.argv) > 1 else BEFORE_THE_ENGINE
    with tempfile.TemporaryDirectory() as temporary:
        earlier = Path(temporary) / "earlier"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(earlier), commit], check=True, capture_output=True)
        try:
            columns = []
            for name, code in (("before", earlier), ("after", ROOT)):
                folder = Path(temporary) / name
                folder.mkdir()
                columns.append(measure(code, folder))
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True, capture_output=True)
    before, after = columns
    lines = [f"| | {commit}, s | share | now, s | share |", "|---|---|---|---|---|"]
    for name, old, new in zip((*PARTS, "wall"), (*before, sum(before)), (*after, sum(after)), strict=True):
        lines.append(f"| {name} | {old:.1f} | {old / sum(before):.1%} | {new:.1f} | {new / sum(after):.1%} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
