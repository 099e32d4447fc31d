"""Tuning: one Optuna study per cell, on the validation part only."""
