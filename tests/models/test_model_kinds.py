"""The table of model kinds: listing without torch, valid search spaces, parameters that refuse nonsense."""

from __future__ import annotations

import itertools
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from pydantic import ValidationError

import bench.registry
from bench.errors import InputError
from bench.models import MODELS, model_kinds
from bench.models.base import Choice, ModelKind, SearchRange
from bench.models.parameters import NoParameters
from bench.spec import Training

FORECASTERS = ["ets", "theta", "auto-arima"]
NAMES = ["persistence", "drift", "mean", "seasonal-naive", "linear-ar", *FORECASTERS, "logistic-regression"]
NAMES += ["sklearn", "darts", "neuralforecast", "rnn", "lstm", "gru", "encoder-decoder"]
STATE_MODELS = ["mingru", "minlstm", "slstm", "lru", "s4d", "selective-ssm"]
NAMES += [*STATE_MODELS, "echo-state"]
NAMES += ["mlp", "dlinear", "nlinear", "tcn", "n-beats", "tsmixer", "transformer", "patchtst"]
TASKS = {
    "forecast": {*NAMES} - {"logistic-regression"},
    "denoise": {"persistence", "mean", "linear-ar", "rnn", "lstm", "gru", "tcn", "transformer", *STATE_MODELS},
    "classify": {"mean", "logistic-regression", "rnn", "lstm", "gru", "mlp", "tcn", "transformer", *STATE_MODELS},
}


def test_the_names_are_these():
    assert list(MODELS) == NAMES


@pytest.mark.parametrize("task", TASKS)
def test_what_each_can_do(task: str):
    assert {name for name, kind in MODELS.items() if task in kind.tasks} == TASKS[task]


def test_listing_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; from bench.models import model_kinds; print(*model_kinds())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split()[: len(NAMES)] == NAMES


@pytest.mark.parametrize("kind", MODELS.values(), ids=MODELS)
def test_every_parameter_has_a_description_and_a_default(kind: ModelKind):
    kind.parameters()
    assert all(field.description for field in kind.parameters.model_fields.values())
    assert kind.summary


def ends(values: SearchRange) -> tuple[object, ...]:
    return values.options if isinstance(values, Choice) else (values.low, values.high)


@pytest.mark.parametrize("kind", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("stated", [{}, {"layers": 2, "dropout": 0.1}, {"layers": 1}, {"bidirectional": True}])
def test_a_search_never_leaves_the_valid_ranges(kind: ModelKind, stated: dict[str, object]):
    stated = {name: value for name, value in stated.items() if name in kind.parameters.model_fields}
    space = {name: ends(values) for name, values in kind.search.items() if name not in stated}
    for values in itertools.product(*space.values()):
        chosen = stated | dict(zip(space, values, strict=True))
        of_model = {name: value for name, value in chosen.items() if name in kind.parameters.model_fields}
        kind.parameters(**of_model)
        Training(**{name: value for name, value in chosen.items() if name not in of_model})  # refuses unknown names


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "encoder-decoder"])
def test_dropout_with_one_layer_is_refused_in_one_line(name: str):
    with pytest.raises(ValidationError) as caught:
        MODELS[name].parameters(dropout=0.1)
    (problem,) = caught.value.errors()
    assert problem["msg"] == (
        "Value error, dropout 0.1 acts between layers, and layers is 1: set layers to 2 or more, or leave dropout out"
    )


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        (
            "lru",
            {"r_min": 0.5, "r_max": 0.5},
            "r_min 0.5 is not below r_max 0.5: lower r_min, or raise r_max up to below 1",
        ),
        (
            "slstm",
            {"hidden_size": 6, "heads": 4},
            "hidden_size 6 is no multiple of heads 4: change one of them, or leave heads out",
        ),
        (
            "dlinear",
            {"kernel_size": 4},
            "kernel_size 4 has no middle, and each average is centred on its step: set it to 5",
        ),
        (
            "transformer",
            {"hidden_size": 6, "heads": 4},
            "heads 4 do not divide hidden_size 6, which they share: change one of them",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_one_line(name: str, wrong: dict[str, object], message: str):
    with pytest.raises(ValidationError) as caught:
        MODELS[name].parameters(**wrong)
    (problem,) = caught.value.errors()
    assert problem["msg"] == f"Value error, {message}"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"truncate": 5}, "truncate 5 need"),
        ({"carries_state": True}, "carries_state need"),
        ({"carries_state": True, "truncate": 5}, "truncate 5 and carries_state need"),
    ],
)
def test_a_backward_direction_has_no_state_to_cut_or_carry(given: dict[str, object], named: str):
    with pytest.raises(ValidationError, match=f"{named} states that go forward alone, and bidirectional is true"):
        MODELS["lstm"].parameters(bidirectional=True, **given)


def test_a_season_of_one_point_is_said_to_be_persistence():
    with pytest.raises(ValidationError, match="at least 2 points in a season, got 1: with 1 this is persistence"):
        MODELS["seasonal-naive"].parameters(period=1)


def test_a_layer_of_keras_is_a_departure():
    assert MODELS["rnn"].parameters(layer="keras").departures() == ("layer: keras",)
    assert MODELS["rnn"].parameters(truncate=3).departures() == ()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("persistence", {"period": 3}),
        ("seasonal-naive", {"period": 1}),
        ("seasonal-naive", {"period": 10**20}),
        ("linear-ar", {"alpha": -1.0}),
        ("linear-ar", {"alpha": float("inf")}),
        ("linear-ar", {"intercept": 1}),
        ("rnn", {"nonlinearity": "sigmoid"}),
        ("lstm", {"nonlinearity": "relu"}),
        ("gru", {"hidden_size": 0}),
        ("gru", {"hidden_size": 8.0}),
        ("gru", {"hidden_size": 10**20}),
        ("gru", {"layers": 0}),
        ("gru", {"layers": 65}),
        ("gru", {"truncate": 0}),
        ("rnn", {"activation": "relu"}),
        ("lstm", {"layer": "tensorflow"}),
        ("encoder-decoder", {"truncate": 3}),
        ("encoder-decoder", {"layer": "keras"}),
        ("gru", {"layers": 2, "dropout": 1.0}),
        ("encoder-decoder", {"cell": "rnn"}),
        ("encoder-decoder", {"prediction": "forced"}),
        ("mingru", {"dropout": 0.1}),
        ("minlstm", {"bidirectional": True}),
        ("lru", {"r_max": 1.0}),
        ("lru", {"max_phase": 7.0}),
        ("s4d", {"state_size": 5}),
        ("selective-ssm", {"kernel_size": 0}),
        ("slstm", {"heads": 0}),
        ("echo-state", {"leaking_rate": 0.0}),
        ("echo-state", {"spectral_radius": -1.0}),
        ("mlp", {"bidirectional": True}),
        ("mlp", {"dropout": 1.0}),
        ("nlinear", {"kernel_size": 3}),
        ("dlinear", {"kernel_size": 0}),
        ("tcn", {"kernel_size": 1}),
        ("tcn", {"layers": 32}),
        ("n-beats", {"blocks": 0}),
        ("n-beats", {"expansion_size": 0}),
        ("tsmixer", {"layers": 0}),
        ("transformer", {"heads": 0}),
        ("transformer", {"expansion": 65}),
        ("transformer", {"patch_length": 4}),
        ("patchtst", {"stride": 0}),
        ("ets", {"period": 1}),
        ("ets", {"trend": "linear"}),
        ("theta", {"trend": "auto"}),
        ("auto-arima", {"max_p": 6}),
        ("auto-arima", {"d": 3}),
    ],
)
def test_wrong_parameters_are_refused(name: str, wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        MODELS[name].parameters(**wrong)


THIRD_PARTY = ModelKind(summary="a stranger", parameters=NoParameters, builder="stranger:build")


def test_other_distributions_add_their_kinds(monkeypatch: pytest.MonkeyPatch):
    point = EntryPoint("stranger", f"{__name__}:THIRD_PARTY", "bench.models")
    monkeypatch.setattr(EntryPoint, "load", lambda self: THIRD_PARTY)
    monkeypatch.setattr(bench.registry, "third_party", lambda group: {"stranger": point})
    assert model_kinds() == MODELS | {"stranger": THIRD_PARTY}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lstm", "x:KIND", "expected a name of its own, got a built-in one; rename the entry point"),
        ("mine", "math:pi", "expected a ModelKind, got float; fix or uninstall it"),
        (
            "mine",
            "no_such_module:KIND",
            "expected a module that imports, got ModuleNotFoundError: No module named 'no_such_module'; "
            "fix or uninstall it",
        ),
    ],
)
def test_an_unfit_entry_point_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str):
    point = EntryPoint(name, value, "bench.models")
    monkeypatch.setattr(bench.registry, "third_party", lambda group: {name: point})
    with pytest.raises(InputError) as caught:
        model_kinds()
    assert str(caught.value) == f"plug-in {name!r} ({value}): {message}"
