"""Popularity of items: their counts, and how these age."""
