"""The authoritative copy of everything known about the items of some buckets. No Flink in here."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.columns import AcceptedBatch
from operators.params import LearnItemsParams
from operators.publisher import Publisher
from operators.stages.learn import empty_items, name_new, objective
from state import accepted as accepted_codec
from state import bounds, chunks
from state.item_state import ItemState

_LONGEST_NAME = 32


class Catalogue:
    """Learns the item side of every accepted batch, for the item buckets that were opened."""

    def __init__(self, params: LearnItemsParams) -> None:
        self._params = params
        self._items = empty_items(params.learning)
        self._item_state = ItemState(params.learning.factors)
        self._objective = objective(params.learning)
        self._publishers: dict[int, Publisher] = {}

    def is_open(self, bucket: int) -> bool:
        """Whether the records of a bucket were read."""
        return bucket in self._publishers

    def open(self, bucket: int, records: list[bytes]) -> None:
        """Read the records of a bucket; all of them will be published, most used first."""
        publisher = Publisher(
            bucket=bucket,
            buckets=self._params.buckets,
            chunks=self._params.chunks,
            interval_ms=self._params.publish_interval_ms,
            bytes_per_second=self._params.publish_bytes_per_second,
        )
        self._publishers[bucket] = publisher
        if records:
            stored = self._item_state.decode(records)
            self._items.replace(stored, only_newer=False)
            publisher.mark(stored.keys[np.argsort(-stored.count, kind="stable")])

    def learn(self, bucket: int, messages: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """Learn sealed accepted batches; return the items' records that changed, by key.

        Keys are item keys as signed 64-bit numbers.
        """
        changed = [self._learn(bucket, accepted_codec.decode(message)) for message in messages]
        exported = self._items.export(np.unique(np.concatenate(changed)))
        self._publishers[bucket].mark(exported.keys)
        names = exported.keys.view(np.int64).tolist()
        return list(zip(names, self._item_state.encode(exported), strict=True))

    def due(self, bucket: int, now_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of the chunks to publish now, within the budget.

        A chunk that is too large for one record comes in parts. Items are never taken out of it,
        so there are never fewer parts than the topic holds.
        """
        publisher = self._publishers[bucket]
        room = self._params.max_record_bytes - bounds.OVERHEAD - _LONGEST_NAME
        for name, keys in publisher.due(now_ms):
            rows = self._items.export(self._items.rows(keys, register=False))
            for part, value in enumerate(chunks.encode_within(rows, room)):
                publisher.spend(len(value))
                yield (b"%s/%d" % (name, part) if part else name), value

    def _learn(self, bucket: int, message: AcceptedBatch) -> NDArray[np.int32]:
        rows = self._items.rows(message.keys)
        name_new(self._items, rows[: len(message.ids)], message.ids)
        owned = (message.keys % np.uint64(self._params.buckets) == bucket) & (rows >= 0)
        everything = np.ones(len(message), np.bool_)
        self._objective.apply(self._items, message, rows, fresh=everything, owned=owned)
        changed: NDArray[np.int32] = rows[owned]
        return changed
