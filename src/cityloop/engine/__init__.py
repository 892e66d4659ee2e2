"""What drives the tick."""
