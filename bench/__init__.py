"""Honest comparison of sequence architectures: a suite file goes in, measured cells come out."""

__version__ = "0.1.0"
