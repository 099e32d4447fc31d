from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in `fake_probe`, which spawned processes can import, writes what it is requested."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "fakes")
    monkeypatch.setenv("FAKE_PROBE_LOG", str(tmp_path / "log"))
    return tmp_path / "log"
