"""One folder a domain, all of one shape; independent of each other."""
