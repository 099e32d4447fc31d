"""The probe: what one model costs, measured apart from tuning and from parallel work.

What is timed is what a user would deploy: networks are built of `torch.nn`'s own layers, one at a time, and stepped
by `torch.optim.Adam`. The speed of a bank of them is a quantity of its own.
"""
