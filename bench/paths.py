"""A path as the user writes it, on the command line, in Python, in a suite file or in the environment."""

import os
import re
from pathlib import Path

from bench.errors import InputError


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
