"""Policies of dispatch and coverage, one file each."""
