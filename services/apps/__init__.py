"""The phone apps: who is logged in on which phone, what a phone is told of changes, and what it did without a network."""
