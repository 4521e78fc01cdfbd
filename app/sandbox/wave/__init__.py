"""The imitation of the Wave Business API (protocols/wave.md, above all §9) and of Wave's pay page."""
