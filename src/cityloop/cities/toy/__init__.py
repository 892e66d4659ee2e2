"""A city small enough to check by hand."""
