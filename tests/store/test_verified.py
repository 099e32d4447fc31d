"""Parts that have not changed since they were verified are not opened again; whatever changed is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.errors import StoreError
from bench.store import parts, verified
from bench.store.parts import part_of
from bench.store.schema import SCHEMAS, Rows

MakeRows = Callable[..., Rows]
CELLS = [f"c{number:02}" for number in range(12)]
OLD_ENOUGH_S = 1.1
"""A part counts as settled a second after its last change."""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "verified"


@pytest.fixture
def filled(tmp_path: Path, make_rows: MakeRows) -> Path:
    with store.writing(tmp_path / "results") as writer:
        for cell_id in CELLS:
            writer.put(make_rows(cell_id))
    time.sleep(OLD_ENOUGH_S)
    return tmp_path / "results"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that are opened."""
    names: list[str] = []
    open_file = parts.open_file

    def noted(path: Path) -> object:
        names.append(str(Path(*path.parts[-2:])))
        return open_file(path)

    monkeypatch.setattr(parts, "open_file", noted)
    return names


def test_what_has_not_changed_is_opened_once(filled: Path, opened: list[str]) -> None:
    first, rows = store.stored(filled), store.read(filled, "runs")
    assert len(opened) == len(SCHEMAS) * len(CELLS)
    opened.clear()
    assert store.stored(filled) == first
    assert store.read(filled, "runs").equals(rows)
    assert store.readable(filled, "runs", ["cell_id", "seed"])[0].equals(rows.select(["cell_id", "seed"]))
    assert opened == []


def test_a_report_opens_every_part_again(filled: Path, opened: list[str]) -> None:
    store.stored(filled)
    opened.clear()
    store.gather(filled)
    assert len(opened) == len(SCHEMAS) * len(CELLS)


def test_a_cell_that_is_stored_again_is_read_again(filled: Path, make_rows: MakeRows, opened: list[str]) -> None:
    store.stored(filled)
    with store.writing(filled) as writer:
        writer.put(make_rows("c03", replicates=5))
        writer.put(make_rows("d"))
        writer.supersede("c07")
    opened.clear()
    assert list(store.stored(filled)) == sorted({*CELLS, "d"} - {"c07"})
    assert set(opened) == {f"{table}/{name}.parquet" for table in SCHEMAS for name in ("c03", "d")}
    rows = store.read(filled, "runs")
    assert rows["cell_id"].to_pylist() == sorted(rows["cell_id"].to_pylist())
    assert [rows["cell_id"].to_pylist().count(name) for name in ("c02", "c03", "c07", "d")] == [2, 5, 0, 2]


@pytest.mark.parametrize("table", SCHEMAS)
def test_a_part_changed_in_place_is_found_out_though_its_size_and_date_are_kept(filled: Path, table: str) -> None:
    store.stored(filled)
    part = part_of(filled, table, "c05")
    status, content = part.stat(), bytearray(part.read_bytes())
    content[-6] ^= 0xFF  # in the length of the footer
    with part.open("r+b") as file:
        file.write(content)
    os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (part.stat().st_size, part.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    with pytest.raises(StoreError, match=rf"{table}/c05\.parquet: .* is torn"):
        store.stored(filled)


def test_a_lost_part_is_found_out(filled: Path) -> None:
    store.stored(filled)
    part_of(filled, "curves", "c05").unlink()
    with pytest.raises(StoreError, match="lost"):
        store.stored(filled)


def test_what_may_still_change_within_the_tick_of_the_clock_is_not_kept(
    filled: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = min(part.stat().st_ctime_ns for part in filled.rglob("*.parquet"))
    monkeypatch.setattr(verified.time, "time_ns", lambda: first)
    store.stored(filled)
    opened.clear()
    store.stored(filled)
    assert len(opened) == len(SCHEMAS) * len(CELLS)


def test_a_copy_of_a_folder_does_not_vouch_for_itself(filled: Path, tmp_path: Path, opened: list[str]) -> None:
    store.stored(filled)
    filled.rename(tmp_path / "elsewhere")
    opened.clear()
    store.stored(tmp_path / "elsewhere")
    assert len(opened) == len(SCHEMAS) * len(CELLS)


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense PAR1", None])
def test_a_damaged_cache_costs_time_only(filled: Path, cache: Path, content: bytes | None) -> None:
    first = store.stored(filled)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-9] if content is None else content)
    assert store.stored(filled) == first


def test_a_cache_that_cannot_be_written_is_no_error(filled: Path, cache: Path) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    assert list(store.stored(filled)) == CELLS


def test_few_folders_are_remembered(filled: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "_KEPT", 2)
    for number in range(4):
        copy = filled.with_name(f"copy{number}")
        filled.rename(copy)
        store.stored(copy)
        filled = copy
    assert len(list(cache.iterdir())) == 2
