"""Published systems: what was printed against what the replicates give, with a verdict for each number and claim.

Rows in, frozen values out; nothing here draws or writes.
"""
