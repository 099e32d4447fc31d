"""Checks that sing when a test target leaks into what forecasts it."""

from __future__ import annotations

from bench.canary.base import Canary
from bench.canary.causality import CAUSALITY, SCALER
from bench.canary.chance import GBM, PERMUTED

CANARIES: dict[str, Canary] = {"causality": CAUSALITY, "permuted": PERMUTED, "gbm": GBM, "scaler": SCALER}
