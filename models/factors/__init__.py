"""Factors of users and items, learnt by comparing an event's item with sampled ones."""
