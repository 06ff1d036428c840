"""Lifetimes of transactional ids: Kafka numbers their uses by epochs of 15 bits.

Where an id's epochs come to an end, a restart that has to commit its last transaction once more is
refused, whatever is tried (FLINK-40689; see `jobs.transactions`). An id takes two epochs for a
transaction, and one transaction a checkpoint at most.
"""

LAST = (1 << 15) - 2
"""Last epoch of a producer id."""
USED = 4_096
"""Epochs after which no submission begins with an id."""
CHECKPOINTS = (LAST - USED) // 2
"""Checkpoints that every submission has before an id may come to its last epoch."""
