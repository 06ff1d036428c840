"""The commands of `scripts/dead-letters`."""
