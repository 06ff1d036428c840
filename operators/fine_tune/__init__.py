"""fine-tune: the training events, the rounds of training, and the model that serves."""
