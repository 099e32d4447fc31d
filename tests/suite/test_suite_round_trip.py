"""A suite written as YAML and loaded again is the same suite, with the same cells."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings as checked, strategies as st
from ruamel.yaml import YAML

from bench.cells import expand
from bench.replication.suite_files import load

COUNT = st.integers(1, 2**31 - 1)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
LINE = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=30).filter(
    # ruamel writes a leading "?" without quotes in a flow mapping, and cannot read that again.
    lambda text: text == text.strip() and not text.startswith("?")
)


def some(**optional):
    return st.fixed_dictionaries({}, optional=optional)


def part(largest):
    return COUNT | st.floats(0.001, largest)


SETTINGS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", fullmatch=True)},
    optional={
        "sequence_lengths": st.lists(COUNT, min_size=1, max_size=3, unique=True),
        "horizons": st.lists(COUNT, min_size=1, max_size=3, unique=True),
        "seeds": COUNT,
        "seed": st.integers(0, 2**63 - 1),
        "split": some(validation=part(0.5), test=part(0.49)),
        "training": some(
            epochs=COUNT,
            learning_rate=POSITIVE,
            early_stopping=COUNT | st.just(False),
            clip_norm=POSITIVE | st.none(),
            loss=st.sampled_from(["mse", "mae", "huber"]),
        )
        | st.builds(
            lambda steps, every: {"steps": steps + every, "validate_every": every},
            st.integers(1, 1000),
            st.integers(1, 1000),
        ),
        "tuning": st.just(False) | some(trials=COUNT, epochs=COUNT | st.none()) | some(trials=COUNT, steps=COUNT),
        "time_limit_s": POSITIVE | st.none(),
    },
)
DATASET = some(length=st.integers(2, 10_000_000), noise=st.floats(0, 1e300), drift=st.floats(-9, 9) | st.none())
MODEL = some(layers=st.integers(2, 10**20), dropout=st.floats(0, 0.99), bidirectional=st.booleans())


def block_style(value):
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(value, stream)
    return stream.getvalue()


@checked(deadline=None)
@given(
    SETTINGS,
    DATASET.map(lambda parameters: [{"kind": "noise", "id": "a", **parameters}, "prices"]),
    st.builds(lambda name, parameters: [{"kind": "net", "id": name, "layers": 2, **parameters}], LINE, MODEL),
    st.sampled_from([json.dumps, block_style]),
)
def test_what_is_written_is_what_is_loaded(registries, settings, datasets, models, write):
    suite = loaded(write({**settings, "datasets": datasets, "models": models}), registries)
    plain = json.loads(suite.model_dump_json())
    assert {key: only(plain[key], value) for key, value in settings.items()} == settings
    for written, entry in zip([*datasets, *models], [*suite.datasets, *suite.models], strict=True):
        mapping = written if isinstance(written, dict) else {"kind": written, "id": written}
        assert {"kind": entry.kind, "id": entry.id, **only(entry.parameters, mapping)} == mapping
        assert {"kind", "id", *entry.stated} == mapping.keys()


@checked(deadline=None)
@given(SETTINGS, DATASET, MODEL, st.sampled_from([json.dumps, block_style]))
def test_a_suite_survives_being_written_and_loaded(registries, settings, dataset, model, write):
    datasets, models = [{"kind": "noise", **dataset}], [{"kind": "net", "layers": 2, **model}]
    suite = loaded(write({**settings, "datasets": datasets, "models": models}), registries)
    plain = json.loads(suite.model_dump_json())
    for key, entries in (("datasets", suite.datasets), ("models", suite.models)):
        plain[key] = [{"id": e.id, "kind": e.kind, **{name: e.parameters[name] for name in e.stated}} for e in entries]
    again = loaded(write(plain), registries)
    assert again == suite
    assert [cell.id for cell in expand(again)] == [cell.id for cell in expand(suite)]


def loaded(text, registries):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_text(text, encoding="utf-8")
        return load(path, **registries)


def only(whole, part):
    """What of `whole` has a counterpart in `part`."""
    return {key: whole[key] for key in part if key in whole} if isinstance(part, dict) else whole
