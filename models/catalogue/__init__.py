"""Catalogue: what is known of items besides behaviour."""
