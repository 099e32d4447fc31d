"""The figures of a report, one per module, and their common theme, panels and conversion to SVG."""
