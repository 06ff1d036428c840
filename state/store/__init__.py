"""Files of the model store, and of a round of training."""
