"""Published systems: compare printed numbers with our replicates, with a verdict for each number and claim.

`suite_files` loads what a suite file says of them, `systems` holds it; the other modules make their cards from rows.
"""
