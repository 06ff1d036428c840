"""What is checked, tested and prepared before anything runs."""
