"""Where the time of a run goes: the same small suite with this code and with an earlier commit.

``python tests/benchmarks/run_parts.py`` prints the table as Markdown. The earlier commit, the one before the engine
unless another is given, steps members one by one with torch.nn's layers. Both run at the same time, in one worker each,
with kernels on disk; the history must be there (no shallow clone).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
training: {epochs: 10, learning_rate: 3.0e-3}
tuning: {trials: 5, batch: 5, epochs: 5}
"""
PARTS = ("tuning", "training", "predicting", "all else: start, data, statistics, store, report")


def start(code: Path, folder: Path, name: str, *more: str) -> subprocess.Popen[bytes]:
    """Begin one run of the suite with the code in a folder."""
    folder.mkdir(exist_ok=True)
    suite = folder / "parts.yaml"
    suite.write_text(SUITE)
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench", "run", str(suite), "--jobs", "1", "--progress", "none"]
    results = ["--results", str(folder / name)]
    return subprocess.Popen([*command, *results, *more], env=environment, cwd=folder, stdout=subprocess.DEVNULL)


def measure(codes: Sequence[Path], folders: Sequence[Path]) -> list[list[float]]:
    """Seconds of each of `PARTS`, and of all, with each code at the same time: what disturbs one disturbs the other."""
    start(codes[-1], folders[-1], "warm", "--only", "model=rnn").wait()
    began = time.perf_counter()
    with ThreadPoolExecutor(len(codes)) as pool:

        def run(code: Path, folder: Path) -> tuple[float, float]:
            _, status, usage = os.wait4(start(code, folder, "measured").pid, 0)
            if status:
                raise RuntimeError(f"the run with {code} failed")
            return time.perf_counter() - began, usage.ru_utime + usage.ru_stime

        ends = list(pool.map(run, codes, folders))
    return [
        [*parts(folder / "measured" / "runs", wall_s), wall_s, processor_s]
        for folder, (wall_s, processor_s) in zip(folders, ends, strict=True)
    ]


def parts(folder: Path, wall_s: float) -> list[float]:
    """Seconds of each of `PARTS`, from the stored rows."""
    runs = pyarrow.dataset.dataset(sorted(folder.glob("*.parquet"))).to_table().to_pylist()
    tuning = sum({row["cell_id"]: row["tuning_s"] or 0.0 for row in runs}.values())
    training = sum(row["fit_s"] or 0.0 for row in runs)
    predicting = sum(row["predict_s"] or 0.0 for row in runs)
    return [tuning, training, predicting, wall_s - tuning - training - predicting]


def main() -> None:
    """Check the earlier commit out beside this code, run both, and print the table."""
    commit = sys.argv[1] if len(sys.argv) > 1 else BEFORE_THE_ENGINE
    with tempfile.TemporaryDirectory() as temporary:
        earlier = Path(temporary) / "earlier"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(earlier), commit], check=True, capture_output=True)
        try:
            folders = [Path(temporary) / "before", Path(temporary) / "after"]
            before, after = measure([earlier, ROOT], folders)
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True, capture_output=True)
    lines = [f"| | {commit}, s | share | now, s | share |", "|---|---|---|---|---|"]
    for name, old, new in zip((*PARTS, "wall", "processor time"), before, after, strict=True):
        lines.append(f"| {name} | {old:.1f} | {old / before[-2]:.1%} | {new:.1f} | {new / after[-2]:.1%} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
