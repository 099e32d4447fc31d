"""``bench probe``: what it prints and stores, what a second one does, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.api import reports
from bench.cli import probe
from bench.probe.session import run
from bench.store.reader import read_probes

Bench = Callable[..., Any]


@pytest.fixture
def fake_probe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Processes answer at once, with made-up numbers; the log of what they were requested."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "probe" / "fakes")
    monkeypatch.setenv("FAKE_PROBE_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(probe, "run", partial(run, target="fake_probe:answer"))
    return tmp_path / "log"


def test_a_probe_prints_a_table_and_a_second_one_measures_nothing(bench: Bench, fake_probe: Path) -> None:
    arguments = ("probe", "tiny.yaml", "--only", "dataset=noise", "--only", "sequence_length=5", "--repeats", "2")
    first = bench(*arguments, "--progress", "plain")
    assert first.status == 0
    assert "2 of 2 cells to run" in first.err
    assert "noise × mean, L=5, h=1: ok" in first.err
    header, *rows = first.out.split("\n\n")[0].splitlines()
    assert header.split()[:4] == ["dataset", "model", "length", "step"]
    assert [row.split()[:3] for row in rows] == [["noise", name, "5"] for name in ("mean", "persistence")]
    assert f"results: {Path('results/tiny')}\n" in first.out
    assert first.out.endswith(f"report:  {Path('reports/tiny/index.html')}\n"), "also where nothing was run"
    assert read_probes(Path("results/tiny"))["threads"].to_pylist() == [None] * 12  # the stand-in has no torch
    requested = fake_probe.read_text()
    assert requested.count("sample") == 2 * 2
    second = bench(*arguments, "--progress", "plain")
    assert (second.status, second.out, second.err) == (0, first.out, "")
    assert fake_probe.read_text() == requested


def test_a_probe_writes_the_report_of_stored_results_again(
    bench: Bench, fakes: None, fake_probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ("--only", "model=mean", "--only", "dataset=noise", "--only", "sequence_length=3")
    monkeypatch.setattr(probe, "write_report", lambda results: f"the page of {results}")
    assert bench("run", "tiny.yaml", "--no-report", *one).status == 0
    before = reports.stamp(Path("results/tiny"))
    assert "report" not in bench("probe", "tiny.yaml", "--repeats", "1", "--no-report", *one).out
    assert reports.stamp(Path("results/tiny")) != before  # a report made before the probe is not up to date
    ended = bench("probe", "tiny.yaml", *one)
    assert ended.out.endswith(f"report:  the page of {Path('results/tiny')}\n")


def test_a_model_that_cannot_be_probed_is_named_with_its_reason(bench: Bench, folder: Path, fake_probe: Path) -> None:
    suite = (folder / "tiny.yaml").read_text().replace("mean]", "{id: big, kind: rnn, hidden_size: 99}]")
    (folder / "tiny.yaml").write_text(suite)
    ended = bench("probe", "tiny.yaml", "--only", "model=big", "--only", "dataset=noise", "--progress", "none")
    assert ended.status == 1
    assert "noise × big, L=3, h=1: out_of_memory: requested to\n" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "modle=mean"], "--only modle=mean: unknown key"),
        (["--device", "tpu"], "device 'tpu': expected auto, cpu"),
        (["--progress", "jsonl", "--results", "tiny.yaml"], "tiny.yaml"),
    ],
)
def test_wrong_input_is_one_line(bench: Bench, folder: Path, arguments: list[str], message: str) -> None:
    ended = bench("probe", "tiny.yaml", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith(message)
    assert ended.err.count("\n") <= 2  # a word on the machine's load may come first


def test_the_program_measures_real_models_and_its_own_process_needs_no_torch(folder: Path) -> None:
    cell = "datasets: [{id: noise, kind: random, length: 80}]\nmodels: [{id: net, kind: gru, hidden_size: 3}]\n"
    (folder / "real.yaml").write_text(f"name: real\n{cell}sequence_lengths: [4]\nseeds: 2\n")
    program = "import sys; from bench.__main__ import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    arguments = ["probe", "real.yaml", "--repeats", "1", "--device", "cpu", "--progress", "none"]
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "False"
    rows = {row["quantity"]: row for row in read_probes(Path("results/real")).to_pylist()}
    assert rows.keys() == {
        *("parameters", "peak_memory_bytes", "forward_flops", "step_flops", "machine_reference_s"),
        *("step_s", "epoch_s", "fit_s", "latency_s", "windows_per_s", "bank_step_s"),
    }
    assert all(row["value"] > 0 and row["threads"] == 1 and row["host"] for row in rows.values())
    assert rows["step_s"]["implementation"] == "torch.nn.GRU"
    assert rows["bank_step_s"]["implementation"] == "bank of 2, as one"
