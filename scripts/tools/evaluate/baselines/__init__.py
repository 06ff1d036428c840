"""Models that nobody serves: what the others are measured against, by the same protocol.

Each is a class with `learn(stream, begin, end, every, ranks)`: it takes the events from `begin` to
before `end` in order, writes the rank of every scored one before it learns it, and keeps what it
has learnt. `score(stream, e)` returns the scores (I,) of all items for the user of event `e`, -inf
for items never learnt and for the user's own, in an array that the next call uses again. Kernels
only, nothing of the job.
"""
