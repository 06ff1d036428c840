"""Codecs: bytes sealed, checked and read back."""
