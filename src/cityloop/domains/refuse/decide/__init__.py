"""One policy a file: which containers are emptied today."""
