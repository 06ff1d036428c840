"""What `scripts/evaluate` does: how good the models are on a file."""
