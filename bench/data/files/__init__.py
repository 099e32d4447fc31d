"""A user's own file as a series: one column, and one or two of times."""
