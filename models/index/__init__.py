"""Rows of items: how they are found, what they contain, how high they can score."""
