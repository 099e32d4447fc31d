"""Test whether one version of the code is slower than another, on one machine."""
