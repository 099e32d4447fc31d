"""The runner: cells in, rows out, stored at once."""
