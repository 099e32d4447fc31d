"""What every test has: a cache of its own, so that none reads or writes the user's; and no wait for old garbage."""

from __future__ import annotations

import gc
import itertools
import json
import logging
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


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of a real S3 server of this machine, with a bucket called ``bucket``."""
    import requests
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    requests.put(f"http://{host}:{port}/bucket", timeout=30)
    yield f"http://{host}:{port}"
    server.stop()


_numbers = itertools.count()


@pytest.fixture
def results_url(object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a place on that server where nothing lies yet; its credentials are in the environment."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "secret-of-testing",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": object_store,
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/results/{next(_numbers)}"


@pytest.fixture
def on_machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go on as if on the machine of that name: it has a cache of its own."""
    caches = tmp_path_factory.mktemp("machines")
    return lambda name: monkeypatch.setenv("BENCH_CACHE", str(caches / name))
