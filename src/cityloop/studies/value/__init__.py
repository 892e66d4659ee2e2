"""What a city can use without live control: timing sheets, times of day, signed exports, reports, notebooks."""
