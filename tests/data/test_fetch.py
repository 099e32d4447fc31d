from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.data import pinned as module
from bench.data.pinned import PINNED, Pinned, fetch, locate, verify
from bench.errors import DataError, DataUnavailable, InputError
from bench.paths import cache_folder

CONTENT = b"Date,Close\r\n2020-01-02,1.5\r\n"


class _Server(ThreadingHTTPServer):
    """Sends `answers` one after the other, each a status and a body, and counts what was requested."""

    answers: list[tuple[int, bytes]]
    requested = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        status, body = self.server.answers[min(self.server.requested, len(self.server.answers) - 1)]
        self.server.requested += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as serving:
        serving.answers = [(200, CONTENT)]
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A user's folder and a cache, both empty; the pinned file is published at a closed port."""
    given, cache = tmp_path / "given", tmp_path / "cache"
    given.mkdir()
    monkeypatch.setenv("BENCH_DATA", str(given))
    monkeypatch.setenv("BENCH_CACHE", str(cache))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _publish(monkeypatch, "http://127.0.0.1:9/small.csv")
    return given, cache


def _publish(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(PINNED, "small", Pinned(file="small.csv", address=address, sha256=sha256))


def _online(monkeypatch: pytest.MonkeyPatch, server: _Server) -> None:
    _publish(monkeypatch, f"http://127.0.0.1:{server.server_port}/small.csv")


def _put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.csv"
    path.write_bytes(content)
    return path


def test_the_users_folder_comes_first(places: tuple[Path, Path]) -> None:
    given, cache = places
    _put(cache)
    path = _put(given)
    assert locate("small") == path


def test_subfolders_one_level_down_are_searched(places: tuple[Path, Path]) -> None:
    path = _put(places[0] / "stocks")
    assert locate("small") == path
    path.unlink()
    _put(places[0] / "stocks" / "deeper")
    assert verify("small").state == "absent"


def test_several_folders_are_searched_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(tmp_path / "third")
    second = _put(tmp_path / "second")
    folders = [str(tmp_path / name) for name in ("first", "second", "third")]
    monkeypatch.setenv("BENCH_DATA", os.pathsep.join(folders))
    assert locate("small") == second


def test_a_file_of_the_user_with_another_checksum_is_refused_and_kept(places: tuple[Path, Path]) -> None:
    path = _put(places[0], CONTENT.replace(b"\r\n", b"\n"))
    _put(places[1])
    with pytest.raises(DataError) as caught:
        locate("small")
    message = str(caught.value)
    assert message.startswith(f"{path}: expected SHA-256 {PINNED['small'].sha256}, got ")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in message
    assert "replace it" in message
    assert "\n" not in message
    assert verify("small").state == "damaged"
    assert [held.state for held in fetch(["small"])] == ["damaged"]


def test_a_cached_file_needs_no_network(places: tuple[Path, Path]) -> None:
    path = _put(places[1])
    assert locate("small") == path
    assert verify("small").path == path
    assert [(held.state, held.advice) for held in fetch(["small"])] == [("ok", "")]


def test_offline_fails_at_once_and_says_how_to_provide_the_file(places: tuple[Path, Path]) -> None:
    start = time.perf_counter()
    with pytest.raises(DataUnavailable) as caught:
        locate("small")
    assert time.perf_counter() - start < 3  # pooch's import included; a retry alone would wait 1 s and then 2 s
    assert str(caught.value) == (
        f"small.csv: not in BENCH_DATA ({places[0]}), not in the cache ({places[1]}), and no connection to "
        "127.0.0.1:9; name a folder that holds it in BENCH_DATA, or run `bench data fetch` with a network"
    )


@pytest.mark.parametrize(("named", "said"), [("", "BENCH_DATA names no folder"), ("/nowhere", "which is no folder")])
def test_offline_says_what_bench_data_was(named: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", named)
    with pytest.raises(DataUnavailable, match=said):
        locate("small")


def test_a_damaged_cache_is_said_when_it_cannot_be_mended(places: tuple[Path, Path]) -> None:
    _put(places[1], b"torn")
    with pytest.raises(DataUnavailable, match="damaged in the cache"):
        locate("small")
    assert verify("small").state == "damaged"


def test_a_download_is_verified_cached_and_not_repeated(places, server, monkeypatch) -> None:
    _online(monkeypatch, server)
    assert verify("small").state == "absent"
    assert [held.state for held in fetch(["small"])] == ["ok"]
    assert locate("small").read_bytes() == CONTENT
    assert server.requested == 1
    assert [path.name for path in places[1].iterdir()] == ["small.csv"]


def test_a_download_mends_a_damaged_cache(places, server, monkeypatch) -> None:
    _online(monkeypatch, server)
    _put(places[1], b"torn")
    assert locate("small").read_bytes() == CONTENT


def test_a_failing_server_is_asked_again(server, monkeypatch) -> None:
    _online(monkeypatch, server)
    server.answers = [(503, b""), (200, CONTENT)]
    monkeypatch.setattr("pooch.core.time.sleep", lambda _seconds: None)
    assert locate("small").read_bytes() == CONTENT
    assert server.requested == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [((404, b""), "404 Client Error"), ((200, b"<html>sign in</html>"), "has not the pinned SHA-256")],
)
def test_a_wrong_answer_leaves_nothing_behind(answer, said, places, server, monkeypatch) -> None:
    _online(monkeypatch, server)
    server.answers = [answer]
    monkeypatch.setattr("pooch.core.time.sleep", lambda _seconds: None)
    with pytest.raises(DataUnavailable, match=said) as caught:
        locate("small")
    assert "\n" not in str(caught.value)
    assert list(places[1].iterdir()) == []
    assert [(held.state, said in held.advice) for held in fetch(["small"])] == [("absent", True)]


def test_an_unknown_name_lists_the_pinned_files() -> None:
    with pytest.raises(InputError, match=r"unknown pinned file 'TSLB'; did you mean 'TSLA'\?"):
        locate("TSLB")


def test_without_a_name_the_cache_is_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_CACHE")
    assert "bench" in cache_folder().parts


def test_every_pin_names_a_commit_and_a_file_of_its_own() -> None:
    files = [pinned.file for pinned in PINNED.values()]
    assert len(set(files)) == len(files)
    for name, pinned in PINNED.items():
        if name != "small":
            assert pinned.address.startswith("https://raw.githubusercontent.com/")
            assert any(len(part) == 40 for part in pinned.address.split("/"))
            assert pinned.address.endswith(f"/{pinned.file}")


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="needs a file that even root cannot read")
def test_a_file_that_cannot_be_read_is_damaged(places: tuple[Path, Path]) -> None:
    path = places[0] / "small.csv"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=f"{path}: expected a file that can be read, got: Input/output error"):
        locate("small")
    held = verify("small")
    assert (held.state, held.path) == ("damaged", path)
    assert "Input/output error" in held.advice
    assert [held.state for held in fetch(["small"])] == ["damaged"]


def test_a_folder_that_cannot_be_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", "x" * 300)
    with pytest.raises(DataError, match=r"BENCH_DATA: expected folders that can be read, got x+: File name too long"):
        locate("small")
    assert [held.state for held in (verify("small"), *fetch(["small"]))] == ["damaged", "damaged"]


@pytest.mark.parametrize("reason", ["entered", "no home"])
def test_a_cache_that_cannot_be_read_leaves_the_data_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str
) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    if reason == "entered":
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path / ("n" * 300)))  # the system refuses to look for it
    else:
        monkeypatch.delenv("BENCH_CACHE", raising=False)
        monkeypatch.setenv("HOME", "relative")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(module, "cache_folder", _no_home)
    with pytest.raises(DataUnavailable, match=r"TSLA.csv: not in BENCH_DATA, and the cache cannot be read \(.*BENCH_C"):
        locate("TSLA")


def _no_home() -> Path:
    raise RuntimeError("could not determine the home directory")
