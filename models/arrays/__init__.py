"""Named tuples of arrays: what compiled functions take."""
