"""A user's own file as a series: one or several columns, and one or two of times."""
