"""A month of a city's own records: how far they can be trusted, and what the brain would have done."""
