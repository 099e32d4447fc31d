"""The cells that are still to be run again, as a results folder keeps them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.errors import StoreError
from bench.store.renewal import FRESH, Renewal, read_renewal, write_renewal

BEGAN = datetime(2025, 6, 1, 12, tzinfo=UTC)


def test_what_is_written_is_read_and_an_empty_one_is_no_file(tmp_path: Path) -> None:
    assert read_renewal(tmp_path) is None
    write_renewal(tmp_path, Renewal(BEGAN, frozenset("ab")), "ab")
    assert read_renewal(tmp_path) == Renewal(BEGAN, frozenset("ab"))
    write_renewal(tmp_path, Renewal(BEGAN, frozenset("ab")), "b")
    assert read_renewal(tmp_path) == Renewal(BEGAN, frozenset("b"))
    write_renewal(tmp_path, Renewal(BEGAN, frozenset("ab")), "")
    assert list(tmp_path.iterdir()) == []


def test_a_cell_waits_until_it_was_started_later(tmp_path: Path) -> None:
    second = timedelta(seconds=1)
    started = {"older": BEGAN - second, "newer": BEGAN + second, "unknown": None, "other": BEGAN - second}
    assert Renewal(BEGAN, frozenset(["older", "newer", "unknown", "gone"])).waiting(started) == {"older", "unknown"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"began": 1, "cells": []}', '{"began": "2025", "cells": 3}', "[" * 100_000]
)
def test_a_file_that_no_bench_wrote_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FRESH).write_text(text)
    with pytest.raises(StoreError, match=r"fresh.json: expected the cells that --fresh has to run again") as caught:
        read_renewal(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_moment_without_a_zone_compares(tmp_path: Path) -> None:
    (tmp_path / FRESH).write_text('{"began": "2025-06-01T12:00:00", "cells": ["a"]}')
    renewal = read_renewal(tmp_path)
    assert renewal is not None
    assert renewal.waiting({"a": BEGAN - timedelta(days=2)}) == {"a"}
