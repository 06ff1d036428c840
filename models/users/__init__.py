"""Users: what is remembered of their events."""
