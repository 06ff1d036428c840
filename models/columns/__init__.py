"""Columns of one micro-batch: what the stages pass to each other."""
