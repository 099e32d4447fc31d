"""Two versions of the code side by side on one machine: how much longer one takes than the other."""
