"""Bytes: what is remembered, in which layout, and how it is read back."""
