"""The authoritative copy of everything known about the items of some buckets. No Flink in here."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.columns.accepted import AcceptedBatch
from models.columns.items import ItemRows
from models.items.applied import Applied
from models.popularity.levels import levels_of, worth
from operators.learn_items.publisher import Publisher
from operators.learning import empty_items, name_new, objective
from operators.params import LearnItemsParams
from state import record_sizes
from state.codec.sealed import IncompatibleError
from state.keyed.item_state import ItemState
from state.topics import accepted as accepted_codec
from state.topics import chunks, forgotten, switches
from state.topics import marks as marks_codec

_LONGEST_NAME = 32
_TOLD = 4_096
"""Messages to forget users that are remembered."""
_LOG = logging.getLogger(__name__)
_TOO_LARGE = (
    "learn-items: expected marks of at most half a record, got %d bytes with kafka.max_record_bytes"
    " at %d: chunks go without them, and events around a restart may be counted twice; raise it"
)


class ItemAuthority:
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
        self._gone: dict[int, set[int]] = {}
        self._left: dict[int, set[int]] = {}
        self._reached: dict[int, set[int]] = {}
        self._parts: dict[bytes, int] = {}
        self._told = False

    def is_open(self, bucket: int) -> bool:
        """Return whether the records of a bucket were read."""
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
        self._gone[bucket] = set()
        if records:
            stored = self._item_state.decode(records)
            self._check_scale(stored)
            level = levels_of(stored, self._params.learning.half_life_ms)
            level = worth(level, stored.count)
            publisher.restore(stored.keys[np.argsort(-level, kind="stable")])
            # whichever bucket is opened first: the most popular of all have a row
            admitted, gone = self._items.admit(stored.keys, level)
            self._note_gone(gone)
            self._note_gone(stored.keys[~admitted])
            if not admitted.all():
                chosen = np.flatnonzero(admitted).tolist()
                stored = self._item_state.decode([records[n] for n in chosen])
            self._items.replace(stored, only_newer=False)

    def _check_scale(self, stored: ItemRows) -> None:
        """Refuse items whose mean rating is none: a release before learnt any scale as it is."""
        scale, count = self._params.learning.scale, stored.count.sum()
        mean = stored.value_sum.sum() / max(count, 1)
        slack = 0.01 * (scale[1] - scale[0]) if scale else 0  # ratings have 32 bits
        if scale and count and not scale[0] - slack <= mean <= scale[1] + slack:
            raise IncompatibleError(
                f"items: expected ratings learnt as {scale[0]:g} to {scale[1]:g}, got a mean of"
                f" {mean:.4g}; start a job without state, and with a model store of its own"
            )

    def marks(self, bucket: int) -> bytes:
        """Return what a bucket's records contain of each source, to be stored with them."""
        return marks_codec.encode(self._applied[bucket].highest)

    def learn(
        self, bucket: int, messages: Sequence[bytes], stale: Sequence[int] = ()
    ) -> list[tuple[int, bytes | None]]:
        """Learn sealed accepted batches; return the items' records that changed, by key.

        Keys are item keys as signed 64-bit numbers; None stands for an item that was given up.
        `stale` are keys of records that are to be written anew.
        """
        changed = [
            self._forget(bucket, message)
            if forgotten.is_one(message)
            else self._learn(bucket, accepted_codec.decode(message))
            for message in messages
            if not switches.is_one(message)
        ]
        changed.append(np.array(stale, np.int64).view(np.uint64))
        rows = self._items.rows(np.unique(np.concatenate(changed)), register=False)
        rows = rows[rows >= 0]
        exported = self._items.export(rows)
        self._publishers[bucket].mark(exported.keys)
        names = exported.keys.view(np.int64).tolist()
        return [
            *((name, None) for name in self.given_up(bucket)),
            *zip(names, self._item_state.encode(exported), strict=True),
        ]

    def given_up(self, bucket: int) -> list[int]:
        """Return the keys of a bucket's records that nothing is known of any more, once.

        Items are given up for others whichever bucket is at hand, and each bucket writes its own
        records only. So ask whenever a bucket is at hand.
        """
        gone, self._gone[bucket] = self._gone[bucket], set()
        publisher = self._publishers[bucket]
        # items that had no event of their own have a row, too, and no record
        lost = np.array([key for key in sorted(gone) if publisher.holds(key)], np.uint64)
        publisher.forget(lost)
        names: list[int] = lost.view(np.int64).tolist()
        return names

    def _note_gone(self, keys: NDArray[np.uint64]) -> None:
        """Remember for each bucket that is open which of its items were given up."""
        of = keys % np.uint64(self._params.buckets)
        for bucket, gone in self._gone.items():
            gone.update(keys[of == bucket].tolist())

    def due(self, bucket: int, now_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of the chunks to publish now, within the budget.

        A chunk that is too large for one record comes in parts.
        """
        publisher = self._publishers[bucket]
        room = self._params.max_record_bytes - record_sizes.OVERHEAD - _LONGEST_NAME
        about = self._about(bucket, room)
        for name, keys in publisher.due(now_ms):
            rows = self._items.export(self._items.rows(keys, register=False))
            parts = chunks.encode_within(rows, room, about)
            # items that were given up: what was in a part before must not stay on the topic
            empty = max(0, self._parts.get(name, 0) - len(parts))
            self._parts[name] = len(parts)
            parts += empty * [chunks.encode(rows.take(0, 0), about)]
            for part, value in enumerate(parts):
                publisher.spend(len(value))
                yield (b"%s/%d" % (name, part) if part else name), value

    def _about(self, bucket: int, room: int) -> chunks.About:
        """Return what chunks say besides their rows."""
        marks = self._applied[bucket].highest.copy()
        items = self._publishers[bucket].items
        about = chunks.About(self._params.learning.origin, items, marks)
        if len(about.packed) <= room // 2:
            return about
        if not self._told:
            self._told = True
            _LOG.error(_TOO_LARGE, len(about.packed), self._params.max_record_bytes)
        return replace(about, marks=marks[:0])

    def _forget(self, bucket: int, message: bytes) -> NDArray[np.uint64]:
        """Forget sequences of users; return the bucket's items that were in them.

        All buckets share them, and each has a copy of the message: whichever is the first notes for
        the others which of their records are to be written anew.
        """
        told = forgotten.decode(message)
        reached = self._reached.setdefault(told.name, set())
        if bucket not in reached:
            rows = self._items.neighbours.forget(np.array(told.users, np.uint64))
            keys = self._items.keys[rows]
            of = keys % np.uint64(self._params.buckets)
            for number in self._publishers:
                self._left.setdefault(number, set()).update(keys[of == number].tolist())
            reached.update(self._publishers)
            while len(self._reached) > _TOLD:
                del self._reached[next(iter(self._reached))]
        return np.array(sorted(self._left.pop(bucket, set())), np.uint64)

    def _learn(self, bucket: int, message: AcceptedBatch) -> NDArray[np.uint64]:
        # for the marks only: this is no loop, Flink delivers each message exactly once
        self._applied[bucket].claim(message.bucket, message.coordinate)
        self._note_gone(self._items.make_room(message.keys))
        rows = self._items.rows(message.keys)
        name_new(self._items, rows[: len(message.ids)], message.ids)
        owned = (message.keys % np.uint64(self._params.buckets) == bucket) & (rows >= 0)
        everything = np.ones(len(message), np.bool_)
        self._objective.apply(self._items, message, rows, fresh=everything, owned=owned)
        changed: NDArray[np.uint64] = message.keys[owned]
        self._gone[bucket].difference_update(changed.tolist())  # they came back
        return changed
