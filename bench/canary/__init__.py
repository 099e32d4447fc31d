"""Checks that raise an alarm if a test target leaks into a forecast of it."""
