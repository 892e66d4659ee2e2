"""Pure vocabulary and the tick. Everything else in the house speaks it."""
