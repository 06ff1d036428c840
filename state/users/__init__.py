"""User records: their layouts, and how they are read and written."""
