"""How much faster several runs on one folder are than one, and whether any cell is computed twice or torn.

    python tests/benchmarks/shared_folder.py 1 2 4 8

Each run is ``bench run --jobs 1`` in a process of its own; all begin together. For each number of runs it prints the
seconds until the last one ended, the speed-up against the first number, the cells that were computed, those that were
computed more than once, and those that cannot be read. Run nothing else meanwhile; more runs than cores gain
nothing. ``tests/chaos/measure.py speed`` puts it into ``reports/chaos.md``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import store

SUITE = """\
name: shared
datasets: [{id: wave, kind: noisy-sine, length: 3000}, {id: noise, kind: random, length: 3000}]
models:
  - {id: rnn, kind: rnn, hidden_size: 8}
  - {id: gru, kind: gru, hidden_size: 8}
  - {id: lstm, kind: lstm, hidden_size: 8}
sequence_lengths: [8, 12, 16, 20]
seeds: 3
training: {epochs: 300, early_stopping: false}
tuning: false
"""
CELLS = 24


def measured(work: Path, runs: int) -> tuple[float, int, int, int]:
    """Seconds, cells computed, cells computed again, cells that cannot be read."""
    folder = work / "results"
    (work / "suite.yaml").write_text(SUITE)
    command = [sys.executable, "-m", "bench", "run", str(work / "suite.yaml"), "--results", str(folder)]
    command += ["--jobs", "1", "--no-report", "--progress", "jsonl"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    began = time.monotonic()
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        for _ in range(runs)
    ]
    outputs = [each.communicate()[0] for each in started]
    seconds = time.monotonic() - began
    begun = [event["cell_id"] for output in outputs for event in _events(output) if event.get("event") == "started"]
    known = store.gather(folder)
    assert len(store.stored(folder)) == CELLS
    return seconds, len(begun), len(begun) - len({*begun}), len(known.unreadable)


def _events(output: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def main() -> None:
    """For each number of runs on the command line."""
    numbers = [int(text) for text in sys.argv[1:]] or [1, 2]
    first = None
    for count, runs in enumerate([1, *numbers]):
        with tempfile.TemporaryDirectory() as place:
            seconds, begun, again, unreadable = measured(Path(place), runs)
        if not count:
            continue  # that one has compiled what is compiled once
        first = first or seconds
        if notes := os.environ.get("BENCH_CHAOS_NOTES"):
            note = {"row": "speed", "runs": runs, "seconds": seconds, "doubled": again, "torn": unreadable}
            with Path(notes).open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
        sys.stdout.write(
            f"{runs} runs: {seconds:.1f} s, {first / seconds:.2f} × as fast, {begun} cells computed, {again} again, "
            f"{unreadable} unreadable\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
