"""A fast city of containers: days of deposits, level sensors that err, trucks' scales."""
