"""Session neighbours: what came near a user's last items in the sequences of others."""
