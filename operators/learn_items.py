"""learn-items: the authoritative copy of everything known about items."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyflink.common import Row
from pyflink.datastream import RuntimeContext
from pyflink.datastream.functions import KeyedProcessFunction

from models.columns import AcceptedBatch
from operators.params import LearnItemsParams
from operators.publisher import Publisher
from operators.stages.learn import empty_items, name_new, objective
from state import accepted as accepted_codec
from state import chunks, descriptors
from state.item_state import ItemState

_TICK_MS = 1000


class LearnItemsFunction(KeyedProcessFunction):
    """Applies every accepted batch to the items of its bucket and publishes what changed.

    Input
        Accepted batches of one window, keyed by item bucket.
    Output
        Item chunks (key, Arrow bytes) for the compacted topic.
    State
        `items-v1`: item key -> item record, bounded by the item limit.
    Time
        Processing time; one publishing timer a bucket. It also fires after a restore: a bucket
        that is found full is published whole, most used items first.
    On failure
        A value that cannot be read fails the job with a StateError: restore an older savepoint
        or run the version that wrote it.
    """

    def __init__(self, params: LearnItemsParams) -> None:
        self._params = params

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle; a bucket's items are read when it is first touched."""
        self._records = runtime_context.get_map_state(descriptors.items())
        self._items = empty_items(self._params.learning)
        self._item_state = ItemState(self._params.learning.factors)
        self._objective = objective(self._params.learning)
        self._publishers: dict[int, Publisher] = {}
        self._buckets = {key: bucket for bucket, key in enumerate(self._params.keys)}

    def process_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """Learn all messages of a window, then write the rows that changed once."""
        bucket, messages = value
        publisher = self._publishers.get(bucket) or self._load(bucket, ctx)
        changed = [self._learn(bucket, accepted_codec.decode(message)) for message in messages]
        exported = self._items.export(np.unique(np.concatenate(changed)))
        names = exported.keys.view(np.int64).tolist()
        for name, record in zip(names, self._item_state.encode(exported), strict=True):
            self._records.put(name, record)
        publisher.mark(exported.keys)
        return iter(())

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:  # noqa: ARG002
        """Publish some of what changed, within the budget."""
        bucket = self._buckets[ctx.get_current_key()]
        publisher = self._publishers.get(bucket) or self._load(bucket, ctx)
        for name, keys in publisher.due(ctx.timer_service().current_processing_time()):
            value = chunks.encode(self._items.export(self._items.rows(keys, register=False)))
            publisher.spend(len(value))
            yield Row(name, value)
        _schedule(ctx)

    def _learn(self, bucket: int, message: AcceptedBatch) -> NDArray[np.int32]:
        rows = self._items.rows(message.keys)
        name_new(self._items, rows[: len(message.ids)], message.ids)
        owned = (message.keys % np.uint64(self._params.buckets) == bucket) & (rows >= 0)
        everything = np.ones(len(message), np.bool_)
        self._objective.apply(self._items, message, rows, fresh=everything, owned=owned)
        changed: NDArray[np.int32] = rows[owned]
        return changed

    def _load(self, bucket: int, ctx: Any) -> Publisher:
        publisher = Publisher(
            bucket=bucket,
            buckets=self._params.buckets,
            chunks=self._params.chunks,
            interval_ms=self._params.publish_interval_ms,
            bytes_per_second=self._params.publish_bytes_per_second,
        )
        self._publishers[bucket] = publisher
        records = [record for _, record in self._records.items()]
        if records:
            stored = self._item_state.decode(records)
            self._items.replace(stored, only_newer=False)
            publisher.mark(stored.keys[np.argsort(-stored.count, kind="stable")])
        _schedule(ctx)
        return publisher


def _schedule(ctx: Any) -> None:
    timers = ctx.timer_service()
    next_tick = (timers.current_processing_time() // _TICK_MS + 1) * _TICK_MS
    timers.register_processing_time_timer(next_tick)
