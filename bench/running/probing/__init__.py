"""Probing cells: in fresh processes, one at a time, rounds interleaved over the models of a case; stored at once."""
