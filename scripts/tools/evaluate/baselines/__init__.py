"""Models that nobody serves: what the others are measured against."""
