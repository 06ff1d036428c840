"""Models that nobody serves: what the others are measured against, by the same protocol.

Each is a class with `learn(stream, begin, end, every, ranks)`: it takes the events from `begin` to
before `end` in order, writes the rank of every scored one before it learns it, and keeps what it
has learnt. Kernels only, nothing of the job.
"""
