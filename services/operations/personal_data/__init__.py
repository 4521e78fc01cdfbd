"""A customer asks at the desk, by phone or by letter what is kept of them, or to be forgotten: what staff does with that."""
