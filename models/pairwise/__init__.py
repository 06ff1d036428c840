"""Factors learnt by pairs of items."""
