"""Published systems: compare printed numbers with our replicates, with a verdict for each number and claim.

Functions take rows and return frozen values; only `card_pictures` and `card_page` draw and write.
"""
