"""Routes: from a day's case to legal rounds, and to new ones while the day goes on."""
