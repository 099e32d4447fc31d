"""Results at a URL, on a real S3 server of this machine: published once and whole, brought here by their content."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from bench import store
from bench.errors import InputError, StoreError
from bench.store import bucket as objects, published
from bench.store.bucket import Bucket
from bench.store.copies import COPY, copy_of, url_of
from bench.store.reader import read_probes
from bench.store.renewal import Renewal
from bench.store.schema import SCHEMAS, Rows, table

MakeRows = Callable[..., Rows]
Machine = Callable[[str], None]


def _put(url: str, *cells: Rows) -> Path:
    """Store cells at `url` on this machine."""
    folder = copy_of(url)
    with store.writing(folder) as writer:
        for rows in cells:
            writer.put(rows)
    return folder


def _parts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for name in SCHEMAS for path in (folder / name).iterdir()}


def _there(url: str, prefix: str) -> list[str]:
    return sorted(Bucket(url).listed(prefix))


def test_a_create_only_put_is_refused_where_there_is_an_object(results_url: str) -> None:
    there = Bucket(results_url)
    assert there.is_new("journal/cells/a/000001.json", b"first")
    assert not there.is_new("journal/cells/a/000001.json", b"second")
    assert there.get("journal/cells/a/000001.json") == b"first"
    assert there.create("journal/cells/a/000001.json", b"first")  # as by a try whose answer was lost
    assert not there.create("journal/cells/a/000001.json", b"second")


def test_another_machine_has_every_part_byte_for_byte(
    results_url: str, on_machine: Machine, make_rows: MakeRows
) -> None:
    on_machine("one")
    one = _put(results_url, make_rows("a"), make_rows("b", mse=9.0))
    on_machine("two")
    two = copy_of(results_url)
    assert two != one
    assert _parts(two) == _parts(one)
    assert store.read(two, "runs").equals(store.read(one, "runs"))
    assert _there(results_url, "journal") == [f"journal/cells/{name}/000001.json" for name in "ab"]
    assert _there(results_url, "claims") == []


def test_nothing_is_transferred_again(
    results_url: str, on_machine: Machine, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(results_url, make_rows("a"))
    on_machine("two")
    copy_of(results_url)
    fetched: list[str] = []
    get = Bucket.get
    monkeypatch.setattr(Bucket, "get", lambda self, path: fetched.append(path) or get(self, path))
    _put(results_url)
    assert fetched == []


KILLED = """
import os, signal, sys
from pathlib import Path
from bench import store
from bench.store.bucket import Bucket
from bench.store.copies import copy_of
sys.path.insert(0, sys.argv[2])
from conftest import rows_of

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

left = int(sys.argv[3])
is_new = Bucket.is_new

def put(self, path, content):
    global left
    if not path.startswith("claims") and (left := left - 1) < 0:
        killed()
    return is_new(self, path, content)

folder = copy_of(sys.argv[1])
with store.writing(folder) as writer:
    assert writer.claim("a")
    Bucket.is_new = put
    writer.put(rows_of("a"))
"""


@pytest.mark.parametrize("puts", [2, len(SCHEMAS)])
def test_a_kill_within_an_upload_loses_nothing_and_doubles_nothing(
    results_url: str, on_machine: Machine, make_rows: MakeRows, puts: int
) -> None:
    """Of the objects of a cell, `puts` are there when the process is killed: some parts, or all but the entry."""
    on_machine("one")
    command = [sys.executable, "-c", KILLED, results_url, str(Path(__file__).parent), str(puts)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    assert _there(results_url, "journal") == []
    on_machine("two")
    two = copy_of(results_url)
    assert store.stored(two) == {}  # nobody sees half a cell
    on_machine("one")
    one = copy_of(results_url)
    assert list(store.stored(one)) == ["a"]  # what was computed is here
    assert store.unsettled(one)
    with store.writing(one) as writer:
        assert writer.claim("a")  # the one that was killed is known to be gone
        writer.release("a")
    assert not store.unsettled(one)
    assert _there(results_url, "journal") == ["journal/cells/a/000001.json"]
    assert len(_there(results_url, "")) == len(SCHEMAS) + 1
    assert _there(results_url, "claims") == []
    on_machine("two")
    assert _parts(copy_of(results_url)) == _parts(one)


def test_runs_on_two_machines_share_cells_by_claims(results_url: str, on_machine: Machine, make_rows: MakeRows) -> None:
    on_machine("one")
    first = copy_of(results_url)
    with store.writing(first) as one:
        assert one.claim("a")
        on_machine("two")
        second = copy_of(results_url)
        with store.writing(second) as two:
            assert not two.claim("a")
            assert two.claims.is_taken("a")
            assert two.claims.others() == ["a"]
            assert two.claim("b")
            one.put(make_rows("a"))
            on_machine("one")
            one.publisher.end()  # its thread has published what was put
            on_machine("two")
            assert two.claim("a")  # and finds it done
            assert store.read_cell(second, "runs", "a").equals(store.read_cell(first, "runs", "a"))
        on_machine("one")
    assert _there(results_url, "claims") == []


def test_a_claim_of_another_machine_is_taken_over_when_it_has_stood_still(
    results_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(published.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(published, "is_gone", lambda _: None)  # as of processes elsewhere
    there = Bucket(results_url)
    gone, here = (published.SharedClaims(tmp_path / name, bucket=there) for name in "ab")
    assert gone.take_there("cell")
    assert not here.take_there("cell")
    now[0] = published.STALE_S - 1
    assert here.is_taken("cell")
    now[0] = published.STALE_S
    assert not here.is_taken("cell")
    assert here.take_there("cell")
    assert _there(results_url, "claims") == ["claims/cell/1", "claims/cell/2"]
    now[0] += published.STALE_S - 1
    assert gone.is_taken("cell") is False  # it does not know yet
    here.give_back("cell")
    assert _there(results_url, "claims") == []


def test_of_two_that_made_one_cell_the_first_counts_and_the_others_replicates_are_added(
    results_url: str, on_machine: Machine, make_rows: MakeRows
) -> None:
    on_machine("two")
    two = copy_of(results_url)
    on_machine("one")
    _put(results_url, make_rows("a", fit_s=1.0), make_rows("b", fit_s=1.0))
    on_machine("two")
    with store.writing(two) as writer:  # which has seen nothing of that
        writer.put(make_rows("a", fit_s=7.0))
        writer.put(make_rows("b", fit_s=7.0, replicates=3))
    assert store.read_cell(two, "runs", "a")["fit_s"].to_pylist() == [1.0, 1.0]
    assert store.read_cell(two, "runs", "b")["fit_s"].to_pylist() == [1.0, 1.0, 7.0]
    entries = [f"journal/cells/{name}.json" for name in ("a/000001", "b/000001", "b/000002")]
    assert _there(results_url, "journal") == entries
    on_machine("one")
    assert _parts(copy_of(results_url)) == _parts(two)


def test_what_replaces_a_known_state_is_the_next_state(
    results_url: str, on_machine: Machine, make_rows: MakeRows
) -> None:
    on_machine("one")
    _put(results_url, make_rows("a", fit_s=1.0))
    on_machine("two")
    _put(results_url, make_rows("a", fit_s=7.0))  # as by --fresh
    on_machine("one")
    assert store.read_cell(copy_of(results_url), "runs", "a")["fit_s"].to_pylist() == [7.0, 7.0]


def test_cells_that_are_set_aside_and_brought_back_are_so_everywhere(
    results_url: str, on_machine: Machine, make_rows: MakeRows
) -> None:
    on_machine("one")
    one = _put(results_url, make_rows("a"), make_rows("b"))
    on_machine("two")
    two = copy_of(results_url)
    with store.writing(two) as writer:
        writer.supersede("a")
    on_machine("one")
    assert copy_of(results_url) == one
    assert (list(store.stored(one)), list(store.stored(one / store.ARCHIVE))) == (["b"], ["a"])
    on_machine("three")
    three = copy_of(results_url)
    assert (list(store.stored(three)), list(store.stored(three / store.ARCHIVE))) == (["b"], ["a"])
    with store.writing(three) as writer:
        writer.restore(["a"])
    on_machine("one")
    copy_of(results_url)
    assert (list(store.stored(one)), list(store.stored(one / store.ARCHIVE))) == (["a", "b"], [])


def test_the_suite_a_request_to_run_again_and_probes_come_along(
    results_url: str, on_machine: Machine, make_rows: MakeRows
) -> None:
    key = {"cell_id": "a", "suite": "s", "dataset": "d", "model": "m", "sequence_length": 3, "horizon": 1}
    probe = table("probes", [{**key, "status": "ok", "quantity": "bank_step_s", "value": 2.5, "repeat": 0}])
    renewal = Renewal(datetime(2026, 1, 2, tzinfo=UTC), frozenset({"a", "b"}))
    on_machine("one")
    with store.writing(copy_of(results_url)) as writer:
        writer.put_suite('{"name": "s"}')
        writer.put_renewal(renewal, renewal.cells)
        writer.put_probe(probe, "machine")
    on_machine("two")
    two = copy_of(results_url)
    assert store.read_suite(two) == '{"name": "s"}'
    assert store.read_renewal(two) == renewal
    assert read_probes(two)["value"].to_pylist() == [2.5]
    with store.writing(two) as writer:
        writer.put_suite('{"name": "s", "seed": 1}')
        writer.put_renewal(renewal, [])
    for machine in ("one", "three"):
        on_machine(machine)
        folder = copy_of(results_url)
        assert store.read_suite(folder) == '{"name": "s", "seed": 1}'
        assert store.read_renewal(folder) is None


def test_what_is_damaged_here_is_brought_again(results_url: str, make_rows: MakeRows) -> None:
    folder = _put(results_url, make_rows("a"), make_rows("b"))
    before = _parts(folder)
    (folder / "curves" / "a.parquet").write_bytes(b"PAR1")
    (folder / "runs" / "b.parquet").unlink()
    assert _parts(copy_of(results_url)) == before
    assert not store.unsettled(folder)


def test_what_is_damaged_there_is_left_out_and_made_again(
    results_url: str, on_machine: Machine, make_rows: MakeRows, caplog: pytest.LogCaptureFixture
) -> None:
    on_machine("one")
    _put(results_url, make_rows("a"), make_rows("b"))
    there = Bucket(results_url)
    (part,) = there.listed("runs").keys() & {path for path in there.listed("runs") if "/a-" in path}
    there.renew(part, b"PAR1 and nothing of it")
    on_machine("two")
    two = copy_of(results_url)
    assert list(store.stored(two)) == ["b"]
    assert "the cell a is left out" in caplog.text
    _put(results_url, make_rows("a", mse=4.5))
    on_machine("three")
    assert store.read_cell(copy_of(results_url), "runs", "a")["mse"].to_pylist() == [4.5, 4.5]


def test_results_that_were_removed_there_are_published_again(
    results_url: str, make_rows: MakeRows, caplog: pytest.LogCaptureFixture
) -> None:
    _put(results_url, make_rows("a"))
    there = Bucket(results_url)
    for path in there.listed(""):
        there.remove(path)
    folder = copy_of(results_url)
    assert "lacks 1 result that it had; a run publishes them again" in caplog.text
    assert store.unsettled(folder)
    store.publish(folder)
    assert _there(results_url, "journal") == ["journal/cells/a/000001.json"]


def test_a_store_that_is_gone_for_a_while_loses_nothing(
    results_url: str, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(objects, "_RETRIES", {"max_retries": 0})
    folder = copy_of(results_url)
    writers = store.writing(folder)
    writer = writers.__enter__()
    assert writer.claim("a")
    monkeypatch.setattr(writer.publisher.copy.bucket, "_store", _unreachable())
    writer.put(make_rows("a"))
    assert writer.claim("b")  # it goes on
    writer.put(make_rows("b"))
    with pytest.raises(StoreError) as ended:
        writers.__exit__(None, None, None)
    text = str(ended.value)
    assert text.startswith(f"{results_url}: cannot be written to: no answer")
    assert text.endswith(
        f"2 results could not be published, kept in {folder}: the same command publishes what is there"
    )
    assert "\n" not in text
    assert list(store.stored(folder)) == ["a", "b"]
    store.publish(folder)
    assert len(_there(results_url, "journal")) == 2


def _unreachable() -> object:
    from obstore.store import S3Store

    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 0}}
    return S3Store("bucket", endpoint="http://127.0.0.1:9", **options)


@pytest.fixture
def refusing(object_store: str) -> object:
    """The server lets nobody in that it does not know."""
    requests.post(f"{object_store}/moto-api/reset-auth", data=b"0", timeout=30)
    yield
    requests.post(f"{object_store}/moto-api/reset-auth", data=b"inf", timeout=30)


def _one_line(url: str) -> str:
    with pytest.raises(InputError) as no:
        copy_of(url)
    text = str(no.value)
    assert "\n" not in text
    assert "testing" not in text
    return text


def test_what_cannot_be_reached_is_said_in_one_line(
    results_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    assert _one_line("s3://nowhere/x").endswith("listed: there is no such bucket; make it first, or name another")
    request.getfixturevalue("refusing")
    assert "its credentials are not known there; see AWS_ACCESS_KEY_ID" in _one_line(results_url)
    monkeypatch.setattr(objects, "_RETRIES", {"max_retries": 0})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "no answer; see the network, and AWS_ENDPOINT_URL" in _one_line(results_url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    assert "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in _one_line(results_url)


def test_a_url_that_holds_credentials_is_refused_and_not_shown() -> None:
    text = _one_line("s3://key:testing@bucket/x")
    assert text.startswith("s3://…: expected a URL without @")
    assert "expected a bucket and where in it" in _one_line("s3://")
    assert "expected names between the slashes, got . or .." in _one_line("s3://bucket/../../x")


def test_what_is_not_installed_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert 'pip install "sequence-bench[storage]"' in _one_line("s3://bucket/x")


def test_credentials_are_kept_nowhere(results_url: str, make_rows: MakeRows) -> None:
    folder = _put(results_url, make_rows("a"))
    there = Bucket(results_url)
    kept = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(b"secret-of-testing" in content for content in [*kept, *map(there.get, there.listed(""))])


def test_a_folder_of_a_stranger_is_no_copy_whatever_it_says(tmp_path: Path, results_url: str) -> None:
    (tmp_path / COPY).mkdir()
    (tmp_path / COPY / "url").write_text(results_url)
    assert url_of(tmp_path) is None
    own = copy_of(results_url)
    assert url_of(own) == results_url
    (own / COPY / "url").write_text("s3://bucket/elsewhere")
    assert url_of(own) is None


def test_a_folder_by_its_url_is_a_store_too(tmp_path: Path, on_machine: Machine, make_rows: MakeRows) -> None:
    url = f"file://{tmp_path}/shared"
    on_machine("one")
    one = _put(url, make_rows("a"))
    on_machine("two")
    assert _parts(copy_of(url)) == _parts(one)
    assert (tmp_path / "shared" / "journal" / "cells" / "a" / "000001.json").is_file()
