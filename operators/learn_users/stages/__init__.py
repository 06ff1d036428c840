"""The rooms along the learn-users corridor: each takes and returns columns of one micro-batch."""
