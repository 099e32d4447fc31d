"""The plug-ins that the base registers, where it runs with packages that were installed for the head."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_GROUPS = ("bench.datasets", "bench.models")


def registered(tree: Path, head: Path, folder: Path) -> Path | None:
    """A folder that, first on the path, makes the plug-ins of `tree` those of the project in `head`.

    Of the distributions of one name Python takes the first on the path, so one that has nothing but entry points
    hides what is installed. `None` where both register the same, or do not say so in their ``pyproject.toml``.

    Parameters
    ----------
    tree, head
        Where the two versions lie.
    folder
        Is made where it is needed.
    """
    ours, theirs = _project(tree), _project(head)
    name = theirs.get("name")
    if not name or _points(ours) == _points(theirs) or "entry-points" in ours.get("dynamic", ()):
        return None
    info = folder / f"{name.replace('-', '_')}-{ours.get('version', '0')}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {ours.get('version', '0')}\n", encoding="utf-8"
    )
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points) for group, points in _points(ours)]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _project(tree: Path) -> dict[str, Any]:
    file = tree / "pyproject.toml"
    found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}) if file.exists() else {}
    return found


def _points(project: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    entries = project.get("entry-points", {})
    return [(group, sorted(entries[group].items())) for group in _GROUPS if entries.get(group)]
