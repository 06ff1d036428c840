"""A biased factorisation that is refitted to all kept ratings."""
