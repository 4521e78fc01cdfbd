"""Help inside the console. What it says of pages, roles and keys is made from the product itself, so that it cannot go stale."""
