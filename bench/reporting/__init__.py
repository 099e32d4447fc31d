"""Rows → summary → pictures → one page: each step sees only the one before it.

::

    tables ──summary.summarise──▶ Summary ──figures.draw──▶ Picture ──render.write──▶ index.html, report.md, cells.csv
"""
