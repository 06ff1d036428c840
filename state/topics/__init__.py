"""One module a topic: what its records hold, how they are written and read."""
