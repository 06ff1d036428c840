"""A stream as the records that the job reads."""

from collections.abc import Iterator

from scripts.tools.data.behaviour import Block, Blocks
from scripts.tools.kafka.produce import encoded

BATCH = 512


Batch = tuple[list[bytes | None], list[bytes | None], list[int]]


def batches(data: Blocks) -> Iterator[Batch]:
    """Yield the events as records: keys, values and times, ms, of a micro-batch.

    They arrive when they happen: what a user may say to others is bounded by arrival, too.
    """
    for block in data.blocks():
        records, times = list(encoded(positive(block))), list(block.times)
        for at in range(0, len(records), BATCH):
            part = records[at : at + BATCH]
            at_times = times[at : at + BATCH]
            yield [key for key, _ in part], [value for _, value in part], at_times


def positive(block: Block) -> Block:
    """Return the events, ratings as views where the source has no types of its own.

    In this protocol every one of those is a positive.
    """
    if block.typed:
        return block
    size = len(block)
    return Block(
        block.event_ids, block.users, block.items, ["view"] * size, block.times, [None] * size
    )
