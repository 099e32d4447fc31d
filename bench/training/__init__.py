"""Training: banks of members, best weights by validation, errors in NumPy. Importing this imports no torch."""
