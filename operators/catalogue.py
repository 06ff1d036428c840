"""The authoritative copy of everything known about the items of some buckets. No Flink in here."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.columns import AcceptedBatch, ItemRows
from models.items.applied import Applied
from operators.params import LearnItemsParams
from operators.publisher import Publisher
from operators.stages.learn import empty_items, name_new, objective
from state import accepted as accepted_codec
from state import bounds, chunks
from state import marks as marks_codec
from state.codec import IncompatibleError
from state.item_state import ItemState

_LONGEST_NAME = 32


class Catalogue:
    """Learns the item side of every accepted batch, for the item buckets that were opened."""

    def __init__(self, params: LearnItemsParams) -> None:
        self._params = params
        self._items = empty_items(params.learning)
        self._item_state = ItemState(
            params.learning.factors, self._items.context_seed, params.learning.variances
        )
        self._objective = objective(params.learning)
        # a bucket's own: the others' windows may be further, and so may be their state
        self._applied: dict[int, Applied] = {}
        self._publishers: dict[int, Publisher] = {}

    def is_open(self, bucket: int) -> bool:
        """Whether the records of a bucket were read."""
        return bucket in self._publishers

    def open(self, bucket: int, records: list[bytes], marks: bytes | None = None) -> None:
        """Read the records of a bucket; all of them will be published, most popular first.

        Parameters
        ----------
        marks : bytes, optional
            What the records contain, see `marks`.
        """
        publisher = Publisher(
            bucket=bucket,
            buckets=self._params.buckets,
            chunks=self._params.chunks,
            interval_ms=self._params.publish_interval_ms,
            bytes_per_second=self._params.publish_bytes_per_second,
            restore_bytes_per_second=self._params.restore_bytes_per_second,
        )
        self._applied[bucket] = Applied()
        if marks is not None:
            self._applied[bucket].contain(marks_codec.decode(marks))
        self._publishers[bucket] = publisher
        if records:
            stored = self._item_state.decode(records)
            self._check_scale(stored)
            first = np.argsort(-stored.popularity, kind="stable")
            # in this order, so that what the limit has no room for is what is least popular
            self._items.rows(stored.keys[first])
            self._items.replace(stored, only_newer=False)
            publisher.restore(stored.keys[first])

    def _check_scale(self, stored: ItemRows) -> None:
        """Refuse items whose mean rating is none: a release before learnt any scale as it is."""
        scale, count = self._params.learning.scale, stored.count.sum()
        mean = stored.value_sum.sum() / max(count, 1)
        if scale is not None and count and not scale[0] <= mean <= scale[1]:
            raise IncompatibleError(
                f"items: expected ratings learnt as {scale[0]:g} to {scale[1]:g}, got a mean of"
                f" {mean:.4g}; start a job without state, and with a model store of its own"
            )

    def marks(self, bucket: int) -> bytes:
        """Return what a bucket's records contain of each source, to be stored with them."""
        return marks_codec.encode(self._applied[bucket].highest)

    def learn(self, bucket: int, messages: Sequence[bytes]) -> list[tuple[int, bytes | None]]:
        """Learn sealed accepted batches; return the items' records that changed, by key.

        Keys are item keys as signed 64-bit numbers; None stands for an item that was given up.
        """
        gone = [np.empty(0, np.uint64)]
        changed = [
            self._learn(bucket, accepted_codec.decode(message), gone) for message in messages
        ]
        rows = self._items.rows(np.unique(np.concatenate(changed)), register=False)
        exported = self._items.export(rows)
        publisher = self._publishers[bucket]
        publisher.mark(exported.keys)
        names = exported.keys.view(np.int64).tolist()
        lost = self._lost(bucket, gone)
        publisher.forget(lost)
        return [
            *((name, None) for name in lost.view(np.int64).tolist()),
            *zip(names, self._item_state.encode(exported), strict=True),
        ]

    def _lost(self, bucket: int, gone: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
        """Return the bucket's keys among those given up that have not come back since."""
        keys = np.concatenate(gone)
        keys = keys[keys % np.uint64(self._params.buckets) == bucket]
        lost: NDArray[np.uint64] = keys[self._items.rows(keys, register=False) < 0]
        return lost

    def due(self, bucket: int, now_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of the chunks to publish now, within the budget.

        A chunk that is too large for one record comes in parts. Items are never taken out of it,
        so there are never fewer parts than the topic holds.
        """
        publisher = self._publishers[bucket]
        room = self._params.max_record_bytes - bounds.OVERHEAD - _LONGEST_NAME
        about = self._about(bucket, room)
        for name, keys in publisher.due(now_ms):
            rows = self._items.export(self._items.rows(keys, register=False))
            for part, value in enumerate(chunks.encode_within(rows, room, about)):
                publisher.spend(len(value))
                yield (b"%s/%d" % (name, part) if part else name), value

    def _about(self, bucket: int, room: int) -> chunks.About:
        """Return what chunks say besides their rows; marks only where they are a small part."""
        marks = self._applied[bucket].highest.copy()
        if marks.nbytes > room // 4:
            marks = marks[:0]
        items = self._publishers[bucket].items
        return chunks.About(self._params.learning.origin, items, marks)

    def _learn(
        self, bucket: int, message: AcceptedBatch, gone: list[NDArray[np.uint64]]
    ) -> NDArray[np.uint64]:
        # for the marks only: this is no loop, Flink delivers each message exactly once
        self._applied[bucket].claim(message.bucket, message.coordinate)
        gone.append(self._items.make_room(message.keys))
        rows = self._items.rows(message.keys)
        name_new(self._items, rows[: len(message.ids)], message.ids)
        owned = (message.keys % np.uint64(self._params.buckets) == bucket) & (rows >= 0)
        everything = np.ones(len(message), np.bool_)
        self._objective.apply(self._items, message, rows, fresh=everything, owned=owned)
        changed: NDArray[np.uint64] = message.keys[owned]
        return changed
