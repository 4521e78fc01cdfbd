"""Acting on many rows of a list at once: shown before, each row reported by itself, taken back while that is possible."""
