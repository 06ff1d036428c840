"""The rating objective."""
