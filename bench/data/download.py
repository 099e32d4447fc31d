"""Download one pinned file into the cache. Imported only when the network is needed: pooch and requests are slow."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from bench.data.pins import Pinned
from bench.errors import DataUnavailable

_CONNECT_S = 5
_READ_S = 30
_RETRIES = 2
_CHUNK_BYTES = 1 << 16

pooch.get_logger().setLevel("ERROR")  # only the command line prints


def download(pinned: Pinned, folder: Path) -> Path:
    """The file in `folder`, written beside, verified by SHA-256, and renamed.

    Raises
    ------
    DataUnavailable
        The address cannot be reached, or sent something else, or the folder cannot be written; the message is the
        reason alone.
    """
    registry = {pinned.file: f"sha256:{pinned.sha256}"}
    cache = pooch.create(
        path=folder, base_url="", registry=registry, urls={pinned.file: pinned.address}, retry_if_failed=_RETRIES
    )
    try:
        return Path(cache.fetch(pinned.file, downloader=_get))
    except ValueError as error:  # pooch's word for a checksum that differs
        raise DataUnavailable(f"what {pinned.address} sent has not the pinned SHA-256 {pinned.sha256}") from error
    except OSError as error:  # requests' errors are of this kind too
        raise DataUnavailable(" ".join(str(error).split())) from error


def _get(address: str, output: str, _caller: pooch.Pooch) -> None:
    """What pooch calls to download; no connection at all is not tried again, so being offline is known at once."""
    try:
        with requests.get(address, stream=True, timeout=(_CONNECT_S, _READ_S)) as response:
            response.raise_for_status()
            with Path(output).open("wb") as file:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
    except requests.exceptions.ConnectionError as error:
        raise DataUnavailable(f"no connection to {urlsplit(address).netloc}") from error
