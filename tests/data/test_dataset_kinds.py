from __future__ import annotations

from pathlib import Path

import pytest

from bench.data import DATASETS, dataset_kinds
from bench.errors import InputError

PROCESSES = ["arma", "threshold-ar", "garch", "level-shifts"]
CHAOS = ["logistic-map", "henon", "lorenz", "rossler", "mackey-glass"]
GENERATED = [
    *("random", "sine", "noisy-sine", "damped-multisine", "oscillator", "gbm", "two-tone", "recall"),
    *(*PROCESSES, *CHAOS),
]
GENERATED_SEQUENCES = ["adding", "denoise-sine", "parity", "modular-sum", "associative-recall", "copy"]
IMAGES = ["digits", "mnist"]
STOCKS = ["TSLA", "GOOGL", "DJI", "A", "GOOG"]
PACKAGED = ["SP500", "NASDAQ", "WTI", "VIX", "sunspots", "co2", "el-nino", "nile", "macrodata"]


def test_the_registered_names() -> None:
    assert list(DATASETS) == [*GENERATED, *GENERATED_SEQUENCES, *IMAGES, *STOCKS, *PACKAGED, "file"]


@pytest.mark.parametrize("name", [*GENERATED, *GENERATED_SEQUENCES, *IMAGES, *STOCKS, *PACKAGED])
def test_every_default_is_valid_and_every_parameter_described(name: str) -> None:
    kind = DATASETS[name]
    kind.parameters()
    assert all(field.description for field in kind.parameters.model_fields.values())
    assert (kind.fingerprint is None) == (name in GENERATED + GENERATED_SEQUENCES)
    assert (kind.steps is None) == (name in GENERATED + STOCKS + PACKAGED)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_defaults_load(name: str) -> None:
    kind = DATASETS[name]
    series = kind.load(kind.parameters(), 0)
    assert 1000 <= len(series) <= 2000
    assert series.best is not None
    assert series.best(1).shape == series.values.shape == (len(series), 1)


@pytest.mark.parametrize("name", [*GENERATED_SEQUENCES, "digits"])
def test_sequences_are_of_the_task_and_the_length_that_their_kind_tells(name: str) -> None:
    kind = DATASETS[name]
    sequences = kind.load(kind.parameters(), 0)
    assert kind.steps is not None
    assert sequences.task == kind.task
    assert sequences.inputs.shape[1] == kind.steps(kind.parameters())
    if sequences.best is not None:
        assert sequences.best().shape == sequences.targets.shape


def test_without_plug_ins_there_are_the_built_in_kinds() -> None:
    assert dataset_kinds() == DATASETS


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a distribution of one module with one entry point."""

    def install(module: str, code: str, entry_point: str) -> None:
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[bench.datasets]\n{entry_point}\n")
        (tmp_path / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)

    return install


def test_a_plug_in_is_listed_beside_the_built_in_kinds(plug_in) -> None:
    plug_in("plug_sine", "from bench.data.formulas import SINE as KIND\n", "other-sine = plug_sine:KIND")
    kinds = dataset_kinds()
    assert list(kinds) == [*DATASETS, "other-sine"]
    assert kinds["other-sine"] is DATASETS["sine"]


@pytest.mark.parametrize(
    ("module", "code", "entry_point", "said"),
    [
        ("plug_broken", "import no_such_module\n", "mine = plug_broken:KIND", "ModuleNotFoundError: No module named"),
        ("plug_empty", "", "mine = plug_empty:KIND", "expected a module that imports, got AttributeError"),
        ("plug_number", "KIND = 3\n", "mine = plug_number:KIND", "expected a DatasetKind, got int"),
        ("plug_random", "KIND = 3\n", "random = plug_random:KIND", "expected a name of its own, got a built-in one"),
    ],
)
def test_a_plug_in_that_is_wrong_gets_one_line(plug_in, module: str, code: str, entry_point: str, said: str) -> None:
    plug_in(module, code, entry_point)
    with pytest.raises(InputError, match=said) as caught:
        dataset_kinds()
    assert f" ({module}:KIND): expected " in str(caught.value)
    assert "\n" not in str(caught.value)
