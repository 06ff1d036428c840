"""learn-items: the authoritative copy of everything known about items."""
