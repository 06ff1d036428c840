"""First stage: raw records in, columns of events out, and a reason for each record refused.

Whatever the bytes are, a record has exactly one outcome: a row of `Decoded.events` or an entry
of `Decoded.rejected`. A micro-batch of usual records is decoded as a whole
(`operators.stages.clean`), any other record by record; a record that fails anywhere is looked at
again, check by check, by `operators.stages.explain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.columns import Events
from models.keys import bucket_of, key_of
from models.params import EventPolicy
from models.past import ALWAYS
from operators.stages.clean import DecodeClean, Event, identity_of, name_of
from operators.stages.explain import INT64, MAX_DEPTH, Explain, Rejected, depth_of, is_id, kind_of

__all__ = ["Decode", "Decoded", "Rejected"]

_CACHED_ITEMS = 1_000_000


@dataclass(slots=True)
class Decoded:
    """What became of the records of one micro-batch; events and rejected add up to them."""

    users: list[str]
    """Distinct user ids, in order of first appearance: what `events.user` points into."""
    events: Events
    """n events, in the order of the records."""
    item_ids: list[str]
    """Item id of each event, length n."""
    event_ids: list[str]
    """Event id, or the identity in hexadecimal where there is none, length n."""
    rejected: list[Rejected]


_Row = tuple[int, int, int, float, float, int, int, str, str]
"""User, item, identity, weight, rating, time, hiding time, item id, event id of an event."""


class _RefusedError(Exception):
    """A check of the short path failed; the long path finds out which."""


class Decode:
    """Decodes micro-batches of one worker by one policy.

    Parameters
    ----------
    policy : EventPolicy
    """

    def __init__(self, policy: EventPolicy) -> None:
        self._policy = policy
        self._largest = policy.max_bytes
        self._longest = policy.max_id_bytes
        self._earliest = policy.earliest_ms
        self._rating_type = policy.rating_type
        self._kinds = {name: kind_of(policy, name) for name in policy.weights}
        self._parse = msgspec.json.Decoder(Event).decode
        self._explain = Explain(policy)
        self._item_keys: dict[str, int] = {}
        self._decode_clean = DecodeClean(policy, self._kinds, self._item_keys)

    def __call__(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        coordinates: Sequence[int] | NDArray[np.int64],
        published: Sequence[int] | NDArray[np.int64],
        *,
        bucket: int,
        now_ms: int,
    ) -> Decoded:
        """Decode one micro-batch; never raises because of what a record holds.

        Parameters
        ----------
        keys, values : sequence of bytes or None, length N
            Of the records, in processing order.
        coordinates, published : int, length N
            See `Events`.
        bucket : int
            User bucket the records were sent to.
        now_ms : int
            Processing time.
        """
        if len(self._item_keys) > _CACHED_ITEMS:
            self._item_keys.clear()
        latest = now_ms + self._policy.max_future_ms
        try:
            clean = self._decode_clean(keys, values, coordinates, published, latest)
        except Exception:  # whatever its class: the way below finds out what there is to it
            return self._each(keys, values, coordinates, published, bucket, latest)
        return Decoded(clean.users, clean.events, clean.item_ids, clean.event_ids, [])

    def _each(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        coordinates: Sequence[int] | NDArray[np.int64],
        published: Sequence[int] | NDArray[np.int64],
        bucket: int,
        latest: int,
    ) -> Decoded:
        """Decode record by record."""
        users: dict[str, int] = {}
        rows: list[_Row] = []
        rejected: list[Rejected] = []
        read = self._read
        for position, (key, value) in enumerate(zip(keys, values, strict=True)):
            try:
                rows.append(read(key, value, users, bucket, latest))
            except Exception:  # whatever its class: one bad record must not stop the others
                rejected.append(self._explain(position, key, value, bucket, latest))
        kept = np.ones(len(values), np.bool_)
        kept[[one.position for one in rejected]] = False
        user, item, identity, weight, rating, time, hide, item_ids, event_ids = (
            zip(*rows, strict=True) if rows else [()] * 9
        )
        events = Events(
            user=np.array(user, np.int32),
            item=np.array(item, np.uint64),
            identity=np.array(identity, np.uint64),
            weight=np.array(weight, np.float32),
            value=np.array(rating, np.float32),
            time=np.array(time, np.int64),
            published=np.asarray(published, np.int64)[kept],
            coordinate=np.asarray(coordinates, np.int64)[kept],
            hide=np.array(hide, np.int64),
        )
        return Decoded(list(users), events, list(item_ids), list(event_ids), rejected)

    def _read(
        self,
        key: bytes | None,
        value: bytes | None,
        users: dict[str, int],
        bucket: int,
        latest: int,
    ) -> _Row:
        """Return the row of a good record; raises, whatever it may be, for any other."""
        if value is None or len(value) > self._largest:
            raise _RefusedError
        # the nesting cannot be deeper than there are brackets, and counting those is fast
        if value.count(b"{") + value.count(b"[") > MAX_DEPTH and depth_of(value) > MAX_DEPTH:
            raise _RefusedError
        if not value.isascii():
            value.decode()
        event = self._parse(value)
        user_id, item_id, event_id = event.user_id, event.item_id, event.event_id
        weight, lowest, highest, absent = self._kinds[event.event_type]
        time, amount = event.timestamp, absent if event.value is None else event.value
        if not (
            self._earliest <= time <= latest
            and (lowest <= amount <= highest or amount is nan)
            and (key is None or key == user_id.encode())
        ):
            raise _RefusedError
        if event_id is not None and not is_id(event_id, self._longest):
            raise _RefusedError
        identity = identity_of(event)
        if (event.rec_id, event.session_id, event.position) != (None, None, None):
            self._check_rest(event)
        item = self._item_keys.get(item_id)
        if item is None:
            item = self._admit_item(item_id)
        # last, for a user without an accepted event must not be in the list
        user = users.get(user_id)
        if user is None:
            user = self._admit_user(users, user_id, key, bucket)
        # a price that happens to lie in the rating range must not be learnt as a rating
        rating = amount if event.event_type == self._rating_type else nan
        hide = self._policy.hide.get(event.event_type, ALWAYS)
        return user, item, identity, weight, rating, time, hide, item_id, name_of(event, identity)

    def _check_rest(self, event: Event) -> None:
        """Check the fields that only have to be of good form."""
        for identifier in (event.rec_id, event.session_id):
            if identifier is not None and not is_id(identifier, self._longest):
                raise _RefusedError
        if event.position is not None and not -INT64 <= event.position < INT64:
            raise _RefusedError

    def _admit_item(self, item_id: str) -> int:
        """Return the key of an item that has not been met, once its id is known to be good."""
        if not self._is_somebody(item_id):
            raise _RefusedError
        return self._item_keys.setdefault(item_id, key_of(item_id))

    def _admit_user(
        self, users: dict[str, int], user_id: str, key: bytes | None, bucket: int
    ) -> int:
        """Return the number of a user who is new in this micro-batch."""
        if not self._is_somebody(user_id):
            raise _RefusedError
        if key is None and bucket_of(user_id, self._policy.buckets) != bucket:
            raise _RefusedError
        return users.setdefault(user_id, len(users))

    def _is_somebody(self, identifier: str) -> bool:
        """Return whether a user or item id is good and no stand-in for nobody."""
        policy = self._policy
        return is_id(identifier, self._longest) and identifier.lower() not in policy.sentinel_ids
