"""The lookup service: lookups a second, guests, readiness, and from a click to its list."""
