"""What every test has: a cache of its own, so that none reads or writes the user's; and no wait for old garbage."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def pytest_collection_finish() -> None:
    """Leave all that was imported and collected out of later garbage collections: a whole one takes a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def note() -> Callable[..., None]:
    """Adds what a test measured to the file that BENCH_CHAOS_NOTES names, for ``tests/chaos/measure.py``."""

    def add(row: str, **measured: object) -> None:
        if path := os.environ.get("BENCH_CHAOS_NOTES"):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"row": row, **measured}) + "\n")

    return add
