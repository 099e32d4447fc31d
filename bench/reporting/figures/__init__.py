"""One picture per file; the theme, the panels and the way to SVG that they share."""
