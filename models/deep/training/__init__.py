"""The one room that knows torch; run by the trainer's own interpreter."""
