"""The probe: time and memory of one model, measured separately from tuning and parallel work.

It times what a user would deploy: networks are built from `torch.nn`'s own layers, one at a time, and trained with
`torch.optim.Adam`. The speed of a bank is a separate quantity.
"""
