"""Wiring: sources, sinks, tables, uids and the main program."""
