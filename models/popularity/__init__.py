"""How often items occurred, and how much that is worth now."""
