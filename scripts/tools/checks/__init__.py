"""Checks, tests and preparations before anything runs."""
