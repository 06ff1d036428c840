"""The ranking objective: its components joined."""
