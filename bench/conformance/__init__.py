"""Checks that a torch module of the user's own is fit to be a model, one line each."""
