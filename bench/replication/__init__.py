"""Published systems: what was printed against what the replicates give, with a verdict for each number and claim.

`suite_files` loads what a suite file says of them, `systems` holds it; the other modules make their cards from rows.
"""
