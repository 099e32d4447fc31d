"""A small pair of registries, and what `load` says about a text."""

from __future__ import annotations

import textwrap
from typing import Literal

import pytest
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bench.data.base import DatasetKind, Parameters as DatasetParameters
from bench.errors import InputError, SuiteError
from bench.models.base import ModelKind, Parameters as ModelParameters
from bench.replication.suite_files import load


class Noise(DatasetParameters):
    length: int = Field(1000, ge=2)
    noise: float = Field(0.1, ge=0)
    drift: float | None = None


class UserFile(DatasetParameters):
    path: str = Field(min_length=1)
    column: str


class Net(ModelParameters):
    layers: int = Field(1, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    cell: Literal["lstm", "gru"] = "lstm"
    bidirectional: bool = False

    @model_validator(mode="after")
    def _dropout_has_a_place(self):
        if self.dropout and self.layers == 1:
            raise ValueError("dropout acts between layers:\nset layers to 2 or more")
        return self


class Blocks(ModelParameters):
    """As another distribution might write it: a parameter that is a list itself."""

    sizes: tuple[int, ...] | None = Field((8,), min_length=1)
    tuned: dict[str, int] = Field(default_factory=dict)
    base: int = 2

    @field_validator("base")
    @classmethod
    def _is_a_power_of_two(cls, value):
        if value.bit_count() != 1:
            raise PydanticCustomError("power", "{value} is no power of two", {"value": value})
        return value

    def check_window(self, sequence_length, horizon):
        if self.base > sequence_length + horizon:
            raise InputError(f"expected base ≤ {sequence_length + horizon}, got {self.base}")


class Last(ModelParameters):
    pass


@pytest.fixture(scope="session")
def registries():
    def never(parameters, seed):
        raise AssertionError("loading a suite reads no data")

    return {
        "datasets": {
            "noise": DatasetKind("noise", Noise, never),
            "prices": DatasetKind("prices", Noise, never),
            "file": DatasetKind("a file", UserFile, never),
        },
        "models": {
            "last": ModelKind("the last value", Last, "nowhere:build", gradient=False),
            "net": ModelKind("a network", Net, "nowhere:build"),
            "blocks": ModelKind("blocks", Blocks, "nowhere:build"),
        },
    }


@pytest.fixture
def load_text(registries, tmp_path, monkeypatch):
    """``load_text(text) -> Suite``, from a file that is called ``x.yaml``."""
    monkeypatch.chdir(tmp_path)

    def call(text):
        content = textwrap.dedent(text).encode() if isinstance(text, str) else text
        (tmp_path / "x.yaml").write_bytes(content)
        return load("x.yaml", **registries)

    return call


@pytest.fixture
def problems(load_text):
    """``problems(text) -> [(line, column, message), …]`` of a text that does not load."""

    def call(text):
        with pytest.raises(SuiteError) as caught:
            load_text(text)
        found = caught.value.problems
        assert {problem.file for problem in found} == {"x.yaml"}
        assert str(caught.value) == "\n".join(map(str, found))
        return [(problem.line, problem.column, problem.message) for problem in found]

    return call
