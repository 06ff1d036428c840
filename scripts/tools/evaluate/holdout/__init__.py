"""Lists at one moment against all that a user takes afterwards."""
