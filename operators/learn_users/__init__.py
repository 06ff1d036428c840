"""learn-users: decodes, learns and recommends, one micro-batch of a user bucket at a time."""
