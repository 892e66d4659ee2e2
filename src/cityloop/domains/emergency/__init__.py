"""Emergency response: who goes to which call, and where the others stand meanwhile."""
