"""The rooms along the learn-users pipeline: each takes and returns columns of one micro-batch."""
