"""Items: their rows, how they are found, what they contain."""
