"""Each thing that can be wrong in a suite file, its words and its place.

``«`` in a text marks the place of a problem; it is taken out before the text is loaded.
"""

from __future__ import annotations

import textwrap

import pytest

from bench.data import DATASETS
from bench.errors import SuiteError
from bench.models import MODELS
from bench.replication.suite_files import load

TOP = (
    "as_published, datasets, exclude, fresh_data, gate, horizons, limits, models, name, references, season, seed, "
    "seeds, sequence_lengths, split, systems, time_limit_s, training, tuning"
)
PART = "expected a whole number ≥ 1 (a count of points) or a number > 0 and < 1 (a fraction of them)"
FOLDER = "expected 1 to 60 letters, digits, '.', '_' or '-', the first a letter or digit"
ENTRIES = "expected a list of at least 1, each the name of a {} or a mapping with its kind"

SETTINGS = {
    "seeds: «ten": "seeds: expected a whole number ≥ 1 or a mapping, got 'ten'",
    "seeds: «0": "seeds: expected a whole number ≥ 1 or a mapping, got 0",
    "seeds: «'10'": "seeds: expected a whole number ≥ 1 or a mapping, got '10'",
    "seeds: «1_000": "seeds: expected a whole number ≥ 1 or a mapping, got '1_000'",
    "seeds: «true": "seeds: expected a whole number ≥ 1 or a mapping, got true",
    "seeds: «10.0": "seeds: expected a whole number ≥ 1 or a mapping, got 10.0",
    "«seeds:": "seeds: expected a whole number ≥ 1 or a mapping, got nothing",
    "seeds: «[1, 2]": "seeds: expected a whole number ≥ 1 or a mapping, got a list of 2",
    "seeds: «4294967296": "seeds: expected a whole number ≥ 1 and ≤ 2147483647 or a mapping, got 4294967296",
    "seeds: {from: «1}": "from: expected a whole number ≥ 2, got 1",
    "seeds: {«form: 3}": "seeds: unknown key 'form'; did you mean 'from'? (known: from, to, until)",
    "seeds: {until: «tired}": "until: expected 'decided', got 'tired'",
    "seeds: «{from: 5, to: 5}": "seeds: from 5 to 5: expected a plan that goes up, or one number",
    "seed: «-1": "seed: expected a whole number ≥ 0, got -1",
    "seed: «9223372036854775808": "seed: expected a whole number ≥ 0 and ≤ 9223372036854775807, "
    "got 9223372036854775808",
    "time_limit_s: «0": "time_limit_s: expected a number > 0 or null, got 0",
    "time_limit_s: «.inf": "expected a finite number, got .inf",
    "time_limit_s: «-.INF": "expected a finite number, got -.INF",
    "time_limit_s: «.nan": "expected a finite number, got .nan",
    "time_limit_s: «1e999": "expected a number that fits in 64 bits, got 1e999",
    "seed: «" + "9" * 50: "expected a number of at most 40 digits, got 50",
    "sequence_lengths: «30": "sequence_lengths: expected a list of at least 1, each a whole number ≥ 1, got 30",
    "sequence_lengths: «[]": "sequence_lengths: expected a list of at least 1, each a whole number ≥ 1, "
    "got an empty list",
    "sequence_lengths: [10, «x, 20]": "sequence_lengths: expected a whole number ≥ 1, got 'x'",
    "sequence_lengths:\n  - 10\n  - «-2": "sequence_lengths: expected a whole number ≥ 1, got -2",
    "sequence_lengths: «[10, 20, 10]": "sequence_lengths: 10 is given twice",
    "horizons: «[1, 1]": "horizons: 1 is given twice",
    "split: {test: «1.0}": f"test: {PART}, got 1.0",
    "split: {test: «100.0}": f"test: {PART}, got 100.0",
    "split: {test: «0}": f"test: {PART}, got 0",
    "split: {test: «true}": f"test: {PART}, got true",
    "split: «{validation: 0.5, test: 0.5}": "split: validation and test take 1 of the series; "
    "leave some of it for train",
    "split: «0.2": "split: expected a mapping, got 0.2",
    "split: {«tset: 0.2}": "split: unknown key 'tset'; did you mean 'test'? (known: origins, refit, "
    "stride, test, validation)",
    "training: {epochs: «ten}": "epochs: expected a whole number ≥ 1 or null, got 'ten'",
    "training: {steps: «0}": "steps: expected a whole number ≥ 1 or null, got 0",
    "training: {steps: «1.5e3}": "steps: expected a whole number ≥ 1 or null, got 1500.0",
    "training: «{epochs: 100, steps: 500}": "training: expected epochs or steps, got both (100 and 500); leave one of "
    "them out",
    "training: «{epochs: null}": "training: expected a budget, epochs or steps, got neither; give one of them",
    "training: «{validate_every: 5}": "training: validate_every counts steps, and the budget is in epochs; give steps, "
    "or leave it out",
    "training: «{steps: 9, validate_every: 10}": "training: expected validate_every ≤ steps, got 10 and 9; lower it",
    "training: {schedule: «linear}": "schedule: expected 'constant', 'cosine' or 'one-cycle', got 'linear'",
    "tuning: «{epochs: 3, steps: 5}": "tuning: expected epochs or steps, got both (3 and 5); leave one of them out",
    "training: {learning_rate: «-1e-3}": "learning_rate: expected a number > 0, got -0.001",
    "training: {learning_rate: «true}": "learning_rate: expected a number > 0, got true",
    "training: {learning_rate: «'1e-3'}": "learning_rate: expected a number > 0, got '1e-3'",
    "training: {clip_norm: «none}": "clip_norm: expected a number > 0 or null, got 'none'",
    "training: {early_stopping: «true}": "early_stopping: expected a whole number ≥ 1 or false, got true",
    "training: {early_stopping: «0}": "early_stopping: expected a whole number ≥ 1 or false, got 0",
    "training: {early_stopping: «no}": "early_stopping: expected a whole number ≥ 1 or false, got 'no'",
    "training: {loss: «rmse}": "loss: expected 'mse', 'mae' or 'huber', got 'rmse'",
    "tuning: «true": "tuning: expected a mapping or false, got true",
    "tuning: «0": "tuning: expected a mapping or false, got 0",
    "tuning: {sampler: «sobol}": "sampler: expected 'tpe', 'random' or 'qmc', got 'sobol'",
    "tuning: {pruner: «half}": "pruner: expected 'hyperband', 'halving', 'median' or 'none', got 'half'",
    "tuning: {trials: «0}": "trials: expected a whole number ≥ 1, got 0",
    "tuning: {trials: 2,\n  «trails: 3}": "tuning: unknown key 'trails'; did you mean 'trials'? "
    "(known: batch, epochs, models, pruner, sampler, steps, trials)",
    "tuning: {trials: 2, models: [net, «nte]}": "tuning: unknown model 'nte'; did you mean 'net'? (known: net)",
    "tuning: {trials: 2, models: «[]}": "models: expected a list of at least 1, each non-empty text of at most 200 "
    "characters or null, got an empty list",
    "«modles: [net]": f"unknown key 'modles'; did you mean 'models'? (known: {TOP})",
    "«1: x": f"unknown key '1' (known: {TOP})",
    "gate: {alpha: «0.5}": "alpha: expected a number > 0 and < 0.5, got 0.5",
    "gate: {thresholds: {rmse: «0}}": "rmse: expected a number > 0 and < 10 or null, got 0",
    "gate: {thresholds: «{rmse: null}}": "thresholds: expected a threshold for at least one metric",
    "gate: {thresholds: {«rsme: 0.1}}": "thresholds: unknown key 'rsme'; did you mean 'rmse'? "
    "(known: directional_accuracy, mae, r2, rmse, skill)",
    "exclude: «all": "exclude: expected a list, each a mapping, got 'all'",
    "exclude: [«{}]": "exclude: expected at least one of dataset, model, sequence_length, horizon",
    "exclude: [{«modl: net}]": "exclude: unknown key 'modl'; did you mean 'model'? "
    "(known: dataset, horizon, model, sequence_length)",
    "exclude: [{model: «nte}]": "exclude: unknown model 'nte'; did you mean 'net'? (known: net)",
    "exclude: [{dataset: noise, model: «'last*'}]": "exclude: unknown model 'last*' (known: net)",
    "exclude: [{sequence_length: «31}]": "exclude: expected a sequence_length of this suite (30), got 31",
    "exclude: [{horizon: «2}]": "exclude: expected a horizon of this suite (1), got 2",
    "exclude: [{sequence_length: «true}]": "sequence_length: expected a whole number ≥ 1 or null, got true",
    "sequence_lengths: «10\nexclude: [{sequence_length: 30}]": "sequence_lengths: expected a list of at least 1, "
    "each a whole number ≥ 1, got 10",
    "exclude: «[{model: net}]": "exclude: expected some cell to be left, got all 1 excluded",
    "seeds: 3\n«seeds: 4": "the key 'seeds' is given twice, first on line 4",
    "split: {test: 0.2, «test: 0.3}": "the key 'test' is given twice, first on line 4",
    "seeds: «!!int '3'": "expected a value without a tag, got !!int",
    "split: «!!python/object:os.system x": "expected a value without a tag, got !!python/object:os.system",
    "«!!python/name:os.system seeds: 3": "expected a key without a tag, got !!python/name:os.system",
    "split: «!mine {test: 0.2}": "expected a value without a tag, got !mine",
    "? «[a]\n: b": "expected a key that is a name, got a list or a mapping",
    "split: {<<: «3}": "<<: expected an alias of a mapping, or a list of them",
}

ENTRY = {
    "datasets: [«nois]\nmodels: [net]": "unknown dataset 'nois'; did you mean 'noise'? (known: file, noise, prices)",
    "datasets: [noise]\nmodels:\n- last\n- «nett": "unknown model 'nett'; did you mean 'net'? "
    "(known: blocks, last, net)",
    "datasets: [{kind: «nois}]\nmodels: [net]": "unknown dataset 'nois'; did you mean 'noise'? "
    "(known: file, noise, prices)",
    "datasets: [«3]\nmodels: [net]": "expected the name of a dataset, or a mapping with its kind and parameters, got 3",
    "datasets: «[]\nmodels: [net]": f"datasets: {ENTRIES.format('dataset')}, got an empty list",
    "datasets: «noise\nmodels: [net]": f"datasets: {ENTRIES.format('dataset')}, got 'noise'",
    "datasets: [noise]\n«models:": f"models: {ENTRIES.format('model')}, got nothing",
    "datasets: [«{id: a}]\nmodels: [net]": "dataset: the key 'kind' is missing",
    "datasets: [{kind: «4}]\nmodels: [net]": "kind: expected text, got 4",
    "datasets: [{kind: noise, id: «4}]\nmodels: [net]": "id: expected non-empty text of at most 200 characters, got 4",
    "datasets: [{kind: noise, id: «''}]\nmodels: [net]": "id: expected non-empty text of at most 200 characters, "
    "got ''",
    'datasets: [{kind: noise, id: «"a\\nb"}]\nmodels: [net]': "id: expected one line of text, with no space around it, "
    "got 'a\\nb'",
    "datasets: [{kind: noise, «split: {test: 9}}]\nmodels: [net]": "noise: 'split' is a key of the suite, for all of "
    "its cells; move it to the top of the file",
    "datasets: [{kind: noise, «scaler: none}]\nmodels: [net]": "noise: 'scaler' is a key of the suite's training, for "
    "all of its models; move it to training at the top",
    "datasets: [{kind: noise, «nosie: 1}]\nmodels: [net]": "noise: unknown parameter 'nosie'; did you mean 'noise'? "
    "(known: drift, id, kind, length, noise, unit)",
    "datasets: [{kind: noise, noise: «-1}]\nmodels: [net]": "noise: expected a number ≥ 0, got -1",
    "datasets: [{kind: noise, drift: «x}]\nmodels: [net]": "drift: expected a number or null, got 'x'",
    "datasets: [{kind: noise, length: [5, «1]}]\nmodels: [net]": "length: expected a whole number ≥ 2, got 1",
    "datasets: [{kind: noise, length: [5, «two], noise: [1, 2]}]\nmodels: [net]": "length: expected a whole number "
    "≥ 2, got 'two'",
    "datasets: [{kind: noise, length: «[]}]\nmodels: [net]": "length: expected a value, or a list of at least 1, "
    "got an empty list",
    "datasets: [{kind: noise, length: «{a: 1}}]\nmodels: [net]": "length: expected a whole number ≥ 2, got a mapping",
    "datasets: [«file]\nmodels: [net]": (
        "file: the parameter 'column' is missing",
        "file: the parameter 'path' is missing",
    ),
    "datasets: [«{kind: file, path: a.csv}]\nmodels: [net]": "file: the parameter 'column' is missing",
    "datasets: [{kind: file, path: «3, column: c}]\nmodels: [net]": "path: expected non-empty text, got 3",
    "datasets: [noise]\nmodels: [«{kind: net, dropout: 0.5}]": "net: dropout acts between layers: "
    "set layers to 2 or more",
    "datasets: [noise]\nmodels: [{kind: net, dropout: «1}]": "dropout: expected a number ≥ 0 and < 1, got 1",
    "datasets: [noise]\nmodels: [{kind: net, cell: «rnn}]": "cell: expected 'lstm' or 'gru', got 'rnn'",
    "datasets: [noise]\nmodels: [{kind: net, bidirectional: «yes}]": "bidirectional: expected true or false, got 'yes'",
    "datasets: [noise]\nmodels: [{kind: last, «layers: 2}]": (
        "last: unknown parameter 'layers' (known: id, kind, search)"
    ),
    "datasets: [noise]\nmodels: [{kind: blocks, sizes: [8, «x]}]": "sizes: expected a whole number, got 'x'",
    "datasets: [noise]\nmodels: [{kind: blocks, sizes: «[]}]": "sizes: expected a list of at least 1, "
    "each a whole number or null, got an empty list",
    "datasets: [noise]\nmodels: [{kind: blocks, base: «3}]": "base: 3 is no power of two",
    "datasets: [noise]\nmodels: [{kind: blocks, tuned: {a: «x}}]": "a: expected a whole number, got 'x'",
    "datasets: [noise]\nmodels: [{kind: «./net.py}]": "expected a file and its class, such as ./net.py:MyNet, got "
    "'./net.py'",
    "datasets: [noise]\nmodels: [net, «net]": "two models have the id 'net', the first on line 3: rename one",
    "datasets: [noise, {id: «noise, kind: prices}]\nmodels: [net]": "two datasets have the id 'noise', "
    "the first on line 2: rename one",
    "datasets: [noise]\nmodels: [«{kind: net, layers: [2, 2]}]": "two models have the id 'net-layers=2', "
    "the first on line 3: rename one",
    "datasets:\n- noise\n- {id: «again, kind: noise, noise: 0.1}\nmodels: [net]": "'again' is the same as 'noise' "
    "on line 3: leave one of them out",
    "tuning: false\ndatasets: [noise]\nmodels: [net, {id: «again, kind: net, layers: 1}]": "'again' is the same as "
    "'net' on line 4: leave one of them out",
}

FILES = {
    "": "expected a mapping with the keys name, datasets and models, got an empty file",
    "# nothing\n": "expected a mapping with the keys name, datasets and models, got an empty file",
    "«- a\n- b\n": "expected a mapping with the keys name, datasets and models, got a list of 2",
    "\n«hello\n": "expected a mapping with the keys name, datasets and models, got 'hello'",
    "name: s\nmodels: [net«": "not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
    "name: s\nseeds: a«: b": "not YAML: mapping values are not allowed here",
    "name: s\n«\tseeds: 3": "not YAML: while scanning for the next token, "
    "found character '\\t' that cannot start any token",
    "name: «*s": "not YAML: found undefined alias 's'",
    "name: s\n«---\nname: t\n": "not YAML: expected a single document in the stream, but found another document",
    "name: s\nseeds: «\x01": "not YAML: the character U+0001",
    "«" + "[" * 600: "expected a suite, got lists or mappings nested hundreds deep",
    "«" + "[" * 100_000: "expected a suite, got lists or mappings nested hundreds deep",
    "«" + "- " * 600: "expected a suite, got lists or mappings nested hundreds deep",
    "«name: «s s\n": ("the key 'datasets' is missing", "the key 'models' is missing", f"name: {FOLDER}, got 's s'"),
    "«seeds: 3\ndatasets: [noise]\nmodels: [net]": "the key 'name' is missing",
    "name: «..\ndatasets: [noise]\nmodels: [net]": f"name: {FOLDER}, got '..'",
    "name: «a/b\ndatasets: [noise]\nmodels: [net]": f"name: {FOLDER}, got 'a/b'",
    'name: «"\\ud800"\ndatasets: [noise]\nmodels: [net]': "expected text, got half of a character in '\\ud800'",
}


def marked(text):
    """The text without its marks, and their places."""
    places = []
    while "«" in text:
        before, text = text.split("«", 1)
        places.append((before.count("\n") + 1, len(before) - before.rfind("\n")))
        text = before + text
    return text, places


def assert_problems(found, places, messages):
    messages = (messages,) if isinstance(messages, str) else messages
    assert [message for _, _, message in found] == list(messages)
    assert sorted({(line, column) for line, column, _ in found}) == places


@pytest.mark.parametrize("text", SETTINGS)
def test_a_wrong_setting(problems, text):
    body, places = marked("name: s\ndatasets: [noise]\nmodels: [net]\n" + text + "\n")
    assert_problems(problems(body), places, SETTINGS[text])


@pytest.mark.parametrize("text", ENTRY)
def test_a_wrong_dataset_or_model(problems, text):
    body, places = marked("name: s\n" + text + "\n")
    assert_problems(problems(body), places, ENTRY[text])


@pytest.mark.parametrize("text", FILES)
def test_a_wrong_file(problems, text):
    body, places = marked(text)
    assert_problems(problems(body), places or [(1, 1)], FILES[text])


def test_everything_is_said_at_once_in_the_order_of_the_file(load_text):
    text = """\
        name: everything
        datasets:
          - nosie
          - {id: loud, kind: noise, noise: loud}
        models: [net, {id: deep, kind: net, layers: 2, dropot: 0.1}]
        sequence_lengths: [10, 30]
        training:
          epochs: ten
          learning_rate: 1e-3
        exclude:
          - {model: dep, sequence_length: 11}
        sedes: 4
        """
    with pytest.raises(SuiteError) as caught:
        load_text(text)
    assert str(caught.value) == textwrap.dedent(f"""\
        x.yaml:3:5: unknown dataset 'nosie'; did you mean 'noise'? (known: file, noise, prices)
        x.yaml:4:36: noise: expected a number ≥ 0, got 'loud'
        x.yaml:5:48: net: unknown parameter 'dropot'; did you mean 'dropout'? \
(known: bidirectional, cell, dropout, id, kind, layers, search)
        x.yaml:8:11: epochs: expected a whole number ≥ 1 or null, got 'ten'
        x.yaml:11:35: exclude: expected a sequence_length of this suite (10, 30), got 11
        x.yaml:12:1: unknown key 'sedes'; did you mean 'seeds'? (known: {TOP})""")


def test_a_file_that_is_not_there(registries, tmp_path):
    nothing, folder = "No such file or directory", "expected a file, found a folder"
    for path, reason in ((tmp_path / "none.yaml", nothing), (tmp_path, folder)):
        with pytest.raises(SuiteError) as caught:
            load(path, **registries)
        assert str(caught.value) == f"{path}: expected a suite file that can be read: {reason}"


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_file_that_is_not_utf_8(problems, start):
    content = start + "name: é\ndatasets: [è, ".encode() + b"\xff]\n"
    assert problems(content) == [(2, 15, "expected text in UTF-8, got the byte 0xff")]


def test_aliases_that_ask_for_billions(problems):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    [(line, _, message)] = problems("\n".join(lines))
    assert line == 1
    assert message == "expected at most 100000 values, got more; does an alias contain itself?"


def test_an_alias_that_contains_itself(problems):
    [(line, column, message)] = problems("name: s\nmodels: &m [*m]\n")
    assert (line, column) == (2, 9)
    assert message == "expected at most 30 levels, got more; does an alias contain itself?"


def test_lists_that_stand_for_too_many_entries(problems):
    numbers = str(list(range(2, 40)))
    [(line, column, message)] = problems(
        f"name: s\ndatasets: [{{kind: noise, length: {numbers}, noise: {numbers}}}]\nmodels: [net]\n"
    )
    assert (line, column) == (2, 12)
    assert message == "expected lists that stand for at most 1000 entries, got 1444"


WINDOWS = """\
name: s
datasets: [noise, prices]
models: [net, {id: deep, kind: blocks, base: [2, 16]}]
sequence_lengths: [10, 20, 5]
horizons: [1, 5]
"""


def test_windows_that_a_model_cannot_serve_are_all_said_at_its_place(problems):
    assert problems(WINDOWS) == [
        (3, 20, "deep-base=16: expected base ≤ 10, got 16"),
        (3, 20, "deep-base=16: expected base ≤ 11, got 16"),
        (3, 20, "deep-base=16: expected base ≤ 15, got 16"),
        (3, 20, "deep-base=16: expected base ≤ 6, got 16"),
    ]


def test_windows_that_are_excluded_need_not_fit(load_text, problems):
    exclude = "exclude: [{model: '*16', sequence_length: 5}, {model: '*16', horizon: 1, dataset: prices}"
    said = [(3, 20, f"deep-base=16: expected base ≤ {most}, got 16") for most in (11, 15)]
    assert problems(f"{WINDOWS}{exclude}]\n") == said
    assert load_text(f"{WINDOWS}{exclude}, {{model: '*16', sequence_length: 10}}]\n").models[2].id == "deep-base=16"


def test_a_season_longer_than_the_window(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("name: s\ndatasets: [sine]\nmodels:\n- {kind: seasonal-naive, period: 50}\n")
    with pytest.raises(SuiteError) as caught:
        load(path, datasets=DATASETS, models=MODELS)
    assert str(caught.value) == (
        f"{path}:4:3: seasonal-naive: expected period ≤ sequence_length, got period 50 and sequence_length 30; "
        "lengthen the sequence, exclude it for this model, or leave period out"
    )


@pytest.mark.parametrize(
    ("dataset", "model", "said"),
    [
        ("{kind: random, length: 1000000000000}", "mean", "length: expected a whole number ≥ 2 and ≤ 100000000"),
        (
            "{kind: random, seed: 99999999999999999999}",
            "mean",
            "seed: expected a whole number ≥ 0 and ≤ 92233720368547",
        ),
        ("{kind: noisy-sine, noise: 1.0e+300}", "mean", "noise: expected a number > 0 and ≤ 1e+100, got 1e+300"),
        (
            "{kind: oscillator, step: 1.0e-300}",
            "mean",
            "oscillator: duration 20 takes more than 10000000 steps of 1e-300",
        ),
        (
            "sine",
            "{kind: lstm, hidden_size: 99999999999999999999}",
            "hidden_size: expected a whole number ≥ 1 and ≤ 65536",
        ),
    ],
)
def test_numbers_too_large_for_any_machine(dataset, model, said, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(f"name: s\ndatasets: [{dataset}]\nmodels: [{model}]\n")
    with pytest.raises(SuiteError) as caught:
        load(path, datasets=DATASETS, models=MODELS)
    (problem,) = caught.value.problems
    assert problem.message.startswith(said)
