"""Behaviour: files, generated worlds, their times."""
