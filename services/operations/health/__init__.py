"""What the product stands on: each part asked by one probe, kept as samples, told at /health, in the console and by `inet doctor`."""
