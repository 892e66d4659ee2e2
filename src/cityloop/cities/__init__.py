"""Adapters of the City port."""
