"""How old an event is when the recommendation it triggered can be read."""
