"""Modules that a suite names by their file: what they give, what they are known by, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bench
from bench.cells import Cell, expand
from bench.data import dataset_kinds
from bench.errors import InputError
from bench.models import MODELS, model_kinds
from bench.models.base import ModelKind, Parameters, Shape
from bench.models.from_source import allowing_plug_ins, anchored, kind_at
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, evaluation_windows, train_windows
from bench.running.cell import run_cell
from bench.running.plan import prepare
from bench.source_code import file_hash
from bench.spec import Training
from bench.suite.load import load
from bench.training.bank import Bank, initialised
from bench.training.fit import fit
from bench.training.members import Member
from bench.training.vmapped import why_not

LENGTH, HORIZON = 8, 2
SHAPE = Shape(LENGTH, HORIZON, 1)

NET = """
import torch
from torch import nn
from parts import Head


class MyNet(nn.Module):
    def __init__(self, sequence_length: int, horizon: int, channels: int, outputs: int, width: int, power: float = 1):
        super().__init__()
        self.keys, self.values = nn.Linear(channels, width), nn.Linear(channels, width)
        self.register_buffer("mask", torch.ones(sequence_length, sequence_length).triu(1).bool())
        self.head = Head(width, horizon * outputs)
        self.target, self.power = (horizon, outputs), power

    def forward(self, x):
        keys = self.keys(x)
        scores = (keys @ keys.transpose(-1, -2)).masked_fill(self.mask, float("-inf"))
        return self.head((scores.softmax(-1) @ self.values(x))[:, -1]).unflatten(-1, self.target)


class Other(nn.Module):
    pass


def function():
    pass
"""
PARTS = "from torch import nn\n\n\nclass Head(nn.Linear):\n    pass\n"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(NET)
    (tmp_path / "parts.py").write_text(PARTS)
    return tmp_path


@pytest.fixture
def data() -> TrainingData:
    values = np.sin(np.arange(160) / 5)[:, None] + np.random.default_rng(0).normal(0, 0.1, (160, 1))
    cut = Parts(100, 130, 160)
    return TrainingData(
        train_windows(values, cut, LENGTH, HORIZON), evaluation_windows(values, cut.validation, LENGTH, HORIZON)
    )


def suite(*models: str, more: str = "") -> str:
    listed = "\n".join(f"  - {model}" for model in models)
    return (
        f"name: own\ndatasets: [{{id: wave, kind: noisy-sine, length: 160}}]\nmodels:\n{listed}\n"
        f"sequence_lengths: [8]\nhorizons: [2]\nseeds: 2\ntraining: {{epochs: 2}}\ntuning: false\n{more}"
    )


MINE = "{id: mine, kind: ./mynet.py:MyNet, width: 4}"


def cells(folder: Path, text: str) -> list[Cell]:
    (folder / "s.yaml").write_text(text)
    return list(expand(load(folder / "s.yaml", datasets=dataset_kinds(), models=model_kinds())))


def plain_torch_loop(module: nn.Module, one: Member, data: TrainingData) -> list[float]:
    """The same training, written out: Adam, shuffled windows, gradient clipping."""
    settings = one.training
    adam = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    x = torch.tensor(data.train.inputs(slice(None)).copy(), dtype=torch.float32)
    y = torch.tensor(data.train.targets(slice(None)), dtype=torch.float32)
    order, losses = one.generator("order"), []
    for _ in range(settings.epochs or 0):
        total = 0.0
        for which in torch.from_numpy(order.permutation(len(x))).split(int(settings.batch_size)):
            loss = ((module(x[which]) - y[which]) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), float(settings.clip_norm or 0))
            adam.step()
            total += loss.item() * len(which)
        losses.append(total / len(x))
    return losses


def members(kind: ModelKind, count: int, **parameters: Any) -> list[Member]:
    settings = Training(epochs=3, batch_size=16, learning_rate=0.01)
    chosen = kind.parameters(**parameters)
    return [Member(chosen, settings, 5, ("replicate", number)) for number in range(count)]


def test_a_module_of_a_file_has_the_losses_of_the_same_module_in_a_plain_torch_loop(folder, data):
    with allowing_plug_ins():
        kind = kind_at(anchored("./mynet.py:MyNet", folder))
    all_three = members(kind, 3, width=4)
    bank = Bank(kind, SHAPE, all_three, data=data)
    assert bank.how == "as one, by vmap"  # whatever mask it has
    for one, found in zip(all_three, fit(bank), strict=True):
        np.testing.assert_allclose(
            found.train_losses, plain_torch_loop(initialised(kind, SHAPE, one), one, data), rtol=1e-4
        )


class WithBuffer(nn.Module):
    """A linear map of what a random projection leaves, which each member draws for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("projection", torch.randn(LENGTH, 6))
        self.head = nn.Linear(6, HORIZON)

    def forward(self, x):
        return self.head((x.squeeze(-1) @ self.projection).tanh()).unsqueeze(-1)


class Normalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(LENGTH), nn.Linear(LENGTH, HORIZON)

    def forward(self, x):
        return self.head(self.norm(x.squeeze(-1))).unsqueeze(-1)


class Counting(WithBuffer):
    """Counts its calls in a buffer, and makes it when it is first called."""

    def forward(self, x):
        if not hasattr(self, "calls"):
            self.register_buffer("calls", torch.zeros(()))
        return super().forward(x)


class FastPath(nn.Module):
    """A layer of torch that takes another path when it predicts."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.embed, self.head = nn.Linear(1, 4), nn.Linear(4, HORIZON)

    def forward(self, x):
        return self.head(self.layer(self.embed(x))[:, -1]).unsqueeze(-1)


def of(module: type[nn.Module]) -> ModelKind:
    return ModelKind("a module", Parameters, lambda parameters, shape: module())


@pytest.mark.parametrize("module", [WithBuffer, Normalised, Counting, FastPath])
def test_buffers_and_modes_give_what_a_plain_torch_loop_gives(module, data):
    kind = of(module)
    three = members(kind, 3)
    bank = Bank(kind, SHAPE, three, data=data)
    for one, found in zip(three, fit(bank), strict=True):
        expected = plain_torch_loop(initialised(kind, SHAPE, one), one, data)
        np.testing.assert_allclose(found.train_losses, expected, rtol=1e-4)
    assert np.isfinite(bank.predict(data.validation)).all()


def test_only_buffers_that_training_changes_force_one_by_one():
    assert why_not(WithBuffer(), SHAPE) is None
    assert why_not(Normalised(), SHAPE) == "training changes its buffer norm.running_mean"
    assert why_not(Counting(), SHAPE) == "training changes its buffer calls"


def test_members_that_end_early_leave_the_others_their_own_buffers(data):
    kind = of(WithBuffer)
    three = members(kind, 3)
    bank, alone = Bank(kind, SHAPE, three, data=data), Bank(kind, SHAPE, three[2:], data=data)
    for _ in range(2):
        together = bank.train_round([0, 2])
        np.testing.assert_allclose(together[1], alone.train_round([0])[0], rtol=1e-5)


def test_a_suite_alone_never_runs_code(folder):
    (folder / "mynet.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(InputError) as caught:
        cells(folder, suite(MINE))
    assert str(caught.value).endswith(
        "s.yaml:4:22: mynet.py:MyNet: this kind is code, which a suite alone never runs; read it, then run the command "
        "again with --allow-plugin (from Python: bench.run(…, allow_plugin=True))"
    )


def test_python_allows_the_code_of_a_suite_as_the_hint_says(folder):
    path = folder / "s.yaml"
    path.write_text(suite(MINE))
    with pytest.raises(InputError, match="allow_plugin=True"):
        bench.run(path, results=folder / "results")
    results = bench.run(path, results=folder / "results", jobs=1, allow_plugin=True)
    assert results.runs["status"].tolist() == ["ok", "ok"]


def test_the_cell_is_known_by_what_the_file_says_wherever_it_lies(folder, tmp_path_factory):
    with allowing_plug_ins():
        (cell,) = prepare(cells(folder, suite(MINE)), folder / "results").cells
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        for name in ("mynet.py", "parts.py"):
            (elsewhere / name).write_text((folder / name).read_text())
        (same,) = prepare(cells(elsewhere, suite(MINE)), elsewhere / "results").cells
        assert same.id == cell.id
        assert str(folder) not in cell.spec
        assert cell.plugins == {"model mynet.py:MyNet": file_hash(folder / "mynet.py")}
        ids = {cell.id}
        for name in ("parts.py", "mynet.py"):
            with (folder / name).open("a") as file:
                file.write("# edited\n")
            (edited,) = prepare(cells(folder, suite(MINE)), folder / "results").cells
            assert edited.id not in ids
            ids.add(edited.id)
        (folder / "unrelated.py").write_text("x = 1\n")
        assert prepare(cells(folder, suite(MINE)), folder / "results").cells[0].id in ids


def test_an_edited_file_is_loaded_again_with_what_it_imports(folder):
    with allowing_plug_ins():
        address = anchored("./mynet.py:MyNet", folder)
        before = kind_at(address)
        assert kind_at(address) is before
        (folder / "parts.py").write_text(PARTS.replace("pass", "extra = 3"))
        (folder / "mynet.py").write_text(
            NET.replace("width: int, power: float = 1", "width: int = Head.extra, power: float = 1")
        )
        after = kind_at(address)
        assert after.parameters().width == 3
        assert after.identity != before.identity


def test_a_cell_whose_file_was_edited_meanwhile_says_so(folder):
    with allowing_plug_ins():
        (cell,) = prepare(cells(folder, suite(MINE)), folder / "results").cells
        assert {run["status"] for run in run_cell(cell)["runs"].to_pylist()} == {"ok"}
        (folder / "mynet.py").write_text(NET + "# edited\n")
        reasons = {run["reason"] for run in run_cell(cell)["runs"].to_pylist()}
    assert reasons == {"mynet.py:MyNet: it was edited after the run began; run the command again"}


SOUND = "./mynet.py:MyNet, width: 4"


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


WRONG: list[tuple[str, Callable[[str], str], str]] = [
    (f"{SOUND}, powr: 4", str, "unknown parameter 'powr'; did you mean 'power'?"),
    ("./mynet.py:MyNet", str, "the parameter 'width' is missing"),
    ("./mynet.py:MyNet, width: wide", str, "width: expected a whole number, got 'wide'"),
    ("./mynet.py:MyNets, width: 4", str, "nothing of that name (there is: MyNet, Other)"),
    (
        "./mynet.py:function",
        str,
        "predict(history, origins, horizon), got an object of function (there is: MyNet, Other)",
    ),
    ("./nowhere.py:MyNet", str, "nowhere.py:MyNet: expected a file at "),
    ("no_such_module_of_mine:Net", str, "expected a module that can be imported and read"),
    (SOUND, replaced("import torch\n", "import nothing_of_this_name\n"), "cannot be imported: ModuleNotFoundError"),
    (SOUND, replaced("import torch\n", "import torch\n1 / 0\n"), "cannot be imported: ZeroDivisionError"),
    (SOUND, replaced("import torch\n", "def (\n"), "cannot be imported: SyntaxError"),
    (SOUND, replaced("[:, -1]", "[:, -1:]"), "shapes: expected outputs [4, 2, 1]"),
    (SOUND, replaced("keys = self", "keys = x.mean() * self"), "batch: expected a window to give the same alone"),
    (SOUND, replaced("triu(1)", "triu(-99)"), "numbers: expected finite outputs"),
    (SOUND, replaced("self.values(x)", "self.values(y)"), "NameError: name 'y' is not defined"),
    (SOUND, replaced("power: float", "epochs: float"), "'epochs' is a setting of every model"),
]


@pytest.mark.parametrize(("entry", "edit", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_what_is_wrong_is_one_line_with_its_place(folder, entry, edit, said):
    (folder / "mynet.py").write_text(edit(NET))
    with allowing_plug_ins(), pytest.raises(InputError) as caught:
        cells(folder, suite(f"{{kind: {entry}}}"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "s.yaml:4:" in str(caught.value)


def test_a_whole_number_is_a_float_and_a_bare_name_is_an_entry(folder):
    (folder / "mynet.py").write_text(NET.replace("width: int,", "width: int = 3,"))
    with allowing_plug_ins():
        bare, powered = cells(folder, suite("./mynet.py:MyNet", "{id: p, kind: ./mynet.py:MyNet, power: 2}"))
    assert (bare.model.id, powered.model.parameters) == ("MyNet", {"width": 3, "power": 2.0})


def test_a_module_that_is_installed_is_named_without_a_file(folder, monkeypatch):
    (folder / "mynets_apart.py").write_text(NET.replace("from parts import Head", "Head = nn.Linear"))
    monkeypatch.syspath_prepend(folder)
    with allowing_plug_ins():
        (cell,) = cells(folder, suite("{kind: 'mynets_apart:MyNet', width: 4}"))
        assert {run["status"] for run in run_cell(cell)["runs"].to_pylist()} == {"ok"}
        with (folder / "mynets_apart.py").open("a") as file:
            file.write("# edited\n")
        with pytest.raises(InputError, match="mynets_apart was edited after it was imported; start Python again"):
            cells(folder, suite("{kind: 'mynets_apart:MyNet', width: 4}"))


def test_its_parameters_and_its_training_are_searched(folder):
    space = "{width: [2, 4], learning_rate: {low: 0.001, high: 0.1, log: true}}"
    entry = f"{{id: mine, kind: ./mynet.py:MyNet, width: 4, search: {space}}}"
    text = suite(entry).replace("tuning: false", "tuning: {trials: 2, batch: 2}")
    with allowing_plug_ins():
        (cell,) = cells(folder, text)
        rows = run_cell(cell)
    assert {run["status"] for run in rows["runs"].to_pylist()} == {"ok"}
    assert rows["trials"].num_rows == 2


def test_other_processes_run_it_from_python_too(folder):
    content = {
        "name": "own",
        "datasets": [{"id": "wave", "kind": "sine", "length": 90}],
        "models": ["persistence", {"id": "small", "kind": "mine", "width": 2}],
        "sequence_lengths": [4],
        "seeds": 1,
        "tuning": False,
        "training": {"epochs": 1},
    }
    results = bench.run(content, results=folder / "results", models={"mine": "./mynet.py:MyNet"}, jobs=1)
    assert list(results.runs.status) == ["ok", "ok"], list(results.runs.reason)
    assert set(results.runs.bank) == {"closed form", "as one, by vmap"}
    with pytest.raises(bench.BenchError, match="--allow-plugin"):
        bench.load({**content, "models": ["./mynet.py:MyNet"]})
    page = bench.report(results, folder / "reports")  # which reads, and runs no code
    assert "small" in page.read_text()


def test_kinds_of_bench_are_not_touched(folder):
    assert "lstm" in model_kinds()
    assert model_kinds().keys() >= MODELS.keys()
    assert model_kinds().get("no-such-kind") is None
    with pytest.raises(KeyError):
        _ = model_kinds()["no-such-kind"]
    assert replace(MODELS["lstm"]) == model_kinds()["lstm"]
