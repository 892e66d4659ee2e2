"""What is built on a wired app: bench, compare, report, calibrate."""
