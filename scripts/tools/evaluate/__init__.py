"""Programs of `scripts/evaluate`: how good the models are on a file."""
