"""Back-ups: made in one snapshot, sealed, proven by restoring them, kept for a while; and what a restore does."""
