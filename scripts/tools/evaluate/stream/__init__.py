"""The job's own pipeline over a file: what evaluations of ranking and of sessions share."""
