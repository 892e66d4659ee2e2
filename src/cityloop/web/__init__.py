"""The operations room over HTTP: API, live feed, dashboard."""
