"""Entry points of other distributions."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint
from typing import Any

import pytest

from bench import registry
from bench.errors import InputError


class Named(Distribution):
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def metadata(self) -> Any:
        return {"Name": self._name}

    def read_text(self, filename: str) -> None:
        return None

    def locate_file(self, path: object) -> Any:
        raise NotImplementedError


def _point(name: str, distribution: str) -> EntryPoint:
    point = EntryPoint(name, f"{distribution}:KIND", "bench.datasets")
    vars(point)["dist"] = Named(distribution)
    return point


def test_two_distributions_of_one_name_are_refused_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [_point("tides", "harbour"), _point("winds", "harbour"), _point("tides", "ocean")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points[:2])
    assert registry.third_party("bench.datasets") == {"tides": points[0], "winds": points[1]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(InputError) as caught:
        registry.third_party("bench.datasets")
    assert str(caught.value) == (
        "plug-in 'tides': expected one distribution to register it, got harbour (harbour:KIND) and ocean (ocean:KIND); "
        "remove one"
    )
