"""Devices to readings: the edges that devices talk to, quality before use, live state, and manners under load."""
