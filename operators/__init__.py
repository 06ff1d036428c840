"""Thin Flink functions; the work is done by the stages and by `models`."""
