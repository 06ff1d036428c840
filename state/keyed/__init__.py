"""Layouts of Flink's keyed state, besides users."""
