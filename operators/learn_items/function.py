"""learn-items: the Flink shell around the catalogue."""

from collections.abc import Iterator
from typing import Any

import msgspec
from pyflink.common import Row
from pyflink.datastream import RuntimeContext
from pyflink.datastream.functions import KeyedProcessFunction

from operators.learn_items.authority import ItemAuthority
from operators.params import LearnItemsParams
from state.keyed import descriptors, lineage
from state.topics import forgotten, lease

_TICK_MS = 1000


class LearnItemsFunction(KeyedProcessFunction):
    """Applies every accepted batch to the items of its bucket and publishes what changed.

    Input
        Accepted batches of one window, keyed by item bucket.
    Output
        Item chunks (key, Arrow bytes) for the compacted topic.
    State
        `items-v1`: item key -> item record; all buckets of a subtask together are bounded by the
        item limit, but for what was given up within the last second.
    Time
        Processing time; one publishing timer a bucket. It also fires after a restore: a bucket
        that is found full is published whole, most used items first.
    On failure
        A value that cannot be read fails the job with a StateError: restore an older savepoint
        or run the version that wrote it. State of other topics or of another job fails it, too,
        before anything is published.
    """

    def __init__(self, params: LearnItemsParams) -> None:
        self._params = params

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle; a bucket's items are read when it is first touched."""
        self._records = runtime_context.get_map_state(descriptors.items())
        self._catalogue = ItemAuthority(self._params)
        self._renew_at = 0
        self._buckets = {key: bucket for bucket, key in enumerate(self._params.keys)}

    def process_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """Learn all messages of a window, then write the records that changed once."""
        bucket, messages = value
        if not self._catalogue.is_open(bucket):
            self._open_bucket(bucket)
            _schedule(ctx)
        stale = self._holding([one for one in messages if forgotten.is_one(one)])
        for key, record in self._catalogue.learn(bucket, messages, stale):
            if record is not None:
                self._records.put(key, record)
            else:
                self._records.remove(key)
        self._records.put(descriptors.MARKS_ENTRY, self._catalogue.marks(bucket))
        return iter(())

    def _holding(self, messages: list[bytes]) -> list[int]:
        """Return the items whose records hold users that are to be forgotten.

        A record keeps places that its sequence has long overtaken, until it is written again.
        """
        users = [user for message in messages for user in forgotten.decode(message).users]
        if not users:
            return []
        needles = [user.to_bytes(8, "little") for user in users]
        special = (descriptors.MARKS_ENTRY, descriptors.ITEMS_LINEAGE_ENTRY)
        return [
            key
            for key, record in self._records.items()
            if key not in special and any(needle in record for needle in needles)
        ]

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:  # noqa: ARG002
        """Publish some of what changed, within the budget; forget what was given up."""
        bucket = self._buckets[ctx.get_current_key()]
        if not self._catalogue.is_open(bucket):
            self._open_bucket(bucket)
        # a bucket whose items were given up for another's may wait long for its next window
        for key in self._catalogue.given_up(bucket):
            self._records.remove(key)
        now_ms = ctx.timer_service().current_processing_time()
        for name, value in self._catalogue.due(bucket, now_ms):
            yield Row(name, value)
        if bucket == 0:
            yield from self._renewed(now_ms)
        _schedule(ctx)

    def _renewed(self, now_ms: int) -> Iterator[Row]:
        """Say once a checkpoint that this job writes the output topics."""
        mine = self._params.lease
        if mine is not None and now_ms >= self._renew_at:
            self._renew_at = now_ms + self._params.lease_interval_ms
            yield Row(lease.KEY, lease.encode(msgspec.structs.replace(mine, at=now_ms)))

    def _open_bucket(self, bucket: int) -> None:
        records = dict(self._records.items())
        marks = records.pop(descriptors.MARKS_ENTRY, None)
        held = records.pop(descriptors.ITEMS_LINEAGE_ENTRY, None)
        changed = lineage.to_keep(self._params.lineage, held)
        if changed is not None:
            self._records.put(descriptors.ITEMS_LINEAGE_ENTRY, changed)
        self._catalogue.open(bucket, list(records.values()), marks)


def _schedule(ctx: Any) -> None:
    timers = ctx.timer_service()
    next_tick = (timers.current_processing_time() // _TICK_MS + 1) * _TICK_MS
    timers.register_processing_time_timer(next_tick)
