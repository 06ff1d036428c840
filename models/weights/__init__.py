"""Weights of scores that follow what ranked events say."""
