"""A stream as the records that the job reads."""

from collections.abc import Iterator

from scripts.tools.data.behaviour import Block, Blocks
from scripts.tools.kafka.produce import encoded

BATCH = 512


def batches(data: Blocks) -> Iterator[tuple[list[bytes | None], list[bytes | None]]]:
    """Yield the events as records: keys and values of a micro-batch."""
    for block in data.blocks():
        records = list(encoded(positive(block)))
        for at in range(0, len(records), BATCH):
            part = records[at : at + BATCH]
            yield [key for key, _ in part], [value for _, value in part]


def positive(block: Block) -> Block:
    """Return the events, ratings as views: in this protocol every one of them is a positive."""
    if set(block.types) != {"rating"}:
        return block
    size = len(block)
    return Block(
        block.event_ids, block.users, block.items, ["view"] * size, block.times, [None] * size
    )
