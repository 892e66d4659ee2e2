"""The digital twin: Eclipse SUMO behind the City port."""
