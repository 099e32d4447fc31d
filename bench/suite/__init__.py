"""Suite files: their content, how they are read, and the cells that they expand into."""
