"""A city whose field is run by others: readings come in by the public protocols, leases go out by them."""
