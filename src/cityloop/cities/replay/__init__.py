"""A recorded run, played back through the City port."""
