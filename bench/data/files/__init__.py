"""A user's own file as a series: one column, and one or two of times."""

from __future__ import annotations

from bench.data.files.options import File
from bench.data.files.order import check, gaps
from bench.data.files.reading import FILE, names_of_columns, read_columns
from bench.data.files.table import Columns, require_columns

__all__ = ["FILE", "Columns", "File", "check", "gaps", "names_of_columns", "read_columns", "require_columns"]
