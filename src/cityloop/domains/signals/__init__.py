"""Traffic signals: movements, stages, decisions and their guard."""
