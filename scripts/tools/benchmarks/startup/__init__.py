"""Seconds until something comes out: of a submitted job, and of the demonstration."""
