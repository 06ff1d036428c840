"""What the service knows, rebuilt from the job's topics at every start."""
