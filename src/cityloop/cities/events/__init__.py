"""The event-driven city: days of calls in seconds, units tracked along edges."""
