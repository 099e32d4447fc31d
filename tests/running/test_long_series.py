"""Five million points with windows of 500: no window is ever stored."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
from pyarrow import csv

POINTS = 5_000_000
SCRIPT = """
    import json, resource, sys
    import torch
    from bench.data import DATASETS
    from bench.models import MODELS
    from bench.running.cell import run_cell
    from bench.cells import Cell
    from bench.spec import Entry, Split, Training

    torch.set_num_threads(1)
    source = DATASETS["file"].parameters(path=sys.argv[1], column="load").model_dump(mode="json")
    cell = Cell(
        suite="long", dataset=Entry(id="long", kind="file", parameters=source),
        model=Entry(id="rnn", kind="rnn", parameters=MODELS["rnn"].parameters(hidden_size=4).model_dump()),
        sequence_length=500, horizon=1, seeds=1, seed=0, split=Split(validation=1000, test=1000),
        training=Training(epochs=1, windows_per_epoch=512), tuning=None,
    )
    row = run_cell(cell)["runs"].to_pylist()[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({name: row[name] for name in ("status", "reason", "train_windows", "epochs")} | {"peak": peak}))
"""


def test_an_epoch_of_a_subsample_needs_no_more_than_the_series(tmp_path):
    path = tmp_path / "long.csv"
    values = np.sin(np.arange(POINTS) / 50).round(6)
    csv.write_csv(pa.table({"load": values}), path)
    code = textwrap.dedent(SCRIPT)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    row = json.loads(done.stdout)
    assert (row["status"], row["reason"], row["epochs"]) == ("ok", None, 1)
    assert row["train_windows"] == POINTS - 2000 - 500
    windows_in_bytes = row["train_windows"] * 500 * 4
    assert row["peak"] < 2e9 < windows_in_bytes  # libraries and compiling among it
