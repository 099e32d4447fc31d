"""One cell → a suite of its own, in the words of the file: what another version of the code can read by itself."""

from __future__ import annotations

import json
from typing import Any

from bench.suite.cells import Cell
from bench.suite.spec import Entry

_SECTIONS = ("split", "training", "as_published", "tuning")


def alone(cell: Cell) -> str:
    """The text of a suite that has only `cell`; what its own file does not state is left to the reader's defaults."""
    content: dict[str, Any] = {
        "name": cell.suite,
        "datasets": [_entry(cell.dataset)],
        "models": [_entry(cell.model)],
        "sequence_lengths": [cell.sequence_length],
        "horizons": [cell.horizon],
        **{name: getattr(cell, name) for name in ("seeds", "seed", "fresh_data", "time_limit_s")},
    }
    for name in _SECTIONS:
        section = getattr(cell, name)
        content[name] = section.model_dump(mode="json", exclude_unset=True) if section else False
    return json.dumps(content, indent=1, ensure_ascii=False)


def _entry(entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "kind": entry.kind, **{name: entry.parameters[name] for name in entry.stated}}
