"""Shared maths without domain words."""
