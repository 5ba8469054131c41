"""Features that the core does not import: one folder each, cut off by removing it."""
