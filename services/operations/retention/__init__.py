"""How long what is kept: one table of rules for everything that grows without being the books, and what takes away by it."""
