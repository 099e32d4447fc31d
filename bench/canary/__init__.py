"""Checks that raise an alarm when a test target leaks into what forecasts it."""
