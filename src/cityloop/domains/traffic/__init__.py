"""Traffic: where vehicles are and where they turn; acts on nothing, feeds the others."""
