"""How bytes are sealed, checked and read back."""
