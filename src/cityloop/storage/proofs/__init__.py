"""Proofs that nothing acknowledged is lost: a sender that keeps its own record, and a checker that shares no code."""
