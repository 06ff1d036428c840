"""Feedback: impressions joined with what the user does next."""
