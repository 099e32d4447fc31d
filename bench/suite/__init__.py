"""Suite files: what they say, how they are read, and the cells that they expand into."""
