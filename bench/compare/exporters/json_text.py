"""A comparison as JSON: everything in it, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from bench.compare.values import Comparison

FORMAT = 3
"""Raise it when a key changes its name, type or meaning."""


def to_json(comparison: Comparison) -> str:
    """Everything in `comparison`; a missing value is null, an interval a pair."""
    summary = {"format": FORMAT, "verdict": comparison.verdict, "same_machines": comparison.same_machines}
    return json.dumps({**summary, **asdict(comparison)}, ensure_ascii=False, allow_nan=False, indent=2)
