"""How long a job takes to be where it was, after a Python worker was killed."""
