"""``bench merge`` and ``bench compact``: what is done to whole results folders."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import InputError
from bench.store.merging import merge
from bench.store.packing import compact
from bench.text import plural


def merged(folders: Sequence[Path], into: Path | None) -> str:
    """Merge `folders` into the first of them, or into another, and say what that did.

    Raises
    ------
    InputError
        There is but one folder.
    StoreError
        As `bench.store.merging.merge`.
    """
    target = into or folders[0]
    if len(set(folders)) < 2 and into is None:
        raise InputError("bench merge: expected two results folders or more, got one; name the others after it")
    done = merge(folders, target)
    probes = f", {plural(done.probes, 'probe')} added" if done.probes else ""
    return f"{target}: {plural(len(done.added), 'cell')} added, {done.equal} equal in several folders{probes}"


def compacted(folder: Path) -> str:
    """Compact `folder`, and say what that did.

    Raises
    ------
    StoreError
        As `bench.store.packing.compact`.
    """
    done = compact(folder)
    return f"{folder}: {plural(done.cells, 'cell')} packed, {done.before} files became {done.after}"
