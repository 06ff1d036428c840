"""Item-to-item transitions."""
