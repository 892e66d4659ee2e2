"""Run folders: what was sensed and decided, on disk."""
