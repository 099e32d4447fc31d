"""Statistics on arrays ``[cells, models, seeds]``: arrays in, small frozen results out."""
