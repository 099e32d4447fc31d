"""Real files with a known URL and SHA-256: read from a user's folder or the cache, or downloaded.

The SHA-256 is checked each time. pooch and requests are slow to import, so they are imported only for a download. The
daily prices among the files come in two formats: ``Date,…,Close,…`` and ``date,…,close,…``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from bench.data.base import DatasetKind, Provenance, Series, file_sha256
from bench.data.files.options import CALENDAR, Channels, File
from bench.data.files.reading import channels_of, names_of_columns, read_columns
from bench.data.stand_ins import stand_in
from bench.errors import DataError, DataUnavailable, one_line
from bench.paths import cache_folder, data_folders
from bench.registry import lookup


@dataclass(frozen=True)
class Pinned:
    """One published file.

    Parameters
    ----------
    file
        Its name, in the user's folder and in the cache.
    address
        Where it is published; the address names the commit, so its content does not move.
    sha256
        SHA-256 of its bytes.
    """

    file: str
    address: str
    sha256: str


_COURSE = (
    "https://raw.githubusercontent.com/indohito/EE241/e5b8089d45518a71f2507ff3ddbd3d00d8f0042e/Lab4_Report_Template"
)
_SP500 = (
    "https://raw.githubusercontent.com/CNuge/kaggle-code/f1109438d6cfb3ffdaa7d4480437cfbaaedd3236/"
    "stock_data/individual_stocks_5yr"
)
_MNIST = "https://raw.githubusercontent.com/fgnt/mnist/ae608a02b796c9ee908c082585a5f006fe05258e"


def _pin(folder: str, file: str, sha256: str) -> Pinned:
    return Pinned(file=file, address=f"{folder}/{file}", sha256=sha256)


PINNED: dict[str, Pinned] = {
    "TSLA": _pin(_COURSE, "TSLA.csv", "1c675cb2d603fc9e1d31460beb782219ff8c5e68819541ce329e9318cf69f3f7"),
    "GOOGL": _pin(_COURSE, "GOOGL.csv", "e4386d17f7fd8352afad21cf81a7ab5ede9fd236262b60cc9d69d67dbbb0b1c2"),
    "DJI": _pin(_COURSE, "DJI.csv", "2fe19782dfffbabc172e59cce891c6c7c17151adf70bd33630f60fa08110a411"),
    "A": _pin(_SP500, "A_data.csv", "2747366eee726574c15f35c3241076da7aaf2b3ca6bf255fdc3a22625b1c62e3"),
    "GOOG": _pin(_SP500, "GOOG_data.csv", "6bf738cf40b866f2dfb9c879e5b7062fc75eaeaf8c8112ea1b03a71ad833c8da"),
    "mnist-train-images": _pin(
        _MNIST, "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "mnist-train-labels": _pin(
        _MNIST, "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "mnist-test-images": _pin(
        _MNIST, "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "mnist-test-labels": _pin(
        _MNIST, "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}


@dataclass(frozen=True)
class LocalFile:
    """How one pinned file is held on this machine.

    Parameters
    ----------
    name, file
        Its name in `PINNED`, and the file's.
    state
        ``ok``; ``absent``, neither in a folder of BENCH_DATA nor in the cache; ``damaged``, another SHA-256
        or unreadable.
    path
        Where it is; `None` where it is absent.
    advice
        What is wrong and what to do; empty where nothing is.
    """

    name: str
    file: str
    state: Literal["ok", "absent", "damaged"]
    path: Path | None = None
    advice: str = ""


def locate(name: str) -> Path:
    """The file pinned as `name`, verified.

    The folders of BENCH_DATA (separated by ``os.pathsep``) and their subfolders one level down come first, then
    the cache, then the network.

    Raises
    ------
    DataError
        The file in the user's folder has another SHA-256, or a file cannot be read.
    DataUnavailable
        It is in none of these places; the message gives the two ways to provide it.
    """
    pinned = lookup(PINNED, name, "pinned file")
    if (other := stand_in(name)) is not None:
        return other
    if (given := _given(pinned)) is not None:
        if (sha256 := file_sha256(given)) != pinned.sha256:
            raise DataError(_differs(given, pinned, sha256))
        return given
    try:
        cached = cache_folder() / pinned.file
        if cached.is_file() and file_sha256(cached) == pinned.sha256:
            return cached
    except (OSError, RuntimeError, DataError) as error:  # no right to enter it, or no home folder to hold it
        raise DataUnavailable(
            f"{pinned.file}: not in BENCH_DATA, and the cache cannot be read ({one_line(error)}); "
            "name a folder that holds it in BENCH_DATA, or one for the cache in BENCH_CACHE"
        ) from error
    return _download(pinned, cached)


def verify(name: str) -> LocalFile:
    """How the file pinned as `name` is held here; asks no network."""
    pinned = lookup(PINNED, name, "pinned file")
    path = None
    try:
        path = _given(pinned) or cache_folder() / pinned.file
        if not path.is_file():
            return LocalFile(name, pinned.file, "absent", advice=_WAYS)
        sha256 = file_sha256(path)
    except DataError as error:
        return LocalFile(name, pinned.file, "damaged", path, str(error))
    if sha256 != pinned.sha256:
        return LocalFile(name, pinned.file, "damaged", path, _differs(path, pinned, sha256))
    return LocalFile(name, pinned.file, "ok", path)


def fetch(names: Iterable[str] = tuple(PINNED)) -> Iterator[LocalFile]:
    """Provide each of the files, downloading those that are not at hand; one result as each is done."""
    for name in names:
        try:
            locate(name)
        except DataUnavailable as error:
            yield LocalFile(name, PINNED[name].file, "absent", advice=str(error))
        except DataError:
            yield verify(name)  # it finds the same, and does not raise
        else:
            yield verify(name)


_WAYS = "name a folder that holds it in BENCH_DATA, or run `bench data fetch` with a network"


def _given(pinned: Pinned) -> Path | None:
    """The file in the first folder of BENCH_DATA that has it."""
    for folder in data_folders():
        try:
            for path in (folder / pinned.file, *sorted(folder.glob(f"*/{pinned.file}"))):
                if path.is_file():
                    return path
        except OSError as error:  # a name that is too long, a folder that may not be entered
            raise DataError(f"BENCH_DATA: expected folders that can be read, got {folder}: {error.strerror}") from error
    return None


def _download(pinned: Pinned, cached: Path) -> Path:

    try:
        return download(pinned, cached.parent)
    except DataUnavailable as error:
        folders = [f"{folder}" if folder.is_dir() else f"{folder}, which is no folder" for folder in data_folders()]
        given = f"not in BENCH_DATA ({'; '.join(folders)})" if folders else "BENCH_DATA names no folder"
        state = "damaged in" if cached.is_file() else "not in"
        raise DataUnavailable(
            f"{pinned.file}: {given}, {state} the cache ({cached.parent}), and {error}; {_WAYS}"
        ) from error


def _differs(path: Path, pinned: Pinned, sha256: str) -> str:
    return (
        f"{path}: expected SHA-256 {pinned.sha256}, got {sha256}; replace it with the file of {pinned.address} "
        "(line ends count), or remove it"
    )


_CONNECT_S = 5
_READ_S = 30
_RETRIES = 2
_CHUNK_BYTES = 1 << 16


def download(pinned: Pinned, folder: Path) -> Path:
    """The file in `folder`, written next to, verified by SHA-256, and renamed.

    Raises
    ------
    DataUnavailable
        The address cannot be reached, or sent something else, or the folder cannot be written; the message is the
        reason alone.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")  # only the command line prints
    registry = {pinned.file: f"sha256:{pinned.sha256}"}
    cache = pooch.create(
        path=folder, base_url="", registry=registry, urls={pinned.file: pinned.address}, retry_if_failed=_RETRIES
    )
    try:
        return Path(cache.fetch(pinned.file, downloader=_get))
    except ValueError as error:  # pooch's word for a checksum that differs
        raise DataUnavailable(f"what {pinned.address} sent has not the pinned SHA-256 {pinned.sha256}") from error
    except OSError as error:  # requests' errors are of this kind too
        raise DataUnavailable(one_line(error)) from error


def _get(address: str, output: str, _caller: object) -> None:
    """What pooch calls to download; no connection at all is not tried again, so being offline is known at once."""
    import requests

    try:
        with requests.get(address, stream=True, timeout=(_CONNECT_S, _READ_S)) as response:
            response.raise_for_status()
            with Path(output).open("wb") as file:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
    except requests.exceptions.ConnectionError as error:
        raise DataUnavailable(f"no connection to {urlsplit(address).netloc}") from error


class Stock(Channels):
    """Parameters of a stock; the names of its columns may be written with capitals or without."""

    @field_validator("columns", "target", "known_future", mode="before")
    @classmethod
    def _in_small_letters(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            return tuple(map(cls._in_small_letters, given))
        return given.lower() if isinstance(given, str) else given

    column: Literal["open", "high", "low", "close", "adj close", "volume"] = Field("close", description="The values.")


def stock(name: str, summary: str) -> DatasetKind:
    """The dataset of the file pinned as `name`."""
    return DatasetKind(summary, Stock, partial(_load, name), partial(_fingerprint, name))


def _load(name: str, parameters: Stock, _seed: int) -> Series:
    path = locate(name)
    names = {column.lower(): column for column in names_of_columns(path)}
    _require(path, parameters, names)
    chosen = File(path=str(path), time=names["date"], max_gap=None, **_as_in_the_file(parameters, names))
    columns, _ = read_columns(chosen)
    provenance = Provenance(f"{PINNED[name].address}, {chosen.described()}", PINNED[name].sha256)
    return Series(**channels_of(columns, chosen), provenance=provenance, time=columns.time)


def _require(path: Path, parameters: Stock, names: Mapping[str, str]) -> None:
    """Refuse a file that lacks some of several columns."""
    known = {*names, *map(str, range(1, len(names) + 1)), *CALENDAR}
    absent = [str(each) for each in parameters.channels if str(each) not in known]
    if absent and len(parameters.channels) > 1:
        raise DataError(
            f"{path}: expected the columns {', '.join(map(str, parameters.channels))}, got none called "
            f"{', '.join(absent)} (known: {', '.join(names.values())}); leave them out, or name a folder in BENCH_DATA "
            "whose file has them"
        )


def _as_in_the_file(parameters: Stock, names: Mapping[str, str]) -> dict[str, Any]:
    """What is said of the columns, with their names as the file has them."""

    def named(given: Any) -> Any:
        if isinstance(given, tuple):
            return tuple(map(named, given))
        return names.get(given.lower(), given) if isinstance(given, str) else given

    if parameters.columns is None and parameters.target is None:
        return {"column": named(parameters.column), "known_future": named(parameters.known_future)}
    return {
        "columns": named(parameters.columns),
        "target": named(parameters.targets),
        "known_future": named(parameters.known_future),
    }


def _fingerprint(name: str, _parameters: Stock) -> str:
    return PINNED[name].sha256
