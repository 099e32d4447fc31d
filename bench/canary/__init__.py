"""Checks that sing when a test target leaks into what forecasts it."""

from __future__ import annotations

from bench.canary.base import Canary
from bench.canary.causality import CAUSALITY
from bench.canary.gbm import GBM
from bench.canary.permuted import PERMUTED
from bench.canary.scaler import SCALER

CANARIES: dict[str, Canary] = {"causality": CAUSALITY, "permuted": PERMUTED, "gbm": GBM, "scaler": SCALER}
