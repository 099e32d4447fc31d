"""A path as the user writes it, on the command line, in Python, in a suite file or in the environment."""

import os
import re
from pathlib import Path

from platformdirs import user_cache_path

from bench.errors import InputError

RESULTS = Path("results")
"""Where results folders lie when none is named."""


SCHEMES = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "file")
"""How a URL begins that results may lie at; what follows is ``://``."""


def is_url(text: str | os.PathLike[str]) -> bool:
    """Whether `text` is a URL that results may lie at."""
    scheme, separator, _ = os.fspath(text).partition("://")
    return bool(separator) and scheme in SCHEMES


def path_of(text: str | os.PathLike[str]) -> Path:
    """`text` as the path of a file or folder of this machine; ``~`` is the user's home folder.

    What looks like a drive or a scheme, such as ``name:x`` or ``s3:x``, is the name of a file.

    Raises
    ------
    InputError
        It is empty, an address with ``://``, text that is not UTF-8, or begins with a home folder that is not known.
    """
    name = os.fspath(text)
    if not name.strip() or "\0" in name:
        raise InputError(f"expected the path of a file or folder, got {name!r:.60}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name):
        raise InputError(f"{name!r:.200}: expected a path of this machine, got an address; copy the files here first")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{os.fsencode(name)!r:.200}: expected a path in UTF-8, got other bytes; rename the folder, or name another"
        ) from None
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise InputError(f"{name!r:.200}: expected a home folder that is known; give the whole path") from None


def results_folder(text: str) -> Path:
    """A results folder, given by its path or by the bare name of one in ``results/``.

    Raises
    ------
    InputError
        As `path_of`.
    """
    path = path_of(text)
    bare = path.name == text and not path.exists()
    return RESULTS / path if bare and (RESULTS / path).is_dir() else path


def data_folders() -> list[Path]:
    """The folders of BENCH_DATA, which `os.pathsep` separates, in order; they need not exist.

    Raises
    ------
    InputError
        One of them is no path, as `path_of` says.
    """
    parts = [part for part in os.environ.get("BENCH_DATA", "").split(os.pathsep) if part.strip()]
    try:
        return [path_of(part) for part in parts]
    except InputError as error:
        raise InputError(f"BENCH_DATA: {error}") from None


def cache_folder() -> Path:
    """BENCH_CACHE, or the user's cache folder of the operating system."""
    named = os.environ.get("BENCH_CACHE")
    return path_of(named) if named else user_cache_path("bench")
