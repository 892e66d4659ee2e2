"""Refuse collection: what is full, who empties it when, and by which legal route."""
