"""What a request passes before it is answered: origin, job, key, rate."""
