"""One module a command; `scripts/NAME` runs it."""
