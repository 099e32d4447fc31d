"""The page of published systems: a card for each, with its verdicts, its pictures and the protocol's own result."""
