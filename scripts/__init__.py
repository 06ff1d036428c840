"""Command line tools of the project; imported by nothing else."""
