"""Suite → cells: which, in what order, and what their identity depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest

from bench.cells import LATER, Case, Cell, CellKey, CellSpec, alone, expand
from bench.data import dataset_kinds
from bench.errors import SuiteError
from bench.models import model_kinds
from bench.spec import AsPublished, Entry, Split, Training, Tuning
from bench.store.schema import KEY
from bench.suite.load import load

SUITES = Path(__file__).parents[2] / "suites"

PINNED = {
    "random × persistence, L=20, h=1": "710e85c45bb3688f",
    "noisy-sine × persistence, L=20, h=1": "ae331223ffcc2729",
    "gbm × persistence, L=20, h=1": "97d649360db782f6",
    "gbm × gru, L=20, h=1": "447306d1fccdd68a",
}

TEXT = """\
name: golden
datasets: [noise, {id: loud, kind: noise, noise: 0.5}]
models: [last, {id: deep, kind: net, layers: [2, 3], dropout: 0.1}]
sequence_lengths: [10, 30]
horizons: [1, 5]
seeds: 3
split: {test: 100}
training: {epochs: 7, learning_rate: 1e-2}
tuning: {trials: 4}
"""


def ids(suite):
    return [cell.id for cell in expand(suite)]


def test_cells_come_in_the_order_of_the_file(load_text):
    found = [(c.dataset.id, c.model.id, c.sequence_length, c.horizon) for c in expand(load_text(TEXT))]
    models = ("last", "deep-layers=2", "deep-layers=3")
    assert found == list(product(("noise", "loud"), models, (10, 30), (1, 5)))
    assert len(set(ids(load_text(TEXT)))) == len(found) == 24


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ("{model: 'deep*', sequence_length: 10}", lambda d, m, length, h: m.startswith("deep") and length == 10),
        ("{dataset: loud}", lambda d, m, length, h: d == "loud"),
        ("{dataset: '[ln]o?*', model: last, horizon: 5}", lambda d, m, length, h: (m, h) == ("last", 5)),
        ("{horizon: 1}", lambda d, m, length, h: h == 1),
        ("{model: 'deep-layers=[3]'}", lambda d, m, length, h: m == "deep-layers=3"),
    ],
)
def test_exclusions_take_out_what_matches_every_key(load_text, rule, gone):
    everything = [(c.dataset.id, c.model.id, c.sequence_length, c.horizon) for c in expand(load_text(TEXT))]
    left = [
        (c.dataset.id, c.model.id, c.sequence_length, c.horizon)
        for c in expand(load_text(TEXT + f"exclude: [{rule}]\n"))
    ]
    assert left == [cell for cell in everything if not gone(*cell)]
    assert 0 < len(left) < len(everything)


def test_an_id_that_looks_like_a_glob_excludes_itself(load_text):
    text = "name: s\ndatasets: [{id: 'a[1]', kind: noise}, prices]\nmodels: [last]\nexclude: [{dataset: 'a[1]'}]\n"
    assert not fnmatchcase("a[1]", "a[1]")
    assert [cell.dataset.id for cell in expand(load_text(text))] == ["prices"]


def test_the_identity_of_one_cell_is_pinned(load_text):
    """Where this fails, every stored result would be run again: undo what changed, or mean it and pin the new one."""
    cell = list(expand(load_text(TEXT)))[6]
    assert cell.title == "noise × deep-layers=2, L=30, h=1"
    assert cell.id == "e7586b5da239d487"


def test_cells_of_a_shipped_suite_keep_their_ids():
    """As above, with the kinds and the suite that are shipped."""
    suite = load(SUITES / "quick.yaml", datasets=dataset_kinds(), models=model_kinds())
    found = {cell.title: cell.id for cell in expand(suite)}
    assert len(found) == 15
    assert found.items() >= PINNED.items()


def test_a_spec_is_read_back_by_name():
    found = CellSpec.from_json(replace(CELL, fresh_data=True).spec)
    assert (found.dataset_kind, found.model_kind, found.fresh_data) == ("noise", "net", True)
    assert found.model_parameters == CELL.model.parameters
    assert found.training == CELL.training.model_dump(exclude={"epsilon", "steps", "validate_every", "schedule"})
    assert found.rounds == CELL.training.rounds == 100
    assert set(found.content) - set(found.portable) == {"data_sha256", "plugins", "time_limit_s"}


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_a_row_without_a_spec_has_one_without_sections(text):
    found = CellSpec.from_json(text)
    assert (found.content, found.dataset_kind, found.model_kind, found.fresh_data) == ({}, "", "", False)
    assert (found.model_parameters, found.training) == ({}, {})


def test_where_a_file_lies_is_not_portable():
    def lying_at(path: str, sha256: str | None) -> str:
        entry = Entry(id="mine", kind="file", parameters={"path": path, "column": "x"})
        return replace(CELL, dataset=entry, data_sha256=sha256).spec

    here, there, there_too = lying_at("/a", None), lying_at("/b", None), lying_at("/b", "0" * 64)
    assert here != there
    assert CellSpec.from_json(here).portable == CellSpec.from_json(there).portable
    assert CellSpec.from_json(here).portable == CellSpec.from_json(there_too).portable


def test_a_key_is_the_names_of_a_cell():
    row = {"suite": "s", "dataset": "d", "model": "m", "sequence_length": 30, "horizon": 2, "seed": 0}
    key = CellKey.of(row)
    assert key == CellKey("d", "m", 30, 2)
    assert key.title == "d × m, L=30, h=2"
    assert key.case == Case("d", horizon=2, sequence_length=30)
    assert (key.case.title, key.case.key("m")) == ("d, L=30, h=2", key)
    assert CELL.key == CellKey("noise", "net", 10, 1)
    assert CELL.columns == {
        "cell_id": CELL.id,
        "suite": "s",
        "dataset": "noise",
        "model": "net",
        "sequence_length": 10,
        "horizon": 1,
    }
    assert tuple(CELL.columns) == KEY


CELL = Cell(
    suite="s",
    dataset=Entry(id="noise", kind="noise", parameters={"noise": 0.1}),
    model=Entry(id="net", kind="net", parameters={"layers": 1}),
    sequence_length=10,
    horizon=1,
    seeds=3,
    seed=0,
    split=Split(),
    training=Training(),
    tuning=Tuning(),
)

OTHER = {
    "dataset": [CELL.dataset.model_copy(update={key: value}) for key, value in
                {"id": "x", "kind": "x", "parameters": {"noise": 0.2}}.items()],
    "model": [CELL.model.model_copy(update={key: value}) for key, value in
              {"id": "x", "kind": "x", "parameters": {"layers": 2}, "stated": ("layers",)}.items()],
    "sequence_length": [11],
    "horizon": [2],
    "seed": [1],
    "split": [Split(validation=0.2), Split(test=0.1), Split(test=100), Split(stride=2), Split(origins=2)],
    "season": [24, "detect"],
    "tuning": [None],
    "as_published": [AsPublished(order="in-order"), AsPublished(scaler="series")],
    "fresh_data": [True],
    "data_sha256": ["0" * 64],
    "plugins": [{"other": "1.0"}],
}  # fmt: skip

NO_CONTENT = ("suite", "seeds", "finished", "untuned", "time_limit_s", "limits")
"""Fields that change no row of a replicate, but for rows that say so and are replaced, as those of `untuned`."""

VALUES = {
    "epochs": 7, "batch_size": 7, "windows_per_epoch": 7, "learning_rate": 0.7, "weight_decay": 0.7, "epsilon": 0.7,
    "early_stopping": 7, "clip_norm": None, "loss": "mae", "scaler": "standard", "supervision": "every-step",
    "trials": 7, "batch": 7, "sampler": "random", "pruner": "none", "steps": 70, "schedule": "cosine",
    "validate_every": 7,
}  # fmt: skip


def variants():
    for name, values in OTHER.items():
        for value in values:
            yield f"{name}={value}"[:60], replace(CELL, **{name: value})
    for name, model in (("training", Training), ("tuning", Tuning)):
        for key in model.model_fields.keys() - {"models"}:  # which cells are tuned, and not how
            needed = {"steps": VALUES["steps"]} if key == "validate_every" else {}
            yield f"{name}.{key}", replace(CELL, **{name: model(**{key: VALUES[key]}, **needed)})


def test_every_field_that_can_change_a_result_changes_the_identity():
    found = dict(variants())
    assert {field.name for field in fields(Cell)} == {*OTHER, "training", *NO_CONTENT}
    assert len({CELL.id, *(cell.id for cell in found.values())}) == 1 + len(found)


def test_an_option_that_came_later_is_content_only_where_it_is_set():
    later = replace(CELL, training=Training(epsilon=1e-7))
    assert '"epsilon":1e-07' in later.spec
    assert "epsilon" not in CELL.spec
    solved = {"damping": 0.2, "precision": "float64"}
    cell = replace(CELL, dataset=Entry(id="x", kind="oscillator", parameters=solved))
    single = replace(CELL, dataset=Entry(id="x", kind="oscillator", parameters={**solved, "precision": "float32"}))
    assert "precision" not in cell.spec
    assert '"precision":"float32"' in single.spec


@pytest.mark.parametrize("kind", sorted(LATER))
def test_what_came_later_has_the_default_that_is_left_out(kind):
    sections = {"training": Training, "tuning": Tuning, "split": Split}
    options = sections[kind]() if kind in sections else dataset_kinds()[kind].parameters()
    assert LATER[kind].items() <= options.model_dump().items()


def test_a_budget_in_steps_is_content_and_its_rounds_are_read_back():
    cell = replace(CELL, training=Training(steps=70, validate_every=20), tuning=Tuning(steps=30))
    assert {"epochs": None, "steps": 70, "validate_every": 20}.items() <= CellSpec.from_json(cell.spec).training.items()
    assert CellSpec.from_json(cell.spec).rounds == 4
    assert '"steps":30' in cell.spec
    assert "steps" not in CELL.spec
    assert '"validate_every":null' not in replace(CELL, training=Training(steps=70)).spec


@pytest.mark.parametrize("change", [{"suite": "another"}, {"seeds": 10}, {"finished": frozenset([0, 1])}])
def test_what_changes_no_row_is_no_part_of_it(change):
    other = replace(CELL, **change)
    assert (other.id, other.spec) == (CELL.id, CELL.spec)


def test_what_else_a_suite_has_is_no_part_of_it(load_text):
    more = TEXT.replace("seeds: 3", "seeds: 7").replace("horizons: [1, 5]", "horizons: [1, 5, 9]")
    more = (
        more.replace("[10, 30]", "[10, 20, 30]").replace("[noise,", "[noise, prices,").replace("[last,", "[last, net,")
    )
    before, after = ({cell.key: cell.id for cell in expand(load_text(each))} for each in (TEXT, more))
    assert len(after) == 3 * 4 * 3 * 3
    assert after.items() > before.items()


def test_the_replicates_to_run_are_those_that_are_not_finished():
    assert CELL.replicates == [0, 1, 2]
    assert replace(CELL, seeds=5, finished=frozenset([0, 1, 3])).replicates == [2, 4]


def test_the_spec_of_an_earlier_version_that_counts_seeds_has_the_id_of_today():
    former = json.dumps({**json.loads(CELL.spec), "seeds": 3})
    assert CellSpec.from_json(former).cell_id == CELL.id
    assert not CellSpec.from_json(former).has_its_own_id
    assert CellSpec.from_json(CELL.spec).has_its_own_id
    assert CellSpec.from_json(former).portable == CellSpec.from_json(CELL.spec).portable


def test_a_limit_is_no_part_of_it_and_is_recorded():
    limited = replace(CELL, time_limit_s=60.0)
    assert limited.id == replace(CELL, time_limit_s=61.5).id == CELL.id
    assert json.loads(limited.spec) == {**json.loads(CELL.spec), "time_limit_s": 60.0}
    assert CellSpec.from_json(limited.spec).time_limit_s == 60.0


def test_the_identity_of_a_cell_without_a_limit_is_the_hash_of_its_spec():
    assert CELL.id == hashlib.sha256(CELL.spec.encode()).hexdigest()[:16]


def test_order_comments_and_style_are_no_part_of_it(load_text):
    other = """\
# The same.
tuning:
  trials: 4
split: {validation: 0.1, "test": 100}
training: {learning_rate: 0.01, epochs: 7, loss: mse}
seeds: 0x3
horizons:
  - 1
  - 5
sequence_lengths: [10, 30]
models: [last, {dropout: 1.0e-1, layers: [2, 3], kind: net, id: deep}]
datasets: [{kind: noise, length: 1000}, {noise: .5, kind: noise, id: loud}]
name: another
"""
    assert ids(load_text(other)) == ids(load_text(TEXT))


def test_a_default_written_out_only_matters_where_tuning_would_vary_it(load_text):
    text = "name: s\ndatasets: [noise]\nmodels: [{}]\ntuning: {}\n"
    bare, stated = "net", "{kind: net, cell: lstm}"
    off = [load_text(text.format(model, "false")) for model in (bare, stated)]
    on = [load_text(text.format(model, "{trials: 3}")) for model in (bare, stated)]
    assert ids(off[0]) == ids(off[1])
    assert ids(on[0]) != ids(on[1])


def test_only_the_models_that_are_named_are_tuned(load_text):
    text = "name: s\ndatasets: [noise]\nmodels: [last, net, {id: wide-net, kind: net, layers: 2}]\ntuning: "
    named, none, every = (
        {cell.model.id: cell for cell in expand(load_text(text + tuning))}
        for tuning in ("{trials: 3, models: ['wide-*']}", "false", "{trials: 3}")
    )
    assert {name: bool(cell.tuning) for name, cell in named.items()} == {"last": False, "net": False, "wide-net": True}
    assert {name: cell.id for name, cell in named.items()} == {
        "last": none["last"].id,
        "net": none["net"].id,
        "wide-net": every["wide-net"].id,
    }
    assert "models" not in json.loads(alone(named["wide-net"]))["tuning"]


def test_a_file_is_known_by_its_bytes_wherever_it_lies() -> None:
    def lying_at(path: str, sha256: str) -> str:
        entry = Entry(id="mine", kind="file", parameters={"path": path, "column": "x"})
        return replace(CELL, dataset=entry, data_sha256=sha256).id

    assert lying_at("/a/mine.csv", "0" * 64) == lying_at("/b/mine.csv", "0" * 64)
    assert lying_at("/a/mine.csv", "0" * 64) != lying_at("/a/mine.csv", "1" * 64)


def test_what_counts_as_worse_is_no_part_of_a_cell(load_text):
    text = "name: s\ndatasets: [noise]\nmodels: [net]\n"
    plain, gated = (
        list(expand(load_text(each))) for each in (text, text + "gate: {thresholds: {rmse: 0.5}, alpha: 0.2}\n")
    )
    assert [cell.id for cell in plain] == [cell.id for cell in gated]


UNIT = """\
name: golden
datasets: [{kind: noise, noise: 0.5, unit: "m³/s"}]
models: [last]
sequence_lengths: [10]
"""


def test_a_unit_is_kept_by_the_suite_and_decides_no_cell(load_text):
    suite, without = load_text(UNIT), load_text(UNIT.replace(', unit: "m³/s"', ""))
    assert [entry.unit for entry in (*suite.datasets, *without.datasets)] == ["m³/s", None]
    assert [cell.spec for cell in expand(suite)] == [cell.spec for cell in expand(without)]
    assert ids(suite) == ids(without)
    assert type(suite).model_validate_json(suite.model_dump_json()).datasets == suite.datasets
    assert "unit" not in without.model_dump_json()


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("x" * 21, "at most 20 characters"),
        ('" USD"', "no space around it"),
        ('""', "non-empty text"),
    ],
)
def test_a_unit_is_a_short_text(problems, unit, message):
    ((_, _, said),) = problems(UNIT.replace('"m³/s"', unit))
    assert message in said


def test_sequences_and_models_have_no_unit(tmp_path):
    path = tmp_path / "x.yaml"
    for datasets, models in (("[{kind: adding, unit: m}]", "[gru]"), ("[noisy-sine]", "[{kind: gru, unit: m}]")):
        path.write_text(f"name: x\ndatasets: {datasets}\nmodels: {models}\n")
        with pytest.raises(SuiteError, match="unit"):
            load(path, datasets=dataset_kinds(), models=model_kinds())
